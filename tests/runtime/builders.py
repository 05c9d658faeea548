"""Builds the state of a zoo without a host, and a clock that is set by hand."""

import json
from dataclasses import dataclass
from typing import Any

from zoosup.core.state.facts import Booked, ProbedReady, Spawned
from zoosup.core.state.runs import Run
from zoosup.host.ports.host import PoolReading
from zoosup.runtime.clock import Clock
from zoosup.runtime.events.journal import Journal
from zoosup.runtime.state.applied import Applied
from zoosup.runtime.state.zoo import Zoo
from zoosup.spec.model.zoo import ZooSpec
from zoosup.spec.parse import parse

GIB = 2**30
PATH = "zoo.yaml"


@dataclass
class ManualClock:
    """Both clocks, set by hand."""

    now: float = 100.0
    wall: float = 1_700_000_000.0
    boot: str = ""

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.wall += seconds

    def as_clock(self) -> Clock:
        return Clock(lambda: self.now, lambda: self.wall, self.boot)


def text_of(models: dict[str, dict[str, Any]], active: str | list[str], **rest: Any) -> str:
    """A file; each model has a command and needs 1 GiB unless it says otherwise."""
    plain = {"command": "serve", "memory": {"ram": "1GiB"}}
    return json.dumps({"active": active, "models": {n: plain | m for n, m in models.items()}} | rest)


def spec_of(text: str) -> ZooSpec:
    return parse(text, path=PATH, environ={})


def a_zoo(clock: ManualClock, text: str = "") -> Zoo:
    """A zoo with this file in force and 32 GiB of RAM, 30 of them free."""
    ports = clock.as_clock()
    zoo = Zoo("box", "test", "mark-", ports, Journal(ports.wall), Applied(PATH))
    zoo.sample((PoolReading("ram", "ram", "RAM", 32 * GIB, 30 * GIB, "virtual"),))
    if text:
        zoo.take_over(spec_of(text), text)
    return zoo


def a_run(zoo: Zoo, name: str, run_id: str = "mark-1", **changes: Any) -> Run:
    """A run of the model as it is booked just now."""
    fields: dict[str, Any] = {
        "id": run_id,
        "node": "box",
        "spec": zoo.spec.models[name],
        "port": 20000,
        "reserved": {"ram": GIB},
        "booked_at": zoo.clock.now(),
        "started_at": zoo.clock.wall(),
    }
    return Run(**fields | changes)


def make_ready(zoo: Zoo, name: str, run_id: str = "mark-1", pid: int = 4711) -> None:
    zoo.tell(name, Booked(a_run(zoo, name, run_id)))
    zoo.tell(name, Spawned(run_id, pid))
    zoo.tell(name, ProbedReady(run_id, zoo.clock.now()))
