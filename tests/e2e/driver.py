"""Drives an installed zoosup as a person would: by a file, a command, an HTTP status.

Judges by the operating system. Knows the command line and the status document; refuses to import zoosup.
"""

import json
import mmap
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import psutil

DEADLINE = 90.0
"""Seconds after which a wait is given up: a guard against hanging, not a figure to meet."""

BIN = Path(sys.executable).parent


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on; all held at once so that they differ."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def listens(port: int) -> bool:
    """Whether something accepts connections on a local port."""
    with socket.socket() as probe:
        return not probe.connect_ex(("127.0.0.1", port))


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def free_memory() -> int:
    """The bytes of RAM that can be had without swapping.

    Since Linux 6.7 some 100 MiB of what a process gives back stay for seconds on the processors' own lists of free
    pages, which MemAvailable leaves out.
    """
    on_lists = 0
    if sys.platform == "linux":
        for line in Path("/proc/zoneinfo").read_text().splitlines():
            key, _, value = line.strip().partition(":")
            on_lists += int(value) if key == "count" else 0
    return psutil.virtual_memory().available + on_lists * mmap.PAGESIZE


def poll(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.02)


class Zoosup:
    """One zoo.yaml, one state directory, and the supervisor that follows the one and writes the other."""

    def __init__(self, home: Path, text: str, status_port: int, command: tuple[str, ...] = ()) -> None:
        self.file = home / "zoo.yaml"
        self.file.write_text(text)
        self.log = home / "zoosup.log"
        self.url = f"http://127.0.0.1:{status_port}"
        self.command = command or (str(BIN / "zoosup"), "run", str(self.file))
        self.state = home / "state"
        path = os.pathsep.join((str(BIN), os.environ["PATH"]))
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("ZOOSUP_")},
            "PATH": path,
            "ZOOSUP_STATE_DIR": str(self.state),
            "ZOOSUP_FILE": str(self.file),
            "NO_COLOR": "1",
        }
        self.process: subprocess.Popen[bytes] | None = None
        self._seen: dict[int, psutil.Process] = {}

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, env=self.env, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def cli(self, *arguments: str, timeout: float = DEADLINE) -> subprocess.CompletedProcess[str]:
        """Run another zoosup command beside the supervisor."""
        return subprocess.run(
            [str(BIN / "zoosup"), *arguments],
            env=self.env, capture_output=True, text=True, check=False, timeout=timeout,
        )  # fmt: skip

    def edit(self, *replacements: tuple[str, str]) -> None:
        """Change the file by write-and-rename, as most editors save."""
        text = self.file.read_text()
        for old, new in replacements:
            assert old in text, f"{old!r} is not in {self.file}"
            text = text.replace(old, new)
        fresh = self.file.with_name(".zoo.yaml.swp")
        fresh.write_text(text)
        fresh.replace(self.file)

    def status(self) -> dict[str, Any]:
        with urlopen(f"{self.url}/status", timeout=10) as answer:
            return json.load(answer)

    def model(self, name: str) -> dict[str, Any]:
        return self.status()["models"][name]

    def gateway(self) -> str:
        """The base URL of the gateway, once it listens."""
        return f"http://{self.wait(lambda s: s['gateway'], 'the gateway to listen')['gateway']}"

    def pid(self, name: str) -> int:
        pid = self.model(name)["pid"]
        assert pid is not None, f"{name} has no process"
        assert alive(pid), f"{name} is said to be {pid}, which does not run"
        return pid

    def wait(self, condition: Callable[[Mapping[str, Any]], object], what: str) -> dict[str, Any]:
        """Poll the status until a condition of it holds; the status then."""
        end = time.monotonic() + DEADLINE
        status: dict[str, Any] = {}
        while time.monotonic() < end:
            with suppress(URLError, ConnectionError, TimeoutError):
                status = self.status()
                if condition(status):
                    return status
            assert self.process is not None
            assert self.process.poll() is None, f"zoosup ended waiting for {what}:\n{self.log.read_text()}"
            self._remember()
            time.sleep(0.05)
        raise AssertionError(
            f"waited in vain for {what}: {json.dumps(status, indent=1)}\n{self.log.read_text()}"
        )

    def wait_phase(self, name: str, phase: str) -> dict[str, Any]:
        status = self.wait(lambda s: s["models"][name]["phase"] == phase, f"{name} to be {phase}")
        return status["models"][name]

    def terminate(self) -> int:
        """Ask the supervisor to end, as systemd would; its exit code."""
        assert self.process is not None
        self._remember()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=DEADLINE)

    def descendants(self) -> list[int]:
        """Every process below the supervisor."""
        assert self.process is not None
        with suppress(psutil.NoSuchProcess):
            return [child.pid for child in psutil.Process(self.process.pid).children(recursive=True)]
        return []

    def clean_up(self) -> None:
        """End whatever the test has left: what was seen below the supervisor, and what it began as it was looked at."""
        if self.process is None:
            return
        self._remember()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for child in (*self._seen.values(), *self._marked()):
            with suppress(psutil.NoSuchProcess):  # psutil compares start times, so a reused pid is safe
                child.kill()
        shutil.rmtree(self.state, ignore_errors=True)

    def _marked(self) -> Iterator[psutil.Process]:
        """Those that bear its state directory in their environment."""
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("ZOOSUP_STATE_DIR") == str(self.state):
                    yield process

    def _remember(self) -> None:
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children(recursive=True):
                self._seen.setdefault(child.pid, child)
