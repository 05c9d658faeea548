"""Carries what the hosts of a fleet say to each other, in place of link and controller, and decides as a test says.

Knows the two addresses on each control socket and what JSON passes there; refuses to import zoosup.
"""

import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Self

BETWEEN = 0.1
"""Seconds between two rounds."""


class _OverSocket(HTTPConnection):
    """HTTP over a socket in the file system."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=5)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Courier:
    """`sockets` and `gateways` by host. `assigned`: by host, who is to run there; `choose`: a host for a model."""

    def __init__(
        self,
        sockets: dict[str, Path],
        gateways: dict[str, str],
        choose: Callable[[str, str], dict[str, str]],
    ) -> None:
        self._sockets, self._gateways = sockets, gateways
        self._choose = choose
        self.assigned: dict[str, list[str]] = {node: [] for node in sockets}
        self.reports: dict[str, dict[str, Any]] = {}
        self.lost: set[str] = set()
        self.frozen: set[str] = set()  # hosts that are told nothing more
        self.questions: list[tuple[str, str]] = []
        self._answered: set[tuple[str, int]] = set()
        self._over = threading.Event()
        self._rounds = 0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def settle(self) -> None:
        """Wait until everybody has heard what is so now."""
        until = self._rounds + 3
        end = time.monotonic() + 20
        while self._rounds < until:
            assert time.monotonic() < end, "the courier is stuck"
            time.sleep(0.02)

    def _run(self) -> None:
        while not self._over.wait(BETWEEN):
            for node, path in self._sockets.items():
                with suppress(OSError, HTTPException):
                    self._hear(node, self._get(path))
            for node, path in self._sockets.items():
                if node not in self.frozen:
                    with suppress(OSError, HTTPException):
                        self._post(path, {"answer": self._answer(node)})
            self._rounds += 1

    def _hear(self, node: str, said: dict[str, Any]) -> None:
        gateway = self._gateways[node] if said["report"]["gateway"] else ""
        self.reports[node] = said["report"] | {"gateway": gateway}
        for question in said["questions"]:
            if (node, question["id"]) not in self._answered:
                self._answered.add((node, question["id"]))
                self.questions.append((node, question["model"]))
                told = self._choose(node, question["model"])
                self._post(self._sockets[node], {"question": question["id"], "told": told})

    def _answer(self, node: str) -> dict[str, Any]:
        number = self._rounds + 1
        told = {"generation": 1, "epoch": 1, "number": number, "models": self.assigned[node]}
        hosts = {n: {"report": r, "age": 0.0, "lost": n in self.lost} for n, r in self.reports.items()}
        placements: dict[str, list[str]] = {}
        for each, models in self.assigned.items():
            for model in models:
                placements.setdefault(model, []).append(each)
        spec = self.reports[node]["spec"] | {"digest": "any", "generation": 1} if node in self.reports else {}
        view = {"spec": spec, "epoch": 1, "number": number, "hosts": hosts, "placements": placements}
        return {"assignment": told, "view": view, "version": number}

    @staticmethod
    def _get(path: Path) -> dict[str, Any]:
        return json.loads(over_socket(path, "GET", "/fleet/report?after=0&asked=0"))

    @staticmethod
    def _post(path: Path, told: dict[str, Any]) -> None:
        over_socket(path, "POST", "/fleet/answer", json.dumps(told))


def over_socket(path: Path, method: str, target: str, body: str = "") -> bytes:
    """Ask a control socket; what it answers, which must be a success."""
    connection = _OverSocket(path)
    try:
        connection.request(method, target, body)
        answer = connection.getresponse()
        said = answer.read()
        assert answer.status in {200, 204}, said
        return said
    finally:
        connection.close()
