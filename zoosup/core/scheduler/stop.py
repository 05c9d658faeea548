"""The steps of a pass by which runs go: what comes back from the last, who is on the way out, and who has to leave.

    end_cooldowns   cool-downs that are over
    go_on_leaving   runs on their way out: the next step of their stopping
    release         runs nobody wants any longer: tell them to leave
    relieve         pools that run short: who has to go before the kernel takes one

Who leaves to make room for another is told in `placing`, and chosen in `weighing`.
"""

from zoosup.core.memory import reclaim
from zoosup.core.scheduler import demand, pressure, switch as switching
from zoosup.core.scheduler.scratch import Scratch
from zoosup.core.state.actions import Action, Drain, EndCooldown, Kill, Stop
from zoosup.core.state.observed import Condition, Model
from zoosup.core.state.phases import STAYING_PHASES, Cause, Override, Phase
from zoosup.core.state.pools import Cooldown
from zoosup.core.state.runs import Leaving, Run
from zoosup.spec.changes import changed, outdated
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.syntax.units import format_duration

COOLDOWN_POLL = 0.005
COOLDOWN_SHARE = 0.02
COOLDOWN_SLOW = 0.1
"""Seconds between samples while a stopped model's memory comes back: 5 ms at first, since two must agree before
anything starts, then 2 % of the time waited, so that a long wait costs nothing and ends at most 2 % late.
"""


def end_cooldowns(scratch: Scratch) -> None:
    """End the waits for memory that is back, or will not come; the others are looked at again."""
    still: list[Cooldown] = []
    for watch in scratch.room.cooling:
        loading = scratch.room.loading(watch.node, watch.pool)
        over = reclaim.outcome(watch, scratch.observed.now, scratch.spec.switch.cooldown, loading=loading)
        if over is None:
            still.append(watch)
            waited = scratch.observed.now - watch.since
            scratch.look_again_at(
                scratch.observed.now + min(COOLDOWN_SLOW, max(COOLDOWN_POLL, COOLDOWN_SHARE * waited))
            )
        else:
            scratch.actions.append(EndCooldown(watch.node, watch.pool, watch.model, *over))
    scratch.room.cooling = tuple(still)


def go_on_leaving(scratch: Scratch) -> None:
    """Take the next step with those who have been told to leave."""
    for model in scratch.observed.models.values():
        run = model.run
        if run is None or run.leaving is None:
            continue
        if run.stuck:
            scratch.conditions.append(Condition(model.name, "TerminationStuck", True, "Survivors", run.stuck))
        if run.leaving.ladder:
            continue
        due = _ladder_due(scratch, model, run.leaving)
        if due > scratch.observed.now:
            scratch.look_again_at(due)
        else:
            scratch.actions.append(Stop(model.name, run.id, run.leaving.cause, run.leaving.message))


def _ladder_due(scratch: Scratch, model: Model, leaving: Leaving) -> float:
    """When its drain is over, for good or because its grace period is; or when a stuck one is tried again."""
    if model.phase is Phase.STOPPING or leaving.drained:
        return leaving.retry_at
    return leaving.since + scratch.room.spec_of(model).stop.grace


def release(scratch: Scratch) -> None:
    """Tell those to leave that nobody wants any longer, and those at fault."""
    wanted = set(scratch.room.wanted)
    for model in scratch.observed.models.values():
        if model.run is None or model.phase not in STAYING_PHASES or model.run.leaving is not None:
            continue
        why = _fault(scratch, model, model.run) or _unwanted(scratch, model, wanted)
        if why is not None:
            scratch.leave(model, *why)


def _fault(scratch: Scratch, model: Model, run: Run) -> tuple[Cause, str] | None:
    if run.sick and model.phase is Phase.FALLING_ASLEEP:
        return Cause.MADE_ROOM, f"{model.message}; it would not sleep: {run.sick}"
    if run.sick and run.sleep is not None and model.phase is Phase.STARTING:
        return Cause.STARTUP_DEADLINE, f"it would not wake: {run.sick}"
    if run.sick:
        return Cause.LIVENESS_FAILED, run.sick
    if model.phase is not Phase.STARTING:
        return None
    deadline = scratch.room.spec_of(model).ready.deadline
    if scratch.observed.now < run.booked_at + deadline:
        scratch.look_again_at(run.booked_at + deadline)
        return None
    seen = f": {model.message}" if model.message else ""
    return Cause.STARTUP_DEADLINE, f"not ready within {deadline:g} s (ready.deadline){seen}"


def _unwanted(scratch: Scratch, model: Model, wanted: set[str]) -> tuple[Cause, str] | None:
    if scratch.observed.shutdown:
        return Cause.SHUTDOWN, "zoosup ends"
    if model.run is not None and model.run.recalled:
        return Cause.RESTARTED_BY_HAND, "restarted by hand"
    return None if model.name in wanted else _left_over(scratch, model)


def _left_over(scratch: Scratch, model: Model) -> tuple[Cause, str] | None:
    if model.override is Override.STOP:
        return Cause.STOPPED_BY_HAND, "stopped by hand"
    if switching.retained(scratch.room.switch, model.name, scratch.spec.models, scratch.observed.models):
        return None
    spec = scratch.spec.models.get(model.name)
    if spec is None:
        return Cause.NOT_WANTED, "taken out of the file"
    if spec.on_demand and model.run is not None:
        return _kept_long_enough(scratch, model, model.run, spec)
    return Cause.NOT_WANTED, switching.successors(scratch.room.switch, model.name) or "not in active"


def _kept_long_enough(scratch: Scratch, model: Model, run: Run, spec: ModelSpec) -> tuple[Cause, str] | None:
    """Nobody asks for it now: it stays for the next who does, unless that wouldn't be what the file says."""
    if outdated(run.spec, spec):
        return Cause.SPEC_CHANGED, f"{changed(run.spec, spec)} changed in the file"
    until = demand.idle_until(model, spec, scratch.observed)
    if until is None:
        return None
    if until > scratch.observed.now:
        scratch.look_again_at(until)
        return None
    return Cause.IDLE, f"nobody has asked for it for {format_duration(spec.idle_timeout)} (idle_timeout)"


def relieve(scratch: Scratch) -> None:
    """Send for whoever has to go where a pool of the host runs short."""
    scratch.strains = pressure.judge(scratch.room)
    for strain in scratch.strains:
        scratch.look_again_at(strain.wake_at)
        if strain.victim is not None:
            _send_for(scratch, strain, scratch.observed.models[strain.victim])
    if scratch.strains:
        said = "; ".join(strain.message for strain in scratch.strains)
        scratch.conditions.append(Condition(None, "MemoryPressure", True, scratch.strains[0].reason, said))


def _send_for(scratch: Scratch, strain: pressure.Strain, model: Model) -> None:
    run = model.run
    assert run is not None  # noqa: S101 - only a run holds memory
    if strain.level is pressure.Level.SOFT:
        scratch.leave(model, Cause.PRESSURE, strain.message)
        return
    # Nothing asks it to finish first: at this level that is time which the host may not have.
    scratch.room.leaving.add(model.name)
    step: type[Kill | Stop] = Stop
    if strain.level is pressure.Level.CRITICAL:
        step = Kill
        scratch.actions = [a for a in scratch.actions if not _ends(a, run)]
    scratch.actions.append(step(model.name, run.id, Cause.PRESSURE, strain.message))


def _ends(action: Action, run: Run) -> bool:
    return isinstance(action, Drain | Stop) and action.run_id == run.id
