"""Several hosts on this one: network namespaces on a bridge, each with an address, a zoosup and a Ray of its own.

Judges by the operating system: which processes live in which namespace. Needs root; refuses to import zoosup.
ZOOSUP_TEST_RAY names an interpreter with Ray to take instead of one of our own.
"""

import ctypes
import hashlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
import venv
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

RAY = "ray==2.60.0"
ROOT = Path(__file__).parents[2]
NET = "10.213.47"
CLONE_NEWNET = 0x40000000


class CannotIsolateError(Exception):
    """This host lets nobody make networks of its own; the text is what `ip` said."""


class CannotInstallError(Exception):
    """pip could not get Ray; the text is pip's last line."""


def python_with_ray() -> Path:
    """An interpreter with Ray and all that zoosup needs, made once: 300 MB. CannotInstallError if it can't be."""
    if given := os.environ.get("ZOOSUP_TEST_RAY"):
        return Path(given)
    needs = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zoosup-tests"
    name = hashlib.sha256(json.dumps([*needs, RAY, sys.version]).encode()).hexdigest()[:12]
    kept = cache / f"ray-{name}"
    if not (kept / "complete").exists():
        venv.create(kept, with_pip=True, clear=True)
        pip = [kept / "bin" / "python", "-m", "pip", "install", "--quiet", RAY, *needs]
        done = subprocess.run(pip, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CannotInstallError(done.stderr.strip().rpartition("\n")[2])
        (kept / "complete").touch()
    return kept / "bin" / "python"


def ip(*arguments: str) -> str:
    """Run one `ip` command."""
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout


class FleetHost:
    """One of them."""

    def __init__(self, place: int, fleet: str, home: Path, python: Path) -> None:
        self.node = f"host-{place}"
        self.space = f"{fleet}-{place}"
        self.address = f"{NET}.{place}"
        self.state = home / f"s{place}"
        self.file = home / "zoo.yaml"
        self.python = str(python)
        self._log = home / f"{place}.log"
        self.clock = 0
        """Seconds by which its monotonic clocks are ahead of this machine's."""
        self.zoosup: subprocess.Popen[bytes] | None = None
        self._first: subprocess.Popen[bytes] | None = None

    @property
    def text(self) -> str:
        """Its file."""
        return self.file.read_text()

    def has_file(self, text: str) -> None:
        """A file of its own, from its next start on; once it has one, from now on."""
        self.file = self.file.with_name(f"{self.node}.yaml")
        new = self.file.with_suffix(".new")
        new.write_text(text)
        new.rename(self.file)

    def mount(self, place: Path, size: int) -> None:
        """A small disk of its own under the state directory; `size` in bytes. What is in it: `inside`."""
        for each in (self.state, *reversed(place.relative_to(self.state).parents[:-1]), place):
            (self.state / each).mkdir(mode=0o700, exist_ok=True)
        tmpfs = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "small", str(place)]
        subprocess.run(["nsenter", "--target", str(self._holder()), "--mount", *tmpfs], check=True)

    def inside(self, place: Path) -> Path:
        """A path of the host as it is reached from outside."""
        return Path(f"/proc/{self._holder()}/root") / place.relative_to("/")

    def cut(self, other: "FleetHost") -> None:
        """No packet gets from one to the other any more, without a word: both have a wrong idea of where it is."""
        for here, there in ((self, other), (other, self)):
            where = ["lladdr", "02:00:00:00:00:01", "dev", "eth0", "nud", "permanent"]
            ip("-n", here.space, "neigh", "replace", there.address, *where)

    def heal(self, other: "FleetHost") -> None:
        """They get there again."""
        for here, there in ((self, other), (other, self)):
            ip("-n", here.space, "neigh", "del", there.address, "dev", "eth0")

    def start(self, python: Path | None = None) -> None:
        """Begin zoosup; `python`: by another interpreter, whose Ray is another one too."""
        env = {k: v for k, v in os.environ.items() if not k.startswith(("ZOOSUP_", "RAY_"))}
        env |= {
            "NODE": self.node,
            "PY": self.python,
            "ZOOSUP_STATE_DIR": str(self.state),
            "PYTHONPATH": str(ROOT),
        }
        command = [*self._inside(), str(python or self.python), "-m", "zoosup", "run", str(self.file)]
        with self._log.open("ab") as log:
            self.zoosup = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)

    def asking(self, *models: str) -> subprocess.Popen[str]:
        """A client on this host (`fleet_clients.main`) that asks its gateway for models."""
        inside = ["nsenter", "--target", str(self._holder()), "--net", "--"]
        words = [sys.executable, "-m", "tests.e2e.fleet_clients", self.address, "8080", *models]
        return subprocess.Popen(
            [*inside, *words], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def kill_zoosup(self) -> None:
        """SIGKILL: its models go on."""
        self.signal_zoosup(signal.SIGKILL)

    def signal_zoosup(self, number: signal.Signals) -> None:
        """Send it a signal, and wait for its end."""
        assert self.zoosup is not None
        for pid in self.processes("zoosup run"):
            if "nsenter" not in _command(pid):
                os.kill(pid, number)
        self.zoosup.wait(60)

    def _inside(self) -> list[str]:
        """What has a command run on this host."""
        spaces = ["--pid", "--mount", "--net", *(["--time"] if self.clock else [])]
        return ["nsenter", "--target", str(self._holder()), *spaces, "--"]

    def _holder(self) -> int:
        """The first process of its pid namespace: Ray refuses a head beside any other host's Ray that it can see."""
        if self._first is None:
            command = [
                "ip",
                "netns",
                "exec",
                self.space,
                "unshare",
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
                *(_ahead(self.clock) if self.clock else []),
            ]
            self._first = subprocess.Popen([*command, "sh", "-c", "while :; do sleep 9 & wait; done"])
        children = Path(f"/proc/{self._first.pid}/task/{self._first.pid}/children")
        while not children.read_text().split():
            time.sleep(0.02)
        return int(children.read_text().split()[0])

    def end(self) -> None:
        """All of it, and what holds it."""
        self.lose_power()
        if self.zoosup is not None:
            self.zoosup.wait(10)

    def lose_power(self) -> None:
        """SIGKILL to all that there is."""
        while found := self._all():
            for pid in found:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
            for each in (self.zoosup, self._first):
                if each is not None:
                    each.poll()
        if self._first is not None:
            self._first.wait(10)
            self._first = None  # what it has mounted is gone with it

    def freeze(self) -> None:
        """SIGSTOP to all that there is: it hangs."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._all():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def run_python(self, code: str, within: float, **environ: str) -> str:
        """What a program prints that somebody runs on this host by the fleet's interpreter; it is ended `within`."""
        inside = [*self._inside(), self.python, "-c", code]
        env = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")} | environ
        with subprocess.Popen(
            inside,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as program:
            try:
                return program.communicate(timeout=within)[0]
            except subprocess.TimeoutExpired:
                os.killpg(program.pid, signal.SIGKILL)
                return program.communicate()[0]

    def processes(self, word: str) -> list[int]:
        """Those whose command line has this word."""
        return [pid for pid in self._all() if word in _command(pid)]

    def models(self) -> dict[str, int]:
        """The models that live here, by their process."""
        # Each is asked once: it may end before it is asked again.
        found = {pid: _command(pid).split() for pid in self._all()}
        return {
            words[words.index("--model-id") + 1]: pid
            for pid, words in found.items()
            if "zoosup.demo" in words
        }

    def status(self) -> dict[str, Any]:
        """What zoosup says; {} while it says nothing."""
        connection = http.client.HTTPConnection("zoosup", timeout=10)
        try:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.connect(str(self.state / "control.sock"))
            connection.request("GET", "/status")
            found: dict[str, Any] = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError):
            return {}
        finally:
            connection.close()
        return found

    def asks(self, model: str) -> int:
        """The status of an answer by its own gateway, which a client on this host has asked for a model."""
        with ThreadPoolExecutor(1) as thread:  # a thread of its own, for it stays in the host's network
            return thread.submit(self._ask, model).result()

    def _ask(self, model: str) -> int:
        with Path("/run/netns", self.space).open() as network:
            if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"can't enter {self.space}")
        connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=60)
        body = json.dumps({"model": model, "max_tokens": 1, "messages": [{"role": "user", "content": "x"}]})
        try:
            connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
            return connection.getresponse().status
        finally:
            connection.close()

    def ready(self) -> set[str]:
        """The models that answer here, as zoosup has seen it."""
        return {name for name, model in self.status().get("models", {}).items() if model["phase"] == "ready"}

    def log(self) -> str:
        """What zoosup and its two children have printed."""
        files = [self._log, *sorted((self.state / "fleet" / "logs").glob("*"))]
        return "\n".join(
            f"== {each}\n{each.read_text(errors='replace')[-3000:]}" for each in files if each.exists()
        )

    def _all(self) -> list[int]:
        pids = map(int, ip("netns", "pids", self.space).split())
        return [pid for pid in pids if _command(pid)]


def has_clocks() -> bool:
    """Whether hosts can have monotonic clocks of their own here."""
    return not subprocess.run(["unshare", *_ahead(1), "true"], check=False, capture_output=True).returncode


def _ahead(seconds: int) -> list[str]:
    return ["--time", f"--monotonic={seconds}", f"--boottime={seconds}"]


def _command(pid: int) -> str:
    """Its command line; "" of one that is gone, or only waits to be reaped."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


@contextmanager
def fleet_hosts(count: int, text: str, python: Path) -> Iterator[list[FleetHost]]:
    """So many hosts that can reach each other, none of them begun, with a file that they share.

    CannotIsolateError where no networks can be made.
    """
    name = f"zf{os.getpid()}"
    home = Path(tempfile.mkdtemp(prefix="zf-", dir="/tmp"))  # short: sockets lie in it
    hosts = [FleetHost(place, name, home, python) for place in range(1, count + 1)]
    token = home / "token"
    token.write_text("of-the-tests-0123456789abcdef0123456789\n")
    token.chmod(0o600)
    (home / "zoo.yaml").write_text(text.format(head=f"{NET}.1:6379", token=token))
    try:
        try:
            ip("netns", "add", name)
            ip("-n", name, "link", "add", "bridge0", "type", "bridge")
        except subprocess.CalledProcessError as error:
            raise CannotIsolateError(error.stderr.strip()) from None
        ip("-n", name, "link", "set", "bridge0", "up")
        for place, host in enumerate(hosts):
            ip("netns", "add", host.space)
            ip(
                "link",
                "add",
                "eth0",
                "netns",
                host.space,
                "type",
                "veth",
                "peer",
                "name",
                f"p{place}",
                "netns",
                name,
            )
            ip("-n", name, "link", "set", f"p{place}", "master", "bridge0", "up")
            ip("-n", host.space, "addr", "add", f"{host.address}/24", "dev", "eth0")
            for device in ("eth0", "lo"):
                ip("-n", host.space, "link", "set", device, "up")
        yield hosts
    finally:
        for host in hosts:
            with suppress(subprocess.SubprocessError):
                host.end()
        for space in (*(host.space for host in hosts), name):
            subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)
        shutil.rmtree(home, ignore_errors=True)
