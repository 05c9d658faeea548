"""The step of a pass by which models come: those that are wanted, in order of priority, start, wait, or get room made.

A model that has no run is placed, one that sleeps is woken, one that runs is renewed where the file says something new
of it. Knows no sum: where a model goes, and who has to leave for it, is asked of `candidates`.
"""

from functools import partial

from zoosup.core.estimation.need import need_of
from zoosup.core.memory.sleep_footprint import awake, rules
from zoosup.core.scheduler.cycle import Cycle
from zoosup.core.scheduler.demand import claim_of
from zoosup.core.scheduler.placement.candidates import (
    best_placement,
    intended_layout,
    renewal,
    wake_placement,
)
from zoosup.core.scheduler.placement.hold_room import place_holds
from zoosup.core.scheduler.preemption.make_room import PREFERENCE, make_room, unless_short
from zoosup.core.scheduler.verdicts import GIVEN_UP, POLLED, Outcome, Placement, Verdict
from zoosup.core.state.actions import Inspect, Start, Wake
from zoosup.core.state.observed import Condition, Model
from zoosup.core.state.phases import Cause, ConditionType, ModelReason, Phase, Reason
from zoosup.core.state.runs import Run
from zoosup.spec.changes import changed, outdated
from zoosup.spec.model.model import ModelSpec

PREFLIGHT_FRESH = 2.0
"""Seconds that a look at a model's files and port is believed."""

MEMORY_POLL = 0.25
"""Seconds between looks at memory that somebody else holds and a model waits for."""

OOM_LOOK = 30.0
"""Seconds between looks at whether the weights of a model that was killed for want of memory are others by now."""

_CHECKING = Verdict(Reason.CHECKING, "its executable, its files and its port are being looked at")


def place_wanted(cycle: Cycle) -> None:
    """Take the next step with each that is wanted, the first in order of priority first."""
    for name in cycle.wanted.all:
        place_holds(cycle, claim_of(name, cycle.wanted, cycle.observed).since)
        model, spec = cycle.observed.models[name], cycle.spec.models[name]
        cycle.attempt(model, partial(_place_one, cycle, model, spec))
        if name not in cycle.wanted.asked:
            cycle.earlier.add(name)
    place_holds(cycle)


def _place_one(cycle: Cycle, model: Model, spec: ModelSpec) -> None:
    if model.run is None:
        _admit(cycle, model, spec)
    elif model.phase is Phase.ASLEEP and model.name not in cycle.leaving:
        _wake(cycle, model, model.run, spec)
    elif model.run.leaving is None and model.name not in cycle.leaving | cycle.falling_asleep:
        _renew(cycle, model, model.run, spec)
    elif model.run.exit is not None and _is_stale(cycle, model):
        # It crashed and starts afresh once its remains are gone: look meanwhile, so that nothing waits then.
        _inspect(cycle, model, spec)
    if model.run is not None and model.name in cycle.leaving:
        layout = intended_layout(cycle, model, spec, model.run.node)
        cycle.come_back(model.name, model.run.node, layout.amounts)


# One without a run


def _admit(cycle: Cycle, model: Model, spec: ModelSpec) -> None:
    if _is_given_up(cycle, model, spec):
        cycle.note(model, Verdict(model.reason, model.message))
    elif model.backoff.until > cycle.observed.now:
        cycle.look_again_at(model.backoff.until)
        _wait(cycle, model, Verdict(Reason.BACK_OFF, _crashes(model)), phase=Phase.BACKOFF)
    elif not _inspected(cycle, model, spec):
        _wait(cycle, model, _CHECKING)
    elif model.preflight is not None and model.preflight.reason is not None:
        _amiss(cycle, model, Verdict(model.preflight.reason, model.preflight.message))
    else:
        _place(cycle, model, spec)


def _is_given_up(cycle: Cycle, model: Model, spec: ModelSpec) -> bool:
    if model.phase is not Phase.FAILED or model.reason not in GIVEN_UP:
        return False
    if model.reason is not Reason.OOM:
        return True
    due = cycle.observed.now if model.preflight is None else model.preflight.at + OOM_LOOK
    if due <= cycle.observed.now:
        _inspect(cycle, model, spec)
    else:
        cycle.look_again_at(due)
    return model.preflight is None or model.learned.fingerprint == model.ooms.fingerprint


def _inspected(cycle: Cycle, model: Model, spec: ModelSpec) -> bool:
    """Whether its files and port have been looked at; where that is not the last word, they are looked at again."""
    seen = model.preflight
    if seen is None or (not seen.settled and _is_stale(cycle, model)):
        _inspect(cycle, model, spec)
    elif not seen.settled:
        cycle.look_again_at(seen.at + PREFLIGHT_FRESH)
    return seen is not None


def _inspect(cycle: Cycle, model: Model, spec: ModelSpec) -> None:
    port = spec.port if spec.port != "auto" and spec.port not in cycle.ports else None
    if cycle.actions[-1:] != [look := Inspect(model.name, port)]:
        cycle.actions.append(look)


def _is_stale(cycle: Cycle, model: Model) -> bool:
    return model.preflight is None or cycle.observed.now >= model.preflight.at + PREFLIGHT_FRESH


def _amiss(cycle: Cycle, model: Model, verdict: Verdict) -> None:
    if verdict.outcome is Outcome.WAITS:
        _wait(cycle, model, verdict)
    else:
        cycle.hold(model, Phase.FAILED, verdict)


def _place(cycle: Cycle, model: Model, spec: ModelSpec) -> None:
    found = [best_placement(cycle, model, spec, node.name) for node in cycle.observed.nodes]
    best = unless_short(cycle, min(found, key=lambda p: PREFERENCE.index(p.verdict.outcome)))
    if (best.starts or best.preempts) and _is_stale(cycle, model):
        # Its files may be gone since they were looked at: nothing is begun, and nobody sent away, on an old word.
        _inspect(cycle, model, spec)
        _wait(cycle, model, _CHECKING, placement=best)
    elif best.starts and (waits := cycle.observed.span(model.name).waits):
        _wait(cycle, model, Verdict(Reason.HOSTS, waits), placement=best)
    elif best.starts:
        _start(cycle, model, spec, best)
    else:
        _stand_by(cycle, model, best, Phase.PENDING)
        _look_meanwhile(cycle, model, spec, best.verdict)


def _look_meanwhile(cycle: Cycle, model: Model, spec: ModelSpec, verdict: Verdict) -> None:
    """Its room comes before long: look again in time, so that nothing waits for that then."""
    ends = (cycle.observed.models[name].phase is Phase.STOPPING for name in cycle.leaving)
    if not (verdict.reason is Reason.COOL_DOWN or (verdict.reason is Reason.EVICTION and any(ends))):
        return
    # Well before the last look is too old: the room may come while the next one is under way.
    due = cycle.observed.now if model.preflight is None else model.preflight.at + PREFLIGHT_FRESH / 2
    if due <= cycle.observed.now:
        _inspect(cycle, model, spec)
    else:
        cycle.look_again_at(due)


def _start(cycle: Cycle, model: Model, spec: ModelSpec, found: Placement) -> None:
    cycle.verdicts[model.name] = found.verdict
    amounts, gpus = found.layout.amounts, found.layout.gpus
    cycle.promise(model.name, amounts, found.node)
    source = need_of(model, spec).source
    cycle.actions.append(Start(model.name, found.node, amounts, found.verdict.message, source, gpus))
    cycle.starting.add(model.name)
    if spec.port != "auto":
        cycle.ports[spec.port] = model.name


# One that sleeps


def _wake(cycle: Cycle, model: Model, run: Run, spec: ModelSpec) -> None:
    """It is placed like one without a run, but for what it holds already."""
    if outdated(run.spec, spec):
        cycle.leave(model, Cause.SPEC_CHANGED, f"{changed(run.spec, spec)} changed in the file")
        return
    if rules(run, spec) is None:
        cycle.leave(model, Cause.SPEC_CHANGED, "the file no longer says how to wake it (park)")
        return
    found = unless_short(cycle, wake_placement(cycle, model, spec, run))
    if found.starts:
        cycle.verdicts[model.name] = found.verdict
        cycle.promise(model.name, found.layout.amounts, run.node)
        cycle.starting.add(model.name)
        cycle.actions.append(Wake(model.name, run.id, awake(model, run, spec), found.verdict.message))
    else:
        _stand_by(cycle, model, found, Phase.ASLEEP)


# One that runs


def _renew(cycle: Cycle, model: Model, run: Run, spec: ModelSpec) -> None:
    """Its process has to be replaced when what it was started with has changed, if the new one can run."""
    if not outdated(run.spec, spec):
        return
    if not _inspected(cycle, model, spec):
        _keep_room_to_renew(cycle, model, run, spec)
        return
    if needed := cycle.observed.span(model.name).needed:
        _stays_outdated(cycle, model, Reason.HOSTS, needed)
        return
    amiss = model.preflight
    if amiss is not None and amiss.reason is not None:
        _stays_outdated(cycle, model, amiss.reason, amiss.message)
        return
    refusal = renewal(cycle, model, spec, run.node)
    if refusal is not None:
        _stays_outdated(cycle, model, refusal.reason, refusal.message)
    elif _is_stale(cycle, model):
        _inspect(cycle, model, spec)
        _keep_room_to_renew(cycle, model, run, spec)
    else:
        cycle.leave(model, Cause.SPEC_CHANGED, f"{changed(run.spec, spec)} changed in the file")


def _keep_room_to_renew(cycle: Cycle, model: Model, run: Run, spec: ModelSpec) -> None:
    """While its files are looked at: a later model that starts in that room would leave again for it."""
    cycle.promise_renewal(model.name, intended_layout(cycle, model, spec, run.node).amounts, run.node)


def _stays_outdated(cycle: Cycle, model: Model, reason: ModelReason, message: str) -> None:
    cycle.conditions.append(Condition(model.name, ConditionType.CURRENT, False, reason, message))
    if reason in POLLED:
        cycle.look_again_at(cycle.observed.now + MEMORY_POLL)


# What they have in common


def _stand_by(cycle: Cycle, model: Model, found: Placement, phase: Phase) -> None:
    """It does not start: it is refused, or waits for the room that is made for it."""
    if found.verdict.outcome is Outcome.REFUSED:
        cycle.hold(model, phase, found.verdict)
    else:
        make_room(cycle, model, found)
        _wait(cycle, model, found.verdict, phase=phase, placement=found)


def _wait(
    cycle: Cycle,
    model: Model,
    verdict: Verdict,
    *,
    phase: Phase = Phase.PENDING,
    placement: Placement | None = None,
) -> None:
    """It will run: its room is promised to it, so that no later model keeps it waiting."""
    if not (model.name in cycle.wanted.asked and verdict.reason in POLLED):
        # Of clients who wait for what strangers hold nobody can say how long: others don't wait behind them.
        _keep_room(cycle, model, placement)
    if verdict.reason in POLLED:
        cycle.look_again_at(cycle.observed.now + MEMORY_POLL)
    cycle.hold(model, phase, verdict)


def _keep_room(cycle: Cycle, model: Model, placement: Placement | None) -> None:
    if placement is not None:
        cycle.promise(model.name, placement.layout.amounts, placement.node)
    else:
        node = cycle.observed.nodes[0].name
        layout = intended_layout(cycle, model, cycle.spec.models[model.name], node)
        cycle.promise(model.name, layout.amounts, node)


def _crashes(model: Model) -> str:
    end = model.last_exit
    what = f": {end.message or end.reason}" if end is not None else ""
    times = f"crashed {model.backoff.count} times in a row" if model.backoff.count > 1 else "crashed"
    return times + what
