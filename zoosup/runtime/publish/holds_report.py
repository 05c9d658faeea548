"""Holds as data: each with how far it has come, and what of it is in use, pool by pool.

Knows what people may see of them; decides nothing.
"""

from collections.abc import Mapping
from typing import Any

from zoosup.core.memory.gpu_env import gpu_env
from zoosup.core.scheduler.placement.hold_room import is_refused
from zoosup.core.scheduler.plan import Plan
from zoosup.core.scheduler.verdicts import Verdict
from zoosup.core.state.holds import RoomHold
from zoosup.core.state.pools import Pool
from zoosup.runtime.state.zoo import Zoo


def holds_data(zoo: Zoo, decided: Plan) -> dict[str, Any]:
    """All of them, by id."""
    return {hold.id: _hold(zoo, hold, decided.holds.get(hold.id)) for hold in zoo.holds.by_id.values()}


def room_held(zoo: Zoo, pool: Pool) -> dict[str, Mapping[str, int]]:
    """What holds have of one pool, and what of that is in use, by id."""
    found: dict[str, Mapping[str, int]] = {}
    for hold in zoo.holds.by_id.values():
        booked = hold.booked or {}
        counted = zoo.memory.counted(booked)
        held = zoo.memory.counted({each: hold.held(each) for each in booked})
        if pool.id in counted:
            found[hold.id] = {"reserved": counted[pool.id], "held": held.get(pool.id, 0)}
    return found


def _hold(zoo: Zoo, hold: RoomHold, verdict: Verdict | None) -> dict[str, Any]:
    return {
        "id": hold.id,
        "state": _state(zoo, hold, verdict),
        "reason": "" if verdict is None else str(verdict.reason),
        "message": _message(zoo, hold, verdict),
        "command": hold.command,
        "pid": hold.pid,
        "ram": hold.ram,
        "vram": hold.vram,
        "gpu": hold.gpu,
        "force": hold.forced,
        "gpus": None if hold.gpus is None else list(hold.gpus),
        "gpu_env": {} if hold.gpus is None else gpu_env(hold.gpus, zoo.memory.pools()),
        "since": _wall(zoo, hold.since),
        "held_since": _wall(zoo, hold.held_since),
        "until": _wall(zoo, hold.until),
        "memory": {
            pool: {"reserved": amount, "held": hold.held(pool)}
            for pool, amount in (hold.booked or {}).items()
        },
    }


def _message(zoo: Zoo, hold: RoomHold, verdict: Verdict | None) -> str:
    if hold.booked is not None and hold.id not in zoo.holds.kept:
        return "is being written down"
    return "" if verdict is None else verdict.message


def _state(zoo: Zoo, hold: RoomHold, verdict: Verdict | None) -> str:
    if hold.booked is not None:
        return "held" if hold.id in zoo.holds.kept else "waiting"
    return "refused" if verdict is not None and is_refused(verdict) else "waiting"


def _wall(zoo: Zoo, at: float | None) -> float | None:
    return None if at is None else round(zoo.clock.wall_of(at), 1)
