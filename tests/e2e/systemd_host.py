"""A host of its own that systemd runs, in a privileged container: booted, asked by `systemctl`, and booted again.

Its root is Debian's, made by debootstrap once and kept; zoosup's checkout, its virtual environment and its Python are
this machine's, at the same paths, read-only. Its network is this machine's, so that it is asked from outside.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.containers.engines import RealEngine

SUITE = "bookworm"
PACKAGES = "systemd,systemd-sysv,dbus,python3,libsqlite3-0,libssl3,libffi8,zlib1g,libbz2-1.0,liblzma5,ca-certificates"
IMAGE = "zoosup-test/systemd:1"
ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0
"""Seconds after which a wait is given up."""


class NoHostError(Exception):
    """This machine can't have one; the message says why."""


def root_archive() -> Path:
    """A tar with the root of a small Debian that systemd can boot; NoHostError."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zoosup-tests"
    kept = cache / f"systemd-{SUITE}.tar"
    if kept.exists():
        return kept
    if shutil.which("debootstrap") is None:
        raise NoHostError("debootstrap is not installed")
    cache.mkdir(parents=True, exist_ok=True)
    root = cache / f"systemd-{SUITE}.new"
    shutil.rmtree(root, ignore_errors=True)
    made = ("debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(root))
    done = subprocess.run(made, capture_output=True, text=True, check=False, timeout=900)
    if done.returncode != 0:
        raise NoHostError(f"debootstrap: {(done.stdout + done.stderr)[-600:]}")
    draft = kept.with_suffix(".part")
    subprocess.run(("tar", "-C", str(root), "--exclude=./var/cache/apt", "-cf", str(draft), "."), check=True)
    shutil.rmtree(root, ignore_errors=True)
    return draft.rename(kept)


class SystemdHost:
    """One booted host. `home` is a folder of this machine that it has too, at the same path."""

    def __init__(self, engine: RealEngine, home: Path) -> None:
        self.engine = engine
        self.home = home
        if not engine.cli("images", "-q", IMAGE).strip():
            engine.import_image(root_archive(), IMAGE)
        shared = (ROOT, Path(sys.prefix), Path(sys.base_prefix))
        mounts = [word for each in dict.fromkeys(shared) for word in ("-v", f"{each}:{each}:ro")]
        self._id = engine.cli(
            *("run", "-d", "--stop-signal", "SIGRTMIN+3", "--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN"),
            *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
            *("--network", "host", "--cgroupns", "host", "-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw"),
            *("--tmpfs", "/run", "-v", f"{home}:{home}", *mounts, IMAGE, "/lib/systemd/systemd"),
        ).strip()
        self.wait_until_booted()

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """A command in it, as root."""
        return subprocess.run(
            (*self.engine.client, "exec", self._id, *argv),
            env=self.engine.env,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )

    def do(self, *argv: str) -> str:
        """A command that has to succeed; what it prints."""
        done = self.run(*argv)
        assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}\n{self.journal()}"
        return done.stdout.strip()

    def shown(self, unit: str, key: str) -> str:
        """A property of a unit."""
        return self.do("systemctl", "show", "--value", "-p", key, unit)

    def journal(self) -> str:
        """What was logged last."""
        return self.run("journalctl", "--no-pager", "-n", "60").stdout

    def reboot(self) -> None:
        """Down in good order, and up."""
        self.engine.cli("restart", "-t", "60", self._id)
        self.wait_until_booted()

    def wait_until_booted(self) -> None:
        """Until systemd has started all that is enabled; NoHostError where it never comes up."""
        done = self.run("timeout", "60", "systemctl", "is-system-running", "--wait")
        if done.stdout.strip() not in {"running", "degraded"}:
            until = time.monotonic() + PATIENCE
            while self.run("systemctl", "is-system-running").stdout.strip() not in {"running", "degraded"}:
                if time.monotonic() > until:
                    raise NoHostError(f"systemd does not come up here: {done.stdout}{done.stderr}")
                time.sleep(0.2)

    def wait(self, condition: Callable[[], object], what: str) -> None:
        """Until a condition holds."""
        until = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < until, f"waited in vain for {what}\n{self.journal()}"
            time.sleep(0.05)
