"""The steps of a pass by which runs go: what comes back from the last, who is on the way out, and who has to leave.

    end_cooldowns      cool-downs that are over
    continue_stops     runs on their way out: the next step of their stopping
    stop_unwanted      runs nobody wants any longer, and those at fault: tell them to leave
    relieve_pressure   pools that run short: who has to go before the kernel takes one

Who leaves to make room for another is told in `place`, and chosen in `preempt`.
"""

from functools import partial

from zoosup.core.memory import reclaim
from zoosup.core.scheduler import demand, pressure, switch as switching
from zoosup.core.scheduler.cycle import Cycle
from zoosup.core.scheduler.verdicts import Level, Shortage
from zoosup.core.state.actions import Action, Drain, EndCooldown, Kill, Stop
from zoosup.core.state.observed import Condition, Demand, Model
from zoosup.core.state.phases import HURRIED, STAYING_PHASES, Cause, ConditionType, Override, Phase
from zoosup.core.state.pools import Cooldown
from zoosup.core.state.runs import Leaving, Run
from zoosup.spec.changes import changed, outdated
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.syntax.units import format_duration

COOLDOWN_POLL = 0.003
COOLDOWN_SHARE = 0.02
COOLDOWN_SLOW = 0.1
"""Seconds between samples while a stopped model's memory comes back: 3 ms at first, since two must agree before
anything starts, then 2 % of the time waited, so that a long wait costs nothing and ends at most 2 % late.
"""


def end_cooldowns(cycle: Cycle) -> None:
    """End the waits for memory that is back, or will not come; the others are looked at again."""
    still: list[Cooldown] = []
    for watch in cycle.cooling:
        loading = cycle.is_loading(watch.node, watch.pool)
        over = reclaim.outcome(watch, cycle.observed.now, cycle.spec.switch.cooldown, loading=loading)
        if over is None:
            still.append(watch)
            cycle.look_again_at(_next_sample_at(watch, cycle.observed.now))
        else:
            cycle.actions.append(EndCooldown(watch.node, watch.pool, watch.model, *over))
    cycle.cooling = tuple(still)


def _next_sample_at(watch: Cooldown, now: float) -> float:
    """A pause after the last sample, which may be some plans old; where none has come since, a pause from now."""
    pause = min(COOLDOWN_SLOW, max(COOLDOWN_POLL, COOLDOWN_SHARE * (now - watch.since)))
    due = watch.samples[-1][0] + pause if watch.samples else 0.0
    return due if due > now else now + pause


def continue_stops(cycle: Cycle) -> None:
    """Take the next step with those who have been told to leave."""
    for model, run in cycle.observed.live():
        if run.leaving is not None:
            cycle.attempt(model, partial(_continue_stop, cycle, model, run, run.leaving))


def _continue_stop(cycle: Cycle, model: Model, run: Run, leaving: Leaving) -> None:
    if run.stuck:
        cycle.conditions.append(
            Condition(model.name, ConditionType.TERMINATION_STUCK, True, "Survivors", run.stuck)
        )
    if leaving.ladder:
        return
    due = _ladder_due(cycle, model, leaving)
    if due > cycle.observed.now:
        cycle.look_again_at(due)
    else:
        cycle.actions.append(Stop(model.name, run.id, leaving.cause, leaving.message))


def _ladder_due(cycle: Cycle, model: Model, leaving: Leaving) -> float:
    """When its drain is over, for good or because its time is; or when a stuck one is tried again."""
    if model.phase is Phase.STOPPING or leaving.drained:
        return leaving.retry_at
    hurried = cycle.observed.shutdown or leaving.cause in HURRIED
    return leaving.since + cycle.spec_of(model).stop.drain_time(hurried=hurried)


def stop_unwanted(cycle: Cycle) -> None:
    """Tell those to leave that nobody wants any longer, and those at fault."""
    wanted = set(cycle.wanted.all)
    for model, run in cycle.observed.live():
        if model.phase in STAYING_PHASES and run.leaving is None:
            cycle.attempt(model, partial(_stop_if_unwanted, cycle, model, run, wanted))


def _stop_if_unwanted(cycle: Cycle, model: Model, run: Run, wanted: set[str]) -> None:
    why = _fault(cycle, model, run) or _unwanted(cycle, model, run, wanted)
    if why is not None:
        cycle.leave(model, *why)


def _fault(cycle: Cycle, model: Model, run: Run) -> tuple[Cause, str] | None:
    if run.sick and model.phase is Phase.FALLING_ASLEEP:
        return Cause.MADE_ROOM, f"{model.message}; it would not sleep: {run.sick}"
    if run.sick and run.sleep is not None and model.phase is Phase.STARTING:
        return Cause.STARTUP_DEADLINE, f"it would not wake: {run.sick}"
    if run.sick:
        return Cause.LIVENESS_FAILED, run.sick
    if broken := cycle.observed.span(model.name).broken:
        return Cause.HOST_LOST, broken
    return _overdue(cycle, model, run) if model.phase is Phase.STARTING else None


def _overdue(cycle: Cycle, model: Model, run: Run) -> tuple[Cause, str] | None:
    deadline = cycle.spec_of(model).ready.deadline
    if cycle.observed.now < run.booked_at + deadline:
        cycle.look_again_at(run.booked_at + deadline)
        return None
    seen = f": {model.message}" if model.message else ""
    return Cause.STARTUP_DEADLINE, f"not ready within {deadline:g} s (ready.deadline){seen}"


def _unwanted(cycle: Cycle, model: Model, run: Run, wanted: set[str]) -> tuple[Cause, str] | None:
    if cycle.observed.shutdown:
        return Cause.SHUTDOWN, "zoosup ends"
    if run.recalled and model.override is Override.UNLOAD:
        return Cause.UNLOADED, "unloaded by hand"
    if run.recalled is not None:
        return run.recalled
    return None if model.name in wanted else _left_over(cycle, model, run)


def _left_over(cycle: Cycle, model: Model, run: Run) -> tuple[Cause, str] | None:
    if model.override is Override.STOP:
        return Cause.STOPPED_BY_HAND, "stopped by hand"
    if cycle.observed.span(model.name).needed:
        return None
    if switching.retained(cycle.switch, model.name, cycle.spec.models, cycle.observed.models):
        return None
    spec = cycle.spec.models.get(model.name)
    if spec is None:
        return Cause.NOT_WANTED, "taken out of the file"
    if spec.on_demand:
        return _kept_long_enough(cycle, model, run, spec)
    return Cause.NOT_WANTED, switching.successors(cycle.switch, model.name) or "not in active"


def _kept_long_enough(cycle: Cycle, model: Model, run: Run, spec: ModelSpec) -> tuple[Cause, str] | None:
    """Nobody asks for it now: it stays for the next who does, unless that wouldn't be what the file says."""
    if outdated(run.spec, spec):
        return Cause.SPEC_CHANGED, f"{changed(run.spec, spec)} changed in the file"
    asked = cycle.observed.demand_for(model.name)
    until = demand.idle_until(model, spec, asked)
    if until is None:
        return None
    if until > cycle.observed.now:
        cycle.look_again_at(until)
        return None
    return Cause.IDLE, _how_long(spec, asked)


def _how_long(spec: ModelSpec, asked: Demand) -> str:
    if asked.stay == 0:
        return "a client has given it back (keep_alive)"
    stay, whose = (spec.idle_timeout, "idle_timeout") if asked.stay is None else (asked.stay, "keep_alive")
    return f"nobody has asked for it for {format_duration(stay)} ({whose})"


def relieve_pressure(cycle: Cycle) -> None:
    """Send for whoever has to go where a pool of the host runs short."""
    cycle.shortages = pressure.shortages(cycle)
    for shortage in cycle.shortages:
        cycle.look_again_at(shortage.wake_at)
        if shortage.victim is not None:
            _end_for(cycle, shortage, cycle.observed.models[shortage.victim])
    if cycle.shortages:
        said = "; ".join(shortage.message for shortage in cycle.shortages)
        cycle.conditions.append(
            Condition(None, ConditionType.MEMORY_PRESSURE, True, cycle.shortages[0].reason, said)
        )


def _end_for(cycle: Cycle, shortage: Shortage, model: Model) -> None:
    run = model.run
    assert run is not None  # noqa: S101 - only a run holds memory
    if shortage.level is Level.SOFT:
        cycle.leave(model, Cause.PRESSURE, shortage.message)
        return
    # Nothing asks it to finish first: at this level that is time which the host may not have.
    cycle.leaving.add(model.name)
    step: type[Kill | Stop] = Stop
    if shortage.level is Level.CRITICAL:
        step = Kill
        cycle.actions = [a for a in cycle.actions if not _ends(a, run)]
    cycle.actions.append(step(model.name, run.id, Cause.PRESSURE, shortage.message))


def _ends(action: Action, run: Run) -> bool:
    return isinstance(action, Drain | Stop) and action.run_id == run.id
