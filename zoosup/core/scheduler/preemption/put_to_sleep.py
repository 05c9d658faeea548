"""Whom of those who have to make room it is enough to put to sleep, and whose sleep finds room where it takes some.

Knows what sleep holds from `sleep_footprint`; whether the candidate still fits is asked of `fits`. It enters each sleep
that it considers in the ledgers, where it counts for nobody until somebody asks after it (`ledger.asleep`).

One of which nobody knows what it holds asleep is put to sleep wherever there is room for the most that this may be. It
stays booked with that until it is measured, so that nothing starts on a hope; and it counts as one that leaves, so that
nobody else is sent away meanwhile: it is stopped in the end if it keeps too much.
"""

from collections.abc import Mapping, Sequence

from zoosup.core.memory.ledger import asleep
from zoosup.core.memory.sleep_footprint import Sleeper, sleeper
from zoosup.core.scheduler.cycle import Cycle
from zoosup.core.scheduler.demand import yields
from zoosup.core.scheduler.preemption.min_cost import Fits
from zoosup.spec.changes import outdated


def sleepers(cycle: Cycle, node: str, chosen: Sequence[str], fits: Fits) -> Mapping[str, Sleeper]:
    """Those of `chosen` who need not leave: with them asleep, and the others gone, it still fits."""
    sleepers: dict[str, Sleeper] = {}
    gone = frozenset(chosen)
    for name in reversed(chosen):  # the dearest first
        sleep = _sleep(cycle, node, name)
        if sleep is not None and fits(gone - {name} | {asleep(name)}):
            sleepers[name] = sleep
            gone = gone - {name} | {asleep(name)}
    return sleepers


def _sleep(cycle: Cycle, node: str, name: str) -> Sleeper | None:
    """How an idle on-demand model would sleep, entered in the ledgers; None where it can't, or finds no room."""
    model, spec = cycle.observed.models[name], cycle.spec.models.get(name)
    if spec is None or model.run is None or not yields(model, spec) or cycle.observed.demand_for(name).busy:
        return None
    sleep = sleeper(model, spec)
    if sleep is None or outdated(model.run.spec, spec):
        return None
    holds, at_least = cycle.counted(sleep.asleep, node), cycle.counted(sleep.at_least, node)
    ledgers = {p: cycle.ledgers[node, p] for p in holds if (node, p) in cycle.ledgers}
    for pool, ledger in ledgers.items():
        # It may hold more RAM asleep than awake, and needs that before anybody has left.
        more = holds[pool] - ledger.needs({name}).get(name, 0)
        if more > 0 and not ledger.fits(more):
            return None
    for pool, ledger in ledgers.items():
        ledger.rest(name, at_least.get(pool, 0))
    return sleep
