"""How the facts of its sleep change a model: what it is booked with on the way there, asleep, and on the way back.

Knows no phase but those it leads to; which are allowed stands in `transitions`, what a sleep gives back in
`memory.sleep_footprint`.
"""

from collections.abc import Mapping
from dataclasses import replace

from zoosup.core.state.facts import FellAsleep, SleepBegun, WakeBegun, Woken
from zoosup.core.state.observed import Model
from zoosup.core.state.phases import Cause, Phase
from zoosup.core.state.runs import Run, Sleep, SleepStage


def sleep_begun(model: Model, fact: SleepBegun) -> Model:
    """It is being asked to sleep."""
    run = model.run
    if run is None:
        return model
    steady = run.ready_for(fact.sleep.since)
    fell = replace(run, sleep=fact.sleep, reserved=fact.reserved, ready_since=None, steady=steady)
    return replace(model, phase=Phase.FALLING_ASLEEP, reason=Cause.MADE_ROOM, message=fact.message, run=fell)


def fell_asleep(model: Model, fact: FellAsleep) -> Model:
    """It sleeps, unless it has been told to leave meanwhile."""
    run = model.run
    if run is None or run.sleep is None or model.phase is not Phase.FALLING_ASLEEP:
        return model
    sleep = replace(run.sleep, stage=SleepStage.ASLEEP, since=fact.now)
    if run.measured is sleep.held:
        run = replace(run, measured={})  # nobody has looked since: what it held awake others may be given now
    return replace(model, phase=Phase.ASLEEP, run=replace(run, sleep=sleep, reserved=booking(run, sleep)))


def wake_begun(model: Model, fact: WakeBegun) -> Model:
    """It is being asked to wake, and is booked with what it holds asleep and awake."""
    run = model.run
    if run is None or run.sleep is None:
        return model
    sleep = replace(run.sleep, stage=SleepStage.WAKING, awake=fact.need, since=fact.now)
    both = {
        pool: max(fact.need.get(pool, 0), run.reserved.get(pool, 0)) for pool in {**fact.need, **run.reserved}
    }
    woken = replace(run, sleep=sleep, reserved=both, booked_at=fact.now, ready_at=None, sick="")
    return replace(model, phase=Phase.STARTING, reason="", message="wakes", run=woken)


def rebooked_awake(run: Run, sleep: Sleep, need: Mapping[str, int]) -> Run:
    """The file says meanwhile what it needs awake: more counts at once, less once it is ready."""
    both = {pool: max(amount, run.reserved.get(pool, 0)) for pool, amount in need.items()}
    return replace(run, reserved={**run.reserved, **both}, sleep=replace(sleep, awake=need))


def woken(model: Model, fact: Woken) -> Model:
    """It has been asked to wake, and is to be asked whether it is ready."""
    run = model.run
    if (
        run is None
        or run.sleep is None
        or run.sleep.stage is not SleepStage.WAKING
        or run.leaving is not None
    ):
        return model
    return replace(model, run=replace(run, sleep=replace(run.sleep, stage=SleepStage.WOKEN, since=fact.now)))


def adopted_asleep(model: Model, run: Run, sleep: Sleep) -> Model:
    """One whose sleep had only begun, or was being ended, is asked to wake all the same: it does no harm twice."""
    found = run if run.ready_at is not None else replace(run, ready_at=run.booked_at)
    where = "asleep" if sleep.stage is SleepStage.ASLEEP else "half asleep"
    return replace(model, phase=Phase.ASLEEP, reason=Cause.MADE_ROOM, message=f"adopted {where}", run=found)


def booking(run: Run, sleep: Sleep) -> Mapping[str, int]:
    """What is booked for a run that sleeps: what it is known to hold so, or what it is measured to if that is more.

    Where nothing is known the booking stays as it was, until it is measured.
    """
    before = sleep.asleep if sleep.known else {p: n for p, n in run.reserved.items() if p not in run.measured}
    return {pool: max(before.get(pool, 0), run.measured.get(pool, 0)) for pool in run.reserved}
