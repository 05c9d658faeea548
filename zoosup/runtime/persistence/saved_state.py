"""What has to outlive zoosup, as plain data: the last good file, wishes, back-off, what was given up, and learned.

Knows how the zoo turns into JSON and back, and is tolerant of what it can't read; where it is kept is the store's
business.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from zoosup.core.scheduler.successors import MANY, Successors
from zoosup.core.scheduler.verdicts import GIVEN_UP
from zoosup.core.state.loads import LastLoad
from zoosup.core.state.observed import Model, Switch, SwitchOutcome
from zoosup.core.state.phases import Override, Phase, Reason
from zoosup.core.state.runs import Backoff
from zoosup.core.state.usage import HeldAsleep, Ooms
from zoosup.host.ports.host import Content, Store
from zoosup.runtime.clock import Clock
from zoosup.runtime.state import recovery
from zoosup.runtime.state.memory.usage_history import size
from zoosup.runtime.state.zoo import Zoo

LAST_SAVE = 5.0
"""Seconds that a disk gets for the last word when zoosup ends."""

AGAIN = 1.0
"""Seconds after which a disk that refused is asked again."""

_log = logging.getLogger(__name__)


def remember(zoo: Zoo) -> dict[str, Any]:
    """What is worth keeping of the zoo."""
    now = zoo.clock.now()
    models = {name: kept for name, model in zoo.models.items() if (kept := _kept(model, now, zoo.clock))}
    applied = zoo.applied
    file = {"path": applied.path, "text": applied.text, "revision": applied.revision}
    switch, lessons = _kept_switch(zoo.switch), zoo.usage_history.written()
    return {
        "file": file,
        "models": models,
        "switch": switch,
        "lessons": lessons,
        "holds": zoo.holds.written(),
        "fleet": None if zoo.fleet is None else zoo.fleet.written(),
        "successors": zoo.successors.among(zoo.models.keys()).after,
        "clock": zoo.clock.stamp(),
    }


def recall(zoo: Zoo, state: Mapping[str, Any]) -> None:
    """Give the zoo back what was kept of it; what can't be read is left out, and said.

    To be called with that file in force which the state was kept under, or with one that has nothing to do with it.
    """
    for key in zoo.usage_history.read(_table(state.get("lessons"))):
        _log.warning("what was learned as %s can't be read and is left out", key)
    zoo.refresh_learned()
    zoo.holds.read(state.get("holds"), state.get("clock"))
    _recall_fleet(zoo, state)
    zoo.successors = _successors(_table(state.get("successors")))
    if _table(state.get("file")).get("text") == zoo.applied.text:
        _recall_switch(zoo, state.get("switch"))
    for name, kept in _table(state.get("models")).items():
        model = zoo.models.get(name)
        if model is not None:
            zoo.models[name] = _restored(model, kept, zoo, state.get("clock"))


def last_good(state: Mapping[str, Any], path: str) -> Content:
    """What was last in force from this path; without a text when there was nothing, or it was another file's."""
    kept = _table(state.get("file"))
    text, revision = kept.get("text"), kept.get("revision")
    if not (text and isinstance(text, str) and kept.get("path") == path):
        return Content(None)
    return Content(text, revision=revision if isinstance(revision, str) else "")


class StateSaver:
    """Writes what changed to the store, one write at a time; a disk that refuses is said once and stops nothing."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: Any = None  # what is steady in the last state that was written
        self._writing: asyncio.Task[None] | None = None
        self.trouble = ""
        """Why the last state could not be written; empty when it could."""
        self._asked_at = float("-inf")

    def save_if_changed(self, zoo: Zoo) -> None:
        """Begin to write if anything worth keeping has changed, or if the disk has refused it before."""
        if self._writing is not None and not self._writing.done():
            return
        state, now = remember(zoo), zoo.clock.now()
        steady = _steady(state), {name: model.backoff.crashes for name, model in zoo.models.items()}
        due = now - self._asked_at >= AGAIN if self.trouble else steady != self._kept
        if due:
            self._kept, self._asked_at = steady, now
            self._writing = asyncio.create_task(self._write(zoo, state))

    async def save_now(self, zoo: Zoo) -> None:
        """Write the last word, and wait for it as long as a disk may take; that it was not saved is said."""
        try:
            async with asyncio.timeout(LAST_SAVE):
                if self._writing is not None:
                    await self._writing
                await self._write(zoo, remember(zoo))
        except TimeoutError:
            _log.error("the state directory does not answer: what changed last was not saved")

    async def _write(self, zoo: Zoo, state: Mapping[str, Any]) -> None:
        try:
            await self._store.save(state)
        except OSError as error:
            trouble = f"the state can't be written, so a restart would forget it: {error}"
            if not self.trouble:
                _log.error("%s", trouble)
            self.trouble = trouble
        else:
            self.trouble = ""
        # A disk that refuses keeps nobody waiting: that a restart would forget is a condition by then.
        zoo.holds.kept = frozenset(hold["id"] for hold in state["holds"])


def _kept(model: Model, now: float, clock: Clock) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    if model.override is not None:
        kept["override"] = model.override.value
    if model.backoff.count:
        # Wall time, since a monotonic clock means nothing after a reboot; bounded by `max` when it is read.
        until = clock.wall_of(max(model.backoff.until, now))
        kept["backoff"] = {"count": model.backoff.count, "until": round(until, 1)}
        if model.backoff.crashes:
            kept["backoff"]["crashes"] = [round(clock.wall_of(at), 1) for at in model.backoff.crashes]
    if model.ooms.count:
        kept["ooms"] = asdict(model.ooms)
    if model.asleep is not None:
        kept["asleep"] = {"fingerprint": model.asleep.fingerprint, "held": dict(model.asleep.held)}
    if model.load_time is not None:
        kept["load_time"] = round(model.load_time, 3)
    if model.last_load is not None:
        kept["last_load"] = asdict(model.last_load)
    if model.phase is Phase.FAILED and model.reason in GIVEN_UP:
        kept["failed"] = {"reason": str(model.reason), "message": model.message}
    return kept


def _kept_switch(switch: Switch | None) -> dict[str, Any] | None:
    if switch is None:
        return None
    return {
        "generation": switch.generation,
        "incoming": list(switch.incoming),
        "outgoing": list(switch.outgoing),
        "outcome": switch.outcome.value,
        "message": switch.message,
    }


def _recall_switch(zoo: Zoo, kept: Any) -> None:
    """One that was rolled back stays so: a restart of zoosup must not try again what failed, and stop what serves."""
    if kept is None:
        return
    try:
        zoo.switch = Switch(
            generation=int(kept["generation"]),
            incoming=tuple(str(name) for name in kept["incoming"]),
            outgoing=tuple(str(name) for name in kept["outgoing"]),
            outcome=SwitchOutcome(kept["outcome"]),
            message=str(kept["message"]),
        )
    except (TypeError, ValueError, KeyError) as error:
        _log.warning("what was kept of the last switch can't be read and is left out: %r", error)


def _recall_fleet(zoo: Zoo, state: Mapping[str, Any]) -> None:
    if kept := _table(state.get("fleet")):
        try:
            recovery.recall_fleet(zoo, kept, state.get("clock"))
        except (TypeError, ValueError, KeyError) as error:
            _log.warning("what was kept of the fleet can't be read and is left out: %r", error)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads what was kept of one model, with the stamp of when it was; any part may raise."""

    zoo: Zoo
    stamp: Any

    def override(self, model: Model, kept: Any) -> Model:
        return replace(model, override=Override(kept))

    def backoff(self, model: Model, kept: Any) -> Model:
        table, clock = _table(kept), self.zoo.clock
        # Another boot may have another wall clock: nobody waits longer than the longest delay for it, and no crash
        # is yet to come.
        longest = self.zoo.spec.models[model.name].restart.max
        left = min(max(0.0, clock.recall(float(table["until"]), self.stamp) - clock.now()), longest)
        crashes = [min(clock.now(), clock.recall(float(at), self.stamp)) for at in table.get("crashes", ())]
        return replace(model, backoff=Backoff(int(table["count"]), clock.now() + left, tuple(crashes)))

    def ooms(self, model: Model, kept: Any) -> Model:
        table = _table(kept)
        return replace(model, ooms=Ooms(str(table["fingerprint"]), int(table["count"])))

    def asleep(self, model: Model, kept: Any) -> Model:
        return replace(model, asleep=_asleep(_table(kept)))

    def load_time(self, model: Model, kept: Any) -> Model:
        return replace(model, load_time=float(kept))

    def last_load(self, model: Model, kept: Any) -> Model:
        table = _table(kept)
        amounts = {key: None if table[key] is None else size(table[key]) for key in ("size", "read")}
        rest = None if table["rest"] is None else max(0.0, float(table["rest"]))
        return replace(model, last_load=LastLoad(**amounts, rest=rest))

    def failed(self, model: Model, kept: Any) -> Model:
        table = _table(kept)
        reason, message = Reason(table["reason"]), str(table["message"])
        return replace(model, phase=Phase.FAILED, reason=reason, message=message)


def _restored(model: Model, kept: Any, zoo: Zoo, stamp: Any) -> Model:
    """With each part that can be read; what a later version has written in its own words costs only that part."""
    reader, table = _Reader(zoo, stamp), _table(kept)
    for part in ("override", "backoff", "ooms", "asleep", "load_time", "last_load", "failed"):
        if part not in table:
            continue
        try:
            model = getattr(reader, part)(model, table[part])
        except (TypeError, ValueError, KeyError, OverflowError) as error:
            _log.warning(
                "%s: its %s as it was kept can't be read and is left out: %s", model.name, part, error
            )
    return model


def _asleep(kept: Mapping[str, Any]) -> HeldAsleep:
    return HeldAsleep(
        str(kept["fingerprint"]), {str(pool): size(n) for pool, n in dict(kept["held"]).items()}
    )


def _successors(kept: Mapping[str, Any]) -> Successors:
    """Whatever of it can be read: what is lost of it is learned again."""
    rows = {str(last): _counts(_table(row)) for last, row in kept.items()}
    return Successors({last: row for last, row in rows.items() if row})


def _counts(row: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): float(n) for name, n in row.items() if isinstance(n, int | float) and 0 < n < MANY}


def _steady(state: Mapping[str, Any]) -> Any:
    """The state without what moves with the clock: `until` of a back-off that is over would else be rewritten."""
    models = {
        name: (
            *(kept.get(what) for what in ("override", "failed", "load_time", "ooms", "asleep")),
            kept.get("backoff", {}).get("count"),
        )
        for name, kept in state["models"].items()
    }
    holds = [hold["id"] for hold in state["holds"]]
    fleet = {key: value for key, value in (state["fleet"] or {}).items() if key != "heard_at"}
    return state["file"], models, state["switch"], state["lessons"], holds, fleet, state["successors"]


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
