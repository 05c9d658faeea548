"""Real container engines for tests: private ones, with their own data and socket, of which nothing is left.

They touch no network and no other engine. Root is needed, and the engines' programs (Debian: docker.io, podman).
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PATIENCE = 60.0
"""Seconds after which an engine that doesn't come up is given up."""

CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
[engine]
cgroup_manager = "cgroupfs"
runtime = "{runtime}"
"""


REGISTRIES_CONF = """\
[[registry]]
location = "127.0.0.1"
insecure = true
"""


ROOMY = "size=2g"
"""Of a file system in memory, which takes what is written only."""


class NoEngineError(Exception):
    """This machine can't have it; the message says why."""


class RealEngine:
    """An engine under test: `docker` or `podman`."""

    def __init__(self, name: str, home: Path) -> None:
        self.name = name
        self.home = home
        self.socket = home / f"{name}.sock"
        self.address = f"unix://{self.socket}"
        self.log = home / "log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def env(self) -> dict[str, str]:
        """The environment in which a client talks to it."""
        shared = {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "HOME": str(self.home)}
        if self.name == "docker":
            return {**shared, "DOCKER_HOST": self.address}
        return {
            **shared,
            "CONTAINERS_CONF": f"{self.home}/containers.conf",
            "CONTAINERS_REGISTRIES_CONF": f"{self.home}/registries.conf",
        }

    @property
    def client(self) -> tuple[str, ...]:
        """The words before `run` of its own client."""
        if self.name == "docker":
            return ("docker",)
        return ("podman", "--root", f"{self.home}/root", "--runroot", f"{self.home}/run")

    def cli(self, *words: str, check: bool = True) -> str:
        """What its own client prints."""
        argv = (*self.client, *words)
        done = subprocess.run(
            argv, env=self.env, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{argv}: {done.stderr}")
        return done.stdout

    def start(self) -> None:
        """Start it, and wait until it answers; NoEngineError."""
        (self.home / "containers.conf").write_text(CONTAINERS_CONF.format(runtime=_runtime()))
        (self.home / "registries.conf").write_text(REGISTRIES_CONF)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._argv(),
                env=self.env,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + PATIENCE
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > until:
                self.kill()
                self._process = None
                raise NoEngineError(f"{self.name} does not start here: {self.log.read_text()[-600:]}")
            time.sleep(0.05)

    def answers(self) -> bool:
        """Whether somebody listens and says which version it is."""
        curl = ("curl", "-s", "-m", "5", "--unix-socket", str(self.socket), "http://engine/version")
        done = subprocess.run(curl, capture_output=True, check=False)
        with contextlib.suppress(ValueError):
            return "ApiVersion" in json.loads(done.stdout)
        return False

    def signal(self, number: signal.Signals) -> None:
        """Send the engine itself a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once; its containers live on."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        # its containerd ends with it, but dockerd takes one that init has not reaped yet for alive
        (self.home / "exec/containerd/containerd.pid").unlink(missing_ok=True)

    def stop(self) -> None:
        """End it and all its containers, and leave nothing."""
        try:
            if self._process is not None:
                self._end(self._process)
        finally:
            _unmount(self.home)
            shutil.rmtree(self.home, ignore_errors=True)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGCONT)
        if not self.answers():
            self.kill()
            self.socket.unlink(missing_ok=True)
            self.start()
        self.empty()
        self.signal(signal.SIGTERM)
        try:
            assert self._process is not None
            self._process.wait(30 if self.name == "docker" else 0.5)  # Podman waits for its connections
        except subprocess.TimeoutExpired:
            self.kill()

    def empty(self) -> None:
        """Remove all its containers; one that it is removing already takes its time."""
        until = time.monotonic() + PATIENCE
        while ids := self.cli("ps", "-aq").split():
            assert time.monotonic() < until, self.cli("ps", "-a")
            self.cli("kill", *ids, check=False)
            self.cli("rm", "-f", "-v", *ids, check=False)

    def import_image(self, tar: Path, name: str, *changes: str) -> None:
        """Make an image of a tar of its root."""
        options = [word for change in changes for word in ("--change", change)]
        self.cli("import", *options, str(tar), name)

    def _argv(self) -> list[str]:
        if self.name == "podman":
            return [*self.client, "system", "service", "-t", "0", self.address]
        home = self.home
        return [
            *("dockerd", "-H", self.address, "--data-root", f"{home}/data", "--exec-root", f"{home}/exec"),
            *("--pidfile", f"{home}/pid", "--bridge=none", "--iptables=false", "--ip6tables=false"),
            *("--live-restore", "--default-ulimit", "nofile=1024:1024"),
        ]


@contextlib.contextmanager
def running(name: str, *, disk: bool = False) -> Iterator[RealEngine]:
    """An engine of one's own; NoEngineError says why there can be none. `disk`: in a file system of its own, too."""
    if os.geteuid() != 0:
        raise NoEngineError("a private engine needs root")
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    needed = ("curl", *(("dockerd", "docker") if name == "docker" else ("podman",)))
    if missing := [each for each in needed if shutil.which(each, path=path) is None]:
        raise NoEngineError(f"{' and '.join(missing)} not installed")
    engine = RealEngine(name, Path(tempfile.mkdtemp(prefix="zoo-", dir="/tmp")))  # a socket's path is short
    try:
        if disk:
            _mount("-t", "tmpfs", "-o", ROOMY, "zoosup-test", str(engine.home))
        engine.start()
        yield engine
    finally:
        engine.stop()


@contextlib.contextmanager
def full_disk(engine: RealEngine) -> Iterator[None]:
    """Not a page more for the engine, which has a file system of its own."""
    used = shutil.disk_usage(engine.home).used
    _mount("-o", f"remount,size={used}", str(engine.home))
    try:
        yield
    finally:
        _mount("-o", f"remount,{ROOMY}", str(engine.home))


def _mount(*words: str) -> None:
    done = subprocess.run(("mount", *words), check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise NoEngineError(f"mount {' '.join(words)}: {done.stderr.strip()}")


def _runtime() -> str:
    """Crun refuses hosts of version 1 on which a hierarchy is not mounted, or version 2 has controllers too."""
    version_2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    return "runc" if shutil.which("runc") and not (version_2 and shutil.which("crun")) else "crun"


def _unmount(home: Path) -> None:
    mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for place in reversed([each for each in mounted if f"{each}/".startswith(f"{home}/")]):
        subprocess.run(("umount", "-l", place), check=False, capture_output=True)
