"""A zoosup of one case: its file, its state directory, its life and death. Refuses to ask it how its models are."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from tests.crash.containers import Containers
from tests.crash.oracle import Oracle, Process
from zoosup.host.storage.paths import control_socket

DEADLINE = 60.0
"""Seconds after which a wait is given up: a guard against hanging, not a figure to meet."""

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent


class Daemon:
    """One zoo of models that are up at once, on a host that is watched by an oracle.

    They are processes, or all are `containers`. `tight`: there is room for one at a time.
    """

    def __init__(
        self,
        home: Path,
        oracle: Oracle,
        models: str = "ab",
        containers: Containers | None = None,
        *,
        tight: bool = False,
    ) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        self.token = uuid.uuid4().hex[:12]
        self.seen = oracle.watch(self.token)
        self.oracle = oracle
        self.models = models
        self.containers = containers
        self.need = 16 if containers is None else 64  # MiB: a client is larger than what it starts
        self.budget = f"{{ram: {self.need * 3 // 2}MiB}}" if tight else "{}"
        self.options: dict[str, str] = {}
        self.before: list[str] = []  # words before each command
        self.state = home / "state"
        self.points = home / "points"
        self.armed = home / "armed"
        self.log = home / "zoosup.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.bystanders = self._bystanders()

    # what a person does

    def write(self, *active: str) -> None:
        """Save the file by write-and-rename, as most editors do."""
        beside = self.home / "zoo.yaml.new"
        beside.write_text(self._text(active))
        beside.replace(self.home / "zoo.yaml")

    def _text(self, active: Iterable[str]) -> str:
        lines = [f"active: [{', '.join(active)}]", f"budget: {self.budget}", "models:"]
        for name in self.models:
            lines += [f"  {name}:", *self._served(name), f"    memory: {{ram: {self.need}MiB}}"]
            lines += ["    ready: {http: /}", f"    stop: {self.options.get(f'{name}.stop', '{grace: 20s}')}"]
        return "\n".join(lines) + "\n"

    def _served(self, name: str) -> list[str]:
        if self.containers is not None:
            return self.containers.served(self.token, name)
        argv = [*self.before, sys.executable, "-IS", str(HERE / "model.py"), self.token, name, "${PORT}"]
        argv += self.options.get(f"{name}.argv", "").split()
        return [f"    command: {json.dumps(argv)}"]

    def start(self, deadly: int | str | None = None) -> None:
        """The installed zoosup, or the one that dies at an instant, by its number or its name."""
        command = [str(BIN / "zoosup")]
        if deadly is not None:
            killed_at = [
                str(HERE / "zoosup_with_crash_points.py"),
                str(deadly),
                str(self.points),
                str(self.armed),
            ]
            command = [sys.executable, *killed_at]
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("ZOOSUP_", "NOTIFY_"))}
        env = kept | {
            "ZOOSUP_STATE_DIR": str(self.state),
            "ZOOSUP_STATUS_LISTEN": "none",
            "ZOOSUP_GATEWAY_LISTEN": "none",
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "run", str(self.home / "zoo.yaml")],
                env=env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start_by_hand(self, model: str) -> subprocess.Popen[bytes]:
        """A copy of a model that zoosup knows nothing of; its caller ends it."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = str(free.getsockname()[1])
        return subprocess.Popen([sys.executable, "-IS", str(HERE / "model.py"), self.token, model, port])

    def send(self, signum: signal.Signals) -> None:
        """A signal to zoosup alone."""
        assert self.process is not None
        self.process.send_signal(signum)

    def ended(self) -> int | None:
        """Its exit code; None while it runs."""
        assert self.process is not None
        return self.process.poll()

    def wait(self) -> int:
        """Wait for its end; the exit code."""
        assert self.process is not None
        return self.process.wait(DEADLINE)

    def kill(self) -> None:
        """kill -9, and gone."""
        self.send(signal.SIGKILL)
        self.wait()

    # what the operating system says

    def pids(self, model: str) -> list[int]:
        """Leaders of a model that live now."""
        return [p.pid for p in self.oracle.fresh(self.token).serving(model)]

    def living(self) -> frozenset[Process]:
        """Everybody of this zoo's models."""
        return self.oracle.fresh(self.token).living

    def is_as(self, *active: str) -> bool:
        """Whether exactly these models live, each with one leader that answers and one helper."""
        living = self.seen.living
        expected = sorted((name, helper) for name in active for helper in (True, False))
        return sorted((p.model, not p.port) for p in living) == expected and all(
            answers(p.port) for p in living if p.port
        )

    def engine_has(self, *active: str) -> bool:
        """Whether the engine has one running container of each of these, and no other; True without an engine."""
        return self.containers is None or self.containers.of(self.token) == [(each, True) for each in active]

    def harmed(self) -> list[str]:
        """Who was none of zoosup's business, and has ended."""
        found = [str(bystander.args) for bystander in self.bystanders if bystander.poll() is not None]
        if self.containers is not None and not self.containers.stranger_lives():
            found.append("a container of another zoosup")
        return found

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until it holds; a zoosup that ends meanwhile is not waited for any longer."""
        end = time.monotonic() + DEADLINE
        while not condition():
            if time.monotonic() > end or self.ended() not in (None, -signal.SIGKILL):
                raise AssertionError(f"waited in vain for {what}; {self.testimony()}")
            time.sleep(0.01)

    def testimony(self) -> str:
        """Everything that helps to understand a failure."""
        log = self.log.read_text(errors="replace")[-6000:] if self.log.exists() else ""
        points = self.points.read_text() if self.points.exists() else ""
        kept = "" if self.containers is None else f"\nengine: {self.containers.of(self.token)}"
        return f"living: {sorted(self.seen.living, key=lambda p: p.pid)}{kept}\n{points}\n{log}"

    def is_up(self) -> bool:
        """Whether it has come as far as listening on its control socket, which it does after adoption."""
        with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.connect(str(control_socket(self.state)))
            return True
        return False

    def records(self) -> list[Path]:
        """The records of runs on disk."""
        return sorted((self.state / "runs").glob("*.json"))

    # the end of a case

    def clean_up(self) -> None:
        """End whatever is left of the case."""
        if self.process is not None and self.ended() is None:
            self.kill()
        for process in self.living():
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        if self.containers is not None:
            self.containers.sweep(self.token)
        for bystander in self.bystanders:
            bystander.kill()
            bystander.wait()

    def _bystanders(self) -> list[subprocess.Popen[bytes]]:
        """Processes that look like ours: by their command line, and by the mark of another state directory."""
        alike = [sys.executable, "-IS", "-c", "import time; time.sleep(600)", str(HERE / "model"), self.token]
        env = os.environ | {"ZOOSUP_RUN_ID": "ffffffff-0123456789abcdef"}
        return [
            subprocess.Popen([*alike, "a", "1"]),
            subprocess.Popen(["/bin/sleep", "600"], env=env, start_new_session=True),
        ]


def answers(port: int) -> bool:
    """Whether a model answers a request on its port."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        return client.recv(64).startswith(b"HTTP/1.1 200")
    return False
