"""How the facts of its sleep change a model: what it is booked with on the way there, asleep, and on the way back.

Knows no phase but those it leads to; which are allowed stands in `lifecycle`, what a sleep is worth in `parking`.
"""

from collections.abc import Mapping
from dataclasses import replace

from zoosup.core.state.facts import ParkBegun, Parked, WakeBegun, Woken
from zoosup.core.state.observed import Model
from zoosup.core.state.phases import Cause, Phase
from zoosup.core.state.runs import Nap, Run, Stage


def park_begun(model: Model, fact: ParkBegun) -> Model:
    """It is being asked to sleep."""
    run = model.run
    if run is None:
        return model
    steady = run.ready_for(fact.nap.since)
    fell = replace(run, nap=fact.nap, reserved=fact.reserved, ready_since=None, steady=steady)
    return replace(model, phase=Phase.PARKING, reason=Cause.MADE_ROOM, message=fact.message, run=fell)


def parked(model: Model, fact: Parked) -> Model:
    """It sleeps, unless it has been told to leave meanwhile."""
    run = model.run
    if run is None or run.nap is None or model.phase is not Phase.PARKING:
        return model
    nap = replace(run.nap, stage=Stage.ASLEEP, since=fact.now)
    if run.measured is nap.held:
        run = replace(run, measured={})  # nobody has looked since: what it held awake others may be given now
    return replace(model, phase=Phase.PARKED, run=replace(run, nap=nap, reserved=booking(run, nap)))


def wake_begun(model: Model, fact: WakeBegun) -> Model:
    """It is being asked to wake, and is booked with what it holds asleep and awake."""
    run = model.run
    if run is None or run.nap is None:
        return model
    nap = replace(run.nap, stage=Stage.WAKING, awake=fact.need, since=fact.now)
    both = {
        pool: max(fact.need.get(pool, 0), run.reserved.get(pool, 0)) for pool in {**fact.need, **run.reserved}
    }
    woken = replace(run, nap=nap, reserved=both, booked_at=fact.now, ready_at=None, sick="")
    return replace(model, phase=Phase.STARTING, reason="", message="wakes", run=woken)


def woken(model: Model, fact: Woken) -> Model:
    """It has been asked to wake, and is to be asked whether it is ready."""
    run = model.run
    if run is None or run.nap is None or run.nap.stage is not Stage.WAKING or run.leaving is not None:
        return model
    return replace(model, run=replace(run, nap=replace(run.nap, stage=Stage.WOKEN, since=fact.now)))


def adopted_asleep(model: Model, run: Run, nap: Nap) -> Model:
    """One whose sleep had only begun, or was being ended, is asked to wake all the same: it does no harm twice."""
    found = run if run.ready_at is not None else replace(run, ready_at=run.booked_at)
    where = "asleep" if nap.stage is Stage.ASLEEP else "half asleep"
    return replace(model, phase=Phase.PARKED, reason=Cause.MADE_ROOM, message=f"adopted {where}", run=found)


def booking(run: Run, nap: Nap) -> Mapping[str, int]:
    """What is booked for a run that sleeps: what the file says, or it holds if that is more, and both may change.

    Where the file says nothing, and what it holds can't be measured, the booking stays as it was.
    """
    said = nap.asleep if nap.certain else {p: n for p, n in run.reserved.items() if p not in run.measured}
    return {pool: max(said.get(pool, 0), run.measured.get(pool, 0)) for pool in run.reserved}
