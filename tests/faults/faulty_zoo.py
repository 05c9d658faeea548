"""A real zoosup with faulty models, and what the operating system says about them.

Models are started and stopped by hand, one fault at a time, so that one supervisor serves many tests: whoever does not
feel a neighbour's fault keeps its process, and that is looked at after each.
"""

import json
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from tests.e2e.driver import BIN, Zoosup, free_ports
from tests.peers import oracle
from zoosup.cli.client import Client
from zoosup.host.storage.paths import control_socket

FAULTY = Path(__file__).with_name("faulty_model.py")

LONG = bool(os.environ.get("FAULTS_LONG"))
"""Whether faults last as long as the issue says; run.py's default, and too long for the suite of every day."""

OFTEN = {"http": "/health", "interval": "200ms", "timeout": "500ms", "deadline": "20s"}
"""A readiness that is asked for more often than every ten seconds, so that its loss is seen soon."""

HEAD = """\
active: [{active}]
budget: {{ram: 8GiB, ram_reserve: 64MiB}}
status: {{listen: "127.0.0.1:{port}"}}
gateway: false
defaults:
  memory: {{ram: 24MiB}}
  stop: {{grace: 500ms}}
  ready: {{http: /health, deadline: 20s, timeout: 500ms}}
  restart: {{initial: 200ms, max: 200ms, factor: 1}}
models:
"""

Models = Mapping[str, Mapping[str, Any]]


def faulty(fault: str, **fields: Any) -> dict[str, Any]:
    """A model with a fault; `fields` as in zoo.yaml."""
    interpreter = os.path.realpath(sys.executable)
    return {"command": [interpreter, "-I", "-S", str(FAULTY), fault, "${PORT}"], **fields}


class FaultyZoo:
    """A running zoosup. Every model stands in a folder named like it; `steady` is the neighbour, and always active."""

    def __init__(self, folder: Path, models: Models, wrapper: Sequence[str] = ()) -> None:
        self.folder = folder.resolve()
        self.models = {"steady": faulty("none"), **models}
        for name in self.models:
            self.place(name).mkdir(parents=True, exist_ok=True)
        [self.port] = free_ports(1)
        home = self.folder / "home"
        home.mkdir()
        words = [*wrapper, str(BIN / "zoosup"), "run", str(home / "zoo.yaml")]
        self.zoosup = Zoosup(home, self.text(), self.port, tuple(words))
        self.client = Client(control_socket(self.zoosup.state))
        self.steady = 0

    def text(self, *active: str) -> str:
        """A zoo.yaml with all the models; besides `steady` these are active."""
        lines = [
            f"  {json.dumps(name)}: {json.dumps({'cwd': str(self.place(name)), **model})}\n"
            for name, model in self.models.items()
        ]
        return HEAD.format(active=", ".join(("steady", *active)), port=self.port) + "".join(lines)

    def begin(self) -> None:
        self.zoosup.start()
        self.zoosup.wait_phase("steady", "ready")
        self.steady = self.zoosup.pid("steady")

    @property
    def pid(self) -> int:
        """The supervisor's own."""
        assert self.zoosup.process is not None
        return self.zoosup.process.pid

    def place(self, name: str) -> Path:
        return self.folder / "models" / name

    def say(self, name: str, health: str) -> None:
        """What a model's health answers from now on."""
        draft = self.place(name) / "health.new"
        draft.write_text(health)
        draft.replace(self.place(name) / "health")

    @contextmanager
    def line(self) -> Iterator[Callable[[str, str], None]]:
        """A connection made in good time to ask for something by hand later, when there may be none to be had."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(oracle.DEADLINE)
            client.connect(str(control_socket(self.zoosup.state)))
            client.sendall(b"GET /livez HTTP/1.1\r\nHost: zoosup\r\n\r\n")
            assert client.recv(4096)

            def ask(name: str, verb: str) -> None:
                head = f"POST /models/{name}/{verb} HTTP/1.1\r\nHost: zoosup\r\nContent-Length: 0\r\n\r\n"
                client.sendall(head.encode())

            yield ask

    def start(self, name: str, phase: str = "ready") -> dict[str, Any]:
        self.client.post("models", name, "start")
        return self.zoosup.wait_phase(name, phase)

    def stop(self, name: str) -> None:
        """Ask for the end of a model, and wait until zoosup says that it is there."""
        self.client.post("models", name, "stop")
        self.zoosup.wait_phase(name, "stopped")

    def living(self, name: str) -> list[int]:
        """Every process of a model, as the operating system has it."""
        return [process.pid for process in oracle.living(self.place(name))]

    def wait_living(self, name: str, count: int) -> list[int]:
        oracle.wait(lambda: len(self.living(name)) == count, f"{count} processes of {name}")
        return self.living(name)

    def events(self, name: str, type_: str) -> list[dict[str, Any]]:
        return [event for event in self.client.get("events", model=name)["events"] if event["type"] == type_]

    def conditions(self) -> dict[str, dict[str, Any]]:
        """Those of the zoo as a whole, by type."""
        return {each["type"]: each for each in self.zoosup.status()["conditions"]}

    def unharmed(self) -> None:
        """The neighbour has never been touched, no zombie is left, and nothing was a surprise to zoosup."""
        assert [self.steady] == self.living("steady")
        assert self.steady == self.zoosup.pid("steady")
        oracle.wait(lambda: not self.zombies(), f"zombies to be reaped: {self.zombies()}")
        log = self.zoosup.log.read_text()
        assert "internal error" not in log, log

    def zombies(self) -> list[int]:
        children = psutil.Process(self.pid).children()
        return [child.pid for child in children if _is_zombie(child)]

    def close(self) -> None:
        self.zoosup.clean_up()
        oracle.sweep(self.folder / "models")


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextmanager
def running_zoo(folder: Path, models: Models, wrapper: Sequence[str] = ()) -> Iterator[FaultyZoo]:
    """A zoo until the block ends."""
    zoo = FaultyZoo(folder, models, wrapper)
    try:
        zoo.begin()
        yield zoo
    finally:
        zoo.close()
