"""What the journal hears of a model when a fact has changed it: its new phase, and memory beyond what was booked.

Pure: words and figures for `Journal.add`. Decides nothing, and knows no journal.
"""

from collections.abc import Iterator

from zoosup.core.lifecycle.load_progress import in_words, shown
from zoosup.core.memory.other_gpus import describe, misplaced
from zoosup.core.state.facts import Fact, LoadSeen, Measured
from zoosup.core.state.observed import Model
from zoosup.runtime.events.words import EventType
from zoosup.spec.syntax.units import describe_size

TOLD_AFTER = 5.0
"""Seconds after which a load is worth events of its progress."""

FIRST_TOLD = 0.25
"""The share from which on it is."""

Entry = tuple[EventType, str, str, str, dict[str, object]]
"""What `Journal.add` takes: type, model, reason, message, data."""


def model_events(before: Model, after: Model, fact: Fact) -> Iterator[Entry]:
    """Every entry that a fact is worth, by what it has changed."""
    if after.phase is not before.phase:
        yield _phase(before, after)
    if isinstance(fact, Measured):
        yield from _growth(before, after)
    if isinstance(fact, LoadSeen):
        yield from _load(before, after)
    yield from _placement(before, after)


def _placement(before: Model, after: Model) -> Iterator[Entry]:
    """Whether a run has come to sit on a GPU that it was not given, or sits there no longer."""
    old, new = before.run, after.run
    if old is None or new is None or old is new:
        return
    was, held = misplaced(old), misplaced(new)
    if was.keys() == held.keys():
        return
    data: dict[str, object] = {"run_id": new.id, "gpus": list(new.gpus or ()), "held": dict(held)}
    if held:
        yield "OtherGpu", after.name, "OtherGpu", describe(new, held), data
    else:
        yield "OtherGpu", after.name, "Over", "holds memory of no other GPU any longer", data


def _phase(before: Model, after: Model) -> Entry:
    data: dict[str, object] = {"from": before.phase, "to": after.phase}
    run = after.run or before.run
    if run is not None:
        data |= {"run_id": run.id, "pid": run.pid, "port": run.port}
        if run.ready_at is not None and before.run is not None and before.run.ready_at is None:
            data["seconds"] = after.load_time
    return "Phase", after.name, after.phase, after.message, data


def _load(before: Model, after: Model) -> Iterator[Entry]:
    """Each quarter of a load that takes its time, once: it is at most three events."""
    old = before.run.progress if before.run is not None else None
    new = after.run.progress if after.run is not None else None
    if new is None or new.elapsed < TOLD_AFTER or new.share < FIRST_TOLD:
        return
    if old is None or old.elapsed < TOLD_AFTER or int(4 * old.share) < int(4 * new.share):
        data: dict[str, object] = {"share": round(new.share, 3), "source": new.source.value}
        data |= {"read": shown(new), "total": new.total, "left": new.left}
        yield "Loading", after.name, "Progress", in_words(new), data


def _growth(before: Model, after: Model) -> Iterator[Entry]:
    """Pools in which the run holds more than was booked for it, each once."""
    old, new = before.run, after.run
    if old is None or new is None:
        return
    for pool in new.outgrown.keys() - old.outgrown.keys():
        held, booked = new.measured.get(pool, 0), new.outgrown[pool]
        message = f"{pool}: holds {describe_size(held)}, booked were {describe_size(booked)}"
        data: dict[str, object] = {"run_id": new.id, "pool": pool, "held": held, "booked": booked}
        yield "Outgrown", after.name, "Outgrown", message, data | {"source": new.source}
