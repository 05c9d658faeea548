"""Whose weights to read into the page cache while a model waits for others to leave, and how many bytes at most.

What is read is clean and the kernel drops it when anybody asks for the memory. The bound is there all the same: beyond
what is free it would push out pages that other models have mapped, which are no less theirs for being evictable: they
are promised to them. Knows no file; `host.prewarm` finds and reads them.
"""

from dataclasses import dataclass

from zoosup.core.memory.ledger import Sum
from zoosup.core.scheduler.plan import Plan
from zoosup.core.scheduler.verdicts import AWAITING_ROOM
from zoosup.core.state.observed import Model, Observed
from zoosup.spec.model.zoo import ZooSpec

LEAST = 64 * 2**20
"""Bytes below which it isn't worth a thread: a disk reads them in the time that a process takes to start."""


@dataclass(frozen=True, slots=True)
class NextModel:
    """The model to warm, and how many bytes of its weights may be read from the disk."""

    model: str
    limit: int


def next_to_warm(spec: ZooSpec, observed: Observed, decided: Plan) -> NextModel | None:
    """The first of the wanted that waits for room, where there is memory to read into; None when there is none.

    Without a gateway a switch is warmed too: `prewarm` can then not be said, and on is what it is unless said.
    """
    if observed.shutdown or (spec.gateway and not spec.gateway.prewarm):
        return None
    waiting = next(
        (
            name
            for name in decided.wanted
            if observed.models[name].run is None and _awaits_room(decided, name)
        ),
        None,
    )
    if waiting is None:
        return None
    found = NextModel(waiting, _limit(observed.models[waiting], decided.verdicts[waiting].sums))
    return found if found.limit >= LEAST else None


def _awaits_room(decided: Plan, name: str) -> bool:
    verdict = decided.verdicts.get(name)
    return verdict is not None and verdict.reason in AWAITING_ROOM


def _limit(model: Model, sums: tuple[Sum, ...]) -> int:
    """The least that any pool of RAM leaves: what is free now, less promises, reserve and the candidate's own need.

    Weights that are part of the need (a model that computes on the CPU) are not counted against it twice: their pages
    are the first of it to arrive. Where nobody knows how large they are, both readings hold and the greater counts.
    """
    limits = [_left(each, _size(model)) for each in sums if each.pool.kind == "ram"]
    return max(0, min(limits, default=0))


def _left(weighed: Sum, size: int | None) -> int:
    if weighed.pool.available is None:
        return 0
    need, free = weighed.need, weighed.pool.available - weighed.promised - weighed.pool.reserve
    if size is None:
        return max(min(free, need), free - need)
    beside = need - size if size <= need else need
    return min(size, free - beside)


def _size(model: Model) -> int | None:
    """Bytes of all its weights on disk; None when they have not been looked at, as those of a declared need are not."""
    facts = (model.preflight.weights if model.preflight is not None else None) or model.weights
    return sum(each.size for _, each in facts.files) if facts is not None and facts.files else None
