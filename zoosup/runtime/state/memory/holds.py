"""Room that people hold for what is no model, as it is known: asked for, had, in use, given back.

Changes only by the methods here; the journal hears of each. Knows no rule by which room is had: that is `core`'s.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from zoosup.core.state.holds import RoomHold
from zoosup.runtime.clock import Clock
from zoosup.runtime.events.journal import Journal
from zoosup.runtime.state.memory.usage_history import size
from zoosup.spec.syntax.units import describe_size

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Holds:
    """The holds of one host, by id, in the order in which they were asked for.

    `kept` are those of which a next zoosup would know: until then nobody is told that he has the room.
    """

    clock: Clock
    journal: Journal
    by_id: dict[str, RoomHold] = field(default_factory=dict)
    kept: frozenset[str] = frozenset()

    def copy(self, journal: Journal) -> "Holds":
        """Holds of its own of which the same is so."""
        return Holds(self.clock, journal, dict(self.by_id), self.kept)

    def ask(self, hold: RoomHold) -> None:
        """Somebody asks for room."""
        self.by_id[hold.id] = hold
        self.journal.add("Hold", None, "Asked", f"{hold.name} is asked for{_purpose(hold)}", _data(hold))

    def book(self, hold_id: str, amounts: Mapping[str, int], gpus: tuple[str, ...] | None) -> None:
        """It is had; one that is kept no longer needs the process that has waited for it."""
        hold = replace(
            self.by_id[hold_id], booked=dict(amounts), gpus=gpus, held_since=self.clock.now(), measured={}
        )
        self.by_id[hold_id] = replace(hold, pid=None, owner="") if hold.keep else hold
        has = ", ".join(f"{describe_size(amount)} of {pool}" for pool, amount in amounts.items())
        self.journal.add("Hold", None, "Held", f"{hold.name} has {has}{_purpose(hold)}", _data(hold))

    def end(self, hold_id: str, why: str) -> None:
        """Give its room back, if it is there."""
        hold = self.by_id.pop(hold_id, None)
        if hold is not None:
            self.journal.add("Hold", None, "Released", f"{hold.name} has ended: {why}", _data(hold))

    def note_usage(self, hold_id: str, held: Mapping[str, int]) -> None:
        """Bytes by pool id that the tree of its process holds."""
        self.by_id[hold_id] = replace(self.by_id[hold_id], measured=dict(held))

    # across restarts

    def written(self) -> list[dict[str, Any]]:
        """Those that are had, for the next zoosup; who waits for one has to ask that one."""
        return [self._written(hold) for hold in self.by_id.values() if hold.booked is not None]

    def read(self, kept: Any, stamp: Any) -> None:
        """Take in what an earlier zoosup has written with this stamp; what can't be read is left out, and said."""
        for table in kept if isinstance(kept, list) else ():
            try:
                hold = self._read(table, stamp)
            except (TypeError, ValueError, KeyError) as error:
                _log.warning("a hold as it was kept can't be read and is left out: %r", error)
            else:
                self.by_id[hold.id] = hold
                self.kept |= {hold.id}

    @property
    def unkept(self) -> bool:
        """Whether one that is had has still to be written down."""
        return any(hold.booked is not None and hold.id not in self.kept for hold in self.by_id.values())

    def _written(self, hold: RoomHold) -> dict[str, Any]:
        wall = self.clock.wall_of
        return {
            **{name: getattr(hold, name) for name in _PLAIN},
            "booked": dict(hold.booked or {}),
            "gpus": None if hold.gpus is None else list(hold.gpus),
            "since": round(wall(hold.since), 1),
            "held_since": None if hold.held_since is None else round(wall(hold.held_since), 1),
        }

    def _read(self, table: Mapping[str, Any], stamp: Any) -> RoomHold:
        since, held = (self.clock.recall(float(table[name]), stamp) for name in ("since", "held_since"))
        gpus = table["gpus"]
        return RoomHold(
            **{name: kind(table[name]) for name, kind in _PLAIN.items() if table[name] is not None},
            since=since,
            held_since=held,
            booked={str(pool): size(amount) for pool, amount in dict(table["booked"]).items()},
            gpus=None if gpus is None else tuple(str(gpu) for gpu in gpus),
        )


_PLAIN: Mapping[str, type] = {
    "id": str, "ram": int, "vram": int, "gpu": str, "forced": bool, "lasts": float, "command": str,
    "pid": int, "owner": str,
}  # fmt: skip


def _purpose(hold: RoomHold) -> str:
    return f" for {hold.command}" if hold.command else ""


def _data(hold: RoomHold) -> dict[str, Any]:
    return {"hold": hold.id, "pid": hold.pid, "booked": dict(hold.booked or {})}
