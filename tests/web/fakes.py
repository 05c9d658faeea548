"""A fake runtime: snapshots that are published by hand, wishes that are only noted down."""

import asyncio
import itertools
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.web.gateway.fake_leasing import FakeLeasing
from zoosup.core.state.observed import Condition
from zoosup.core.state.phases import ConditionType, ExitReason
from zoosup.core.state.runs import Exit
from zoosup.errors import NoSuchHoldError, NoSuchModelError, ZoosupError
from zoosup.runtime.api.commands import HoldRequest
from zoosup.runtime.events.journal import Journal
from zoosup.runtime.events.publisher import Publisher
from zoosup.runtime.publish import words
from zoosup.runtime.publish.condition_status import condition_data
from zoosup.runtime.publish.fleet_status import whole_fleet
from zoosup.runtime.state.membership import Membership
from zoosup.spec.parse import parse
from zoosup.web.api import health
from zoosup.web.gateway.telemetry.metrics import Counters

GIB = 1 << 30
NOW = 1_763_900_000.0


def model(phase: str, **more: Any) -> dict[str, Any]:
    """A model as the snapshot shows it; live ones have a process and a promise of 2 GiB, of which they hold 1.5."""
    live = phase in {"starting", "ready", "unready", "draining", "stopping"}
    known = {
        "phase": phase,
        "reason": "",
        "message": "",
        "refused": phase == "failed",
        "active": phase != "stopped",
        "pid": 4711 if live else None,
        "port": 8001 if live else None,
        "url": "http://127.0.0.1:8001" if live else None,
        "run_id": "r1" if live else None,
        "started_at": NOW - 3700 if live else None,
        "ready_at": NOW - 3600 if phase == "ready" else None,
        "restarts": 0,
        "crashes": 0,
        "backoff_until": None,
        "last_exit": None,
        "memory": {"ram": memory(2 * GIB, 2 * GIB if live else 0, 3 * GIB // 2 if live else 0)},
        "on_demand": False,
        "external": False,
        "inflight": 0,
        "waiting": 0,
        "load_time": None,
        "progress": None,
        "warm": None,
        "aliases": [],
        "override": None,
        "description": "",
        "conditions": [],
    }
    assert set(more) <= set(known), more
    made = known | more
    if made["last_exit"]:
        end = made["last_exit"]
        said = words.ending(Exit(ExitReason(end["reason"]), 0, end["code"], end["signal"]))
        made["last_exit"] = end | {"words": said}
    why = words.why(made["reason"], made["message"], active=made["active"])
    return made | {"why": why or (words.crashed(made["crashes"], None) if made["crashes"] else "")}


def memory(need: int, reserved: int = 0, held: int = 0) -> dict[str, Any]:
    known = {"need": need, "source": "declared", "note": "", "terms": []}
    return known | {"reserved": reserved, "held": held, "peak": held}


def condition(type_: str, reason: str, message: str, *, status: bool = False) -> dict[str, Any]:
    return condition_data(Condition(None, ConditionType(type_), status, reason, message)) | {
        "since": NOW - 12
    }


def pool(**more: Any) -> dict[str, Any]:
    """16 GiB, of which 9 are free, 5.5 others' and 1.5 held by a, to whom 2 are promised."""
    known = {
        "node": "box",
        "id": "ram",
        "kind": "ram",
        "name": "RAM",
        "source": "MemAvailable",
        "total": 16 * GIB,
        "free": 9 * GIB,
        "reserve": 2 * GIB,
        "budget": 14 * GIB,
        "reserved": 2 * GIB,
        "held": 3 * GIB // 2,
        "foreign": 11 * GIB // 2,
        "models": {"a": {"reserved": 2 * GIB, "held": 3 * GIB // 2}},
        "holds": {},
    }
    assert set(more) <= set(known), more
    return known | more


def snapshot(models: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A zoo of one ready model, another stopped one and one with a name that needs care in a URL."""
    if models is None:
        models = {"a": model("ready"), "b": model("stopped"), "org/model:8b": model("stopped")}
    config = {
        "path": "/srv/zoo.yaml",
        "generation": 3,
        "observed_generation": 3,
        "hash": "ab" * 32,
        "revision": None,
        "loaded_at": NOW - 60,
        "error": None,
    }
    known = {
        "version": "0.1.0",
        "instance": "default",
        "node": "box",
        "pid": 4242,
        "at": NOW,
        "config": config | more.pop("config", {}),
        "phase": "running",
        "converged": True,
        "switch": None,
        "conditions": [],
        "pools": [pool()],
        "fleet": None,
        "holds": {},
        "models": models,
    }
    assert set(more) <= set(known), more
    return known | more


def healthy(shown: dict[str, Any]) -> dict[str, Any]:
    """The same snapshot as `GET /status?health=1` has it."""
    return {**shown, "health": health.summary(shown, health.readiness(shown), health.troubles(shown))}


def hold(state: str = "held", **more: Any) -> dict[str, Any]:
    """8 GiB of RAM for a game, of which 2 are in use."""
    known = {
        "id": "h1", "state": state, "reason": "", "message": "", "command": "game --fast", "pid": 77,
        "ram": 8 * GIB, "vram": 0, "gpu": None, "force": False, "gpus": None, "gpu_env": {},
        "since": NOW - 60, "held_since": NOW - 50, "until": NOW + 3600,
        "memory": {"ram": {"reserved": 8 * GIB, "held": 2 * GIB}},
    }  # fmt: skip
    assert set(more) <= set(known), more
    return known | more


def plan(**more: Any) -> dict[str, Any]:
    """The plan that makes room for b: a is drained, b will be started."""
    return {
        "generation": 4,
        "path": "/srv/zoo.yaml",
        "actions": [
            {"action": "drain", "model": "a", "cause": "NotWanted", "message": "b takes its place"},
            {
                "action": "hold",
                "model": "b",
                "phase": "pending",
                "cause": "WaitingForEviction",
                "message": "a has to leave first",
            },
        ],
        "models": {
            "a": {"phase_now": "ready", "verdict": "stopped", "reason": "", "message": "", "sums": []},
            "b": {
                "phase_now": "stopped",
                "verdict": "waits",
                "reason": "WaitingForEviction",
                "message": "ram is short of 3 GiB: needs 10 GiB, available 9 GiB less 2 GiB reserve",
                "sums": [sums()],
            },
        },
        "conditions": [],
        "wake_in": 1.5,
        "changes": True,
    } | more


def sums(**more: Any) -> dict[str, Any]:
    return {
        "pool": "ram",
        "need": 10 * GIB,
        "budget": 14 * GIB,
        "reserve": 2 * GIB,
        "total": 16 * GIB,
        "available": 9 * GIB,
        "reserved": {"a": 2 * GIB},
        "promised": GIB // 2,
        "foreign": 11 * GIB // 2,
        "credit": 0,
        "short": 7 * GIB // 2,
    } | more


class Logs:
    """Logs that stand in lists; `arrivals` is what comes while somebody follows."""

    def __init__(self) -> None:
        self.lines: dict[str, list[str]] = {}
        self.previous: dict[str, list[str]] = {}
        self.arrivals: asyncio.Queue[bytes] = asyncio.Queue()
        self.following = 0

    async def begin(self, model: str) -> Path:
        raise NotImplementedError

    async def tail(self, model: str, lines: int, *, previous: bool = False) -> tuple[str, ...]:
        kept = (self.previous if previous else self.lines).get(model, [])
        return tuple(kept[-lines:] if lines else ())

    async def follow(self, model: str):
        self.following += 1
        try:
            while True:
                yield await self.arrivals.get()
        finally:
            self.following -= 1

    async def rotate(self) -> None:
        raise NotImplementedError


class Commands:
    """Notes each wish in `wishes`, and carries out on the board as much of it as a test needs."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self.wishes: list[tuple[Any, ...]] = []
        self.age = 0.01
        self.answer = plan()
        self.fault: Exception | None = None

    async def start(self, model: str) -> dict[str, Any]:
        return self._wish("start", model, "start")

    async def stop(self, model: str) -> dict[str, Any]:
        return self._wish("stop", model, "stop")

    async def restart(self, model: str) -> dict[str, Any]:
        return self._wish("restart", model, None)

    async def unload(self, model: str) -> dict[str, Any]:
        return self._wish("unload", model, None)

    async def auto(self, model: str) -> dict[str, Any]:
        return self._wish("auto", model, None)

    async def estimate(self, model: str) -> dict[str, Any]:
        self._wish("estimate", model, None)
        need = {"amounts": {"ram": 3}, "source": "learned", "certain": True}
        term = {"name": "learned", "amount": 3, "how": "the most of 3 runs, 2 B, + 5 %", "pool": "ram"}
        return {"model": model, **need, "terms": [term]}

    async def reload(self) -> dict[str, Any]:
        self.wishes.append(("reload",))
        return self._publisher.snapshot["config"]

    async def plan(self, text: str | None, path: str) -> dict[str, Any]:
        self.wishes.append(("plan", text, path))
        if text is not None:
            parse(text, path=path, environ={})
        return self.answer

    async def hold(self, asked: HoldRequest) -> dict[str, Any]:
        if self.fault is not None:
            raise self.fault
        self.wishes.append(("hold", asked))
        return self._publisher.snapshot["holds"]["h1"]

    async def release(self, hold_id: str) -> dict[str, Any]:
        self.wishes.append(("release", hold_id))
        if hold_id not in self._publisher.snapshot["holds"]:
            raise NoSuchHoldError(f"no hold {hold_id!r}")
        return self._publisher.snapshot["holds"][hold_id]

    def heartbeat(self) -> float:
        return self.age

    def _wish(self, verb: str, model: str, override: str | None) -> dict[str, Any]:
        if self.fault is not None:
            raise self.fault
        if model not in self._publisher.snapshot["models"]:
            raise NoSuchModelError(f"no model {model!r}")
        self.wishes.append((verb, model))
        changed = deepcopy(self._publisher.snapshot)
        changed["models"][model]["override"] = override
        self._publisher.publish(changed)
        return changed["models"][model]


@dataclass
class Member:
    """A place in a fleet whose controller says `refusal` to every wish."""

    here: Membership
    refusal: str = ""
    drains: list[tuple[str, bool]] = field(default_factory=list)

    def known(self) -> dict[str, Any]:
        return whole_fleet(self.here)

    async def drain(self, node: str, *, on: bool) -> dict[str, Any]:
        if self.refusal:
            raise ZoosupError(self.refusal)
        self.drains.append((node, on))
        return {}


@dataclass
class Runtime:
    """Everything that a web server is handed, faked."""

    publisher: Publisher = field(default_factory=Publisher)
    logs: Logs = field(default_factory=Logs)
    clients: Counters = field(default_factory=Counters)
    leasing: FakeLeasing | None = None
    member: Member | None = None
    journal: Journal = field(init=False)
    commands: Commands = field(init=False)

    def __post_init__(self) -> None:
        ticks = itertools.count()
        self.journal = Journal(wall=lambda: NOW + next(ticks))
        self.commands = Commands(self.publisher)

    def fleet(self) -> "Member | None":
        return self.member
