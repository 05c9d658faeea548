"""What making room for a candidate comes to: who leaves, who sleeps, and whose clients queue behind it.

Knows no sum: who has to leave for whom is in the placement that it is handed.
"""

from dataclasses import replace

from zoosup.core.scheduler.cycle import Cycle
from zoosup.core.scheduler.demand import LET_IN, PINNED, RESTING, claim_of, gateway, lets_in
from zoosup.core.scheduler.verdicts import Outcome, Placement, Verdict
from zoosup.core.state.actions import FallAsleep
from zoosup.core.state.observed import Model
from zoosup.core.state.phases import Cause, Reason

PREFERENCE = tuple(Outcome)
"""Of several nodes the first that admits; else the first where it may run one day."""


def unless_short(cycle: Cycle, found: Placement) -> Placement:
    """Nothing is started on a host whose RAM is short, nor on a GPU that is, however little it needs."""
    for shortage in cycle.shortages if found.starts else ():
        pool = shortage.pool
        if pool.node == found.node and (pool.kind == "ram" or pool.id in found.layout.amounts):
            why = f"memory is short: {shortage.message}"
            return replace(found, verdict=Verdict(Reason.MEMORY, why, found.verdict.sums))
    return found


def make_room(cycle: Cycle, model: Model, found: Placement) -> None:
    """Tell those to leave, or to sleep, who make room for it, and see to it that others do in their time."""
    why = f"makes room for {model.name}"
    for name in found.victims:
        cycle.leave(cycle.observed.models[name], Cause.MADE_ROOM, why)
    for sleep in found.sleepers:
        run = cycle.observed.models[sleep.model].run
        if run is not None:
            cycle.fall_asleep(run, sleep)
            cycle.actions.append(FallAsleep(sleep.model, run.id, sleep.asleep, sleep.known, why))
    if found.look_at is not None:
        cycle.look_again_at(found.look_at)
    _take_turns(cycle, model.name, found)


def _take_turns(cycle: Cycle, name: str, found: Placement) -> None:
    """Clients of a busy model who come once patience is over queue behind the one whom it keeps waiting."""
    claim = claim_of(name, cycle.wanted, cycle.observed)
    if claim in {PINNED, RESTING}:
        return  # the one waits for nobody's turn, the other comes after all clients
    now, over = cycle.observed.now, claim.since + gateway(cycle.spec).patience
    for other in found.awaited:
        demand, model = cycle.observed.demand_for(other), cycle.observed.models[other]
        if not demand.busy or model.run is None:
            continue
        if lets_in(model, demand):
            cycle.look_again_at(now + LET_IN)
        elif over <= now:
            cycle.closed[other] = min(claim.since, cycle.closed.get(other, claim.since))
        else:
            cycle.look_again_at(over)
