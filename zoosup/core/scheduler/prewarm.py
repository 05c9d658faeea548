"""Whose weights to read into the page cache before a start asks for them, and how many bytes at most.

First those of a model that waits for others to leave; besides, where the file says so and nothing else goes on, those
that are likely to be asked for next, as far as memory is free.

What is read is clean and the kernel drops it when anybody asks for the memory. The bound is there all the same: beyond
what is free it would push out pages that other models have mapped, which are no less theirs for being evictable: they
are promised to them. Knows no file; `host.weights` finds and reads them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from zoosup.core.memory.ledger import Sum
from zoosup.core.scheduler.cycle import Cycle
from zoosup.core.scheduler.plan import Plan
from zoosup.core.scheduler.verdicts import AWAITING_ROOM
from zoosup.core.state.observed import Model, Observed
from zoosup.core.state.phases import Override, Phase
from zoosup.spec.model.gateway import PrewarmStyle
from zoosup.spec.model.zoo import ZooSpec

LEAST = 64 * 2**20
"""Bytes below which it isn't worth a thread: a disk reads them in the time that a process takes to start."""


STALLED = 0.01
"""The share of a second in which everything waits for memory that is a first sign: far less than ends a model."""


_MOVING = frozenset({Phase.STARTING, Phase.FALLING_ASLEEP, Phase.DRAINING, Phase.STOPPING})


@dataclass(frozen=True, slots=True)
class NextModel:
    """The model to warm, and how many bytes of its weights may be in the page cache then."""

    model: str
    limit: int


def next_to_warm(spec: ZooSpec, observed: Observed, decided: Plan) -> NextModel | None:
    """The first of the wanted that waits for room, where there is memory to read into; None when there is none.

    Without a gateway a switch is warmed too: `prewarm` can then not be said, and on is what it is unless said.
    """
    if observed.shutdown or style(spec) is PrewarmStyle.OFF:
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


def likely_to_warm(spec: ZooSpec, observed: Observed, likeliest: Iterable[str]) -> tuple[NextModel, ...]:
    """Those of `likeliest` that could be started by a request, in this order, as far as all together find room.

    None of them while a model comes or goes, which needs the disk and the memory for itself, or while memory is short.
    """
    if observed.shutdown or style(spec) is not PrewarmStyle.LIKELY or not _is_calm(observed):
        return ()
    candidates = [name for name in dict.fromkeys(likeliest) if _may_be_asked_for(spec, observed, name)]
    left = _spare(spec, observed) if candidates else 0
    found = []
    for name in candidates:
        size = observed.models[name].weights_size
        limit = left if size is None else min(left, size)
        if limit >= LEAST:
            found.append(NextModel(name, limit))
            left -= limit
    return tuple(found)


def is_short(observed: Observed) -> bool:
    """Whether there is a first sign that memory is short: less is free than the reserve, or work waits for memory."""
    pressures = [each for node in observed.nodes for each in node.pressures]
    return any(each.short_since is not None or (each.stalled or 0.0) >= STALLED for each in pressures)


def _is_calm(observed: Observed) -> bool:
    """Whether nobody comes, goes, or waits to come."""
    moving = any(model.phase in _MOVING for model in observed.models.values())
    cooling = any(node.cooldowns for node in observed.nodes)
    awaited = any(
        asked.waiting and name in observed.models and observed.models[name].run is None
        for name, asked in observed.demand.items()
    )
    return not (moving or cooling or awaited or is_short(observed))


def _may_be_asked_for(spec: ZooSpec, observed: Observed, name: str) -> bool:
    model = observed.models.get(name)
    if model is None or name not in spec.models or model.run is not None:
        return False
    return (
        spec.models[name].on_demand
        and model.override is not Override.STOP
        and model.phase is not Phase.FAILED
    )


def _spare(spec: ZooSpec, observed: Observed) -> int:
    """Bytes that are free in every pool of RAM, less promises and reserve; what can't be read has none to spare."""
    ledgers = Cycle(spec, observed).ledgers.values()
    sums = [ledger.weigh(0) for ledger in ledgers if ledger.pool.kind == "ram"]
    return max(0, min((_left(each, None) for each in sums), default=0))


def style(spec: ZooSpec) -> PrewarmStyle:
    """The file's word; without a gateway a switch is warmed too."""
    return spec.gateway.prewarm if spec.gateway else PrewarmStyle.DRAINING


def _awaits_room(decided: Plan, name: str) -> bool:
    verdict = decided.verdicts.get(name)
    return verdict is not None and verdict.reason in AWAITING_ROOM


def _limit(model: Model, sums: tuple[Sum, ...]) -> int:
    """The least that any pool of RAM leaves: what is free now, less promises, reserve and the candidate's own need.

    Weights that are part of the need (a model that computes on the CPU) are not counted against it twice: their pages
    are the first of it to arrive. Where nobody knows how large they are, both readings hold and the greater counts.
    """
    limits = [_left(each, model.weights_size) for each in sums if each.pool.kind == "ram"]
    return max(0, min(limits, default=0))


def _left(weighed: Sum, size: int | None) -> int:
    if weighed.pool.available is None:
        return 0
    need, free = weighed.need, weighed.pool.available - weighed.promised - weighed.pool.reserve
    if size is None:
        return max(min(free, need), free - need)
    beside = need - size if size <= need else need
    return min(size, free - beside)
