"""The step of a pass by which models come: those that are wanted, in order of priority, start, wait, or get room made.

A model that has no run is placed, one that sleeps is roused, one that runs is renewed where the file says something new
of it. Knows no sum: where a model goes, and who has to leave for it, is asked of `siting`.
"""

from zoosup.core.estimation.need import need
from zoosup.core.memory.sleep_footprint import awake, rules
from zoosup.core.scheduler.candidates import intended, renewal, rouse, weigh
from zoosup.core.scheduler.fit import Answer, Verdict
from zoosup.core.scheduler.scratch import Scratch
from zoosup.core.state.actions import FallAsleep, Inspect, Start, Wake
from zoosup.core.state.observed import Condition, Model
from zoosup.core.state.phases import Cause, Phase, Reason
from zoosup.core.state.runs import Run
from zoosup.spec.changes import changed, outdated
from zoosup.spec.model.model import ModelSpec

PREFLIGHT_FRESH = 2.0
"""Seconds that a look at a model's files and port is believed."""

MEMORY_POLL = 0.25
"""Seconds between looks at memory that somebody else holds and a model waits for."""

GIVEN_UP = frozenset({Reason.CRASH_LOOP, Reason.EXITED, Reason.ROLLED_BACK, Reason.OOM})
"""Reasons of `failed` that only an edit or a person ends, OOM other weights as well; the rest when what was missing
appears.
"""

OOM_LOOK = 30.0
"""Seconds between looks at whether the weights of a model that was killed for want of memory are others by now."""

_POLLED = frozenset({Reason.MEMORY, Reason.MEMORY_UNKNOWN})
"""Reasons that nobody reports the end of."""

_CHECKING = Verdict("waits", Reason.CHECKING, "its executable, its files and its port are being looked at")

_PREFERENCE = {"admitted": 0, "waits": 1, "refused": 2}
"""Of several nodes the first that admits; else the first where it may run one day."""


def place_the_wanted(scratch: Scratch) -> None:
    """Take the next step with each that is wanted, the first in order of priority first."""
    for name in scratch.room.wanted:
        model, spec = scratch.observed.models[name], scratch.spec.models[name]
        if model.run is None:
            _place(scratch, model, spec)
        elif model.phase is Phase.ASLEEP and name not in scratch.room.leaving:
            _rouse(scratch, model, model.run, spec)
        elif model.run.leaving is None and name not in scratch.room.leaving | scratch.room.parking:
            _renew(scratch, model, model.run, spec)
        elif model.run.exit is not None and _stale(scratch, model):
            # It crashed and starts afresh once its remains are gone: look meanwhile, so that nothing waits then.
            _inspect(scratch, model, spec)
        if name not in scratch.room.wishes.asked:
            scratch.room.earlier.add(name)


def _place(scratch: Scratch, model: Model, spec: ModelSpec) -> None:
    if _is_given_up(scratch, model, spec):
        scratch.note(model, Verdict("refused", model.reason, model.message))
    elif model.backoff.until > scratch.observed.now:
        scratch.look_again_at(model.backoff.until)
        _wait(scratch, model, Verdict("waits", Reason.BACK_OFF, _crashes(model)), phase=Phase.BACKOFF)
    elif not _inspected(scratch, model, spec):
        _wait(scratch, model, _CHECKING)
    elif model.preflight is not None and model.preflight.reason is not None:
        _amiss(scratch, model, model.preflight.reason, model.preflight.message)
    else:
        _weigh(scratch, model, spec)


def _is_given_up(scratch: Scratch, model: Model, spec: ModelSpec) -> bool:
    if model.phase is not Phase.FAILED or model.reason not in GIVEN_UP:
        return False
    if model.reason is not Reason.OOM:
        return True
    due = scratch.observed.now if model.preflight is None else model.preflight.at + OOM_LOOK
    if due <= scratch.observed.now:
        _inspect(scratch, model, spec)
    else:
        scratch.look_again_at(due)
    return model.preflight is None or model.learned.fingerprint == model.ooms.fingerprint


def _inspected(scratch: Scratch, model: Model, spec: ModelSpec) -> bool:
    """Whether its files and port have been looked at; where that is not the last word, they are looked at again."""
    seen = model.preflight
    if seen is None or (not seen.settled and _stale(scratch, model)):
        _inspect(scratch, model, spec)
    elif not seen.settled:
        scratch.look_again_at(seen.at + PREFLIGHT_FRESH)
    return seen is not None


def _inspect(scratch: Scratch, model: Model, spec: ModelSpec) -> None:
    port = spec.port if spec.port != "auto" and spec.port not in scratch.room.ports else None
    if scratch.actions[-1:] != [look := Inspect(model.name, port)]:
        scratch.actions.append(look)


def _stale(scratch: Scratch, model: Model) -> bool:
    return model.preflight is None or scratch.observed.now >= model.preflight.at + PREFLIGHT_FRESH


def _amiss(scratch: Scratch, model: Model, reason: Reason, message: str) -> None:
    if reason is Reason.PORT:
        _wait(scratch, model, Verdict("waits", reason, message))
    else:
        scratch.hold(model, Phase.FAILED, Verdict("refused", reason, message))


def _weigh(scratch: Scratch, model: Model, spec: ModelSpec) -> None:
    answers = [weigh(scratch.room, model, spec, node.name) for node in scratch.observed.nodes]
    best = min(answers, key=lambda a: _PREFERENCE[a.verdict.outcome])
    if best.verdict.outcome == "refused":
        scratch.hold(model, Phase.PENDING, best.verdict)
    elif best.start and (pressed := _under_pressure(scratch, best)) is not None:
        _wait(scratch, model, pressed, answer=best)
    elif (best.start or best.evict or best.park) and _stale(scratch, model):
        # Its files may be gone since they were looked at: nothing is begun, and nobody sent away, on an old word.
        _inspect(scratch, model, spec)
        _wait(scratch, model, _CHECKING, answer=best)
    elif best.start:
        _start(scratch, model, spec, best)
    else:
        _make_room(scratch, best)
        _wait(scratch, model, best.verdict, answer=best)


def _make_room(scratch: Scratch, answer: Answer) -> None:
    for name, message in answer.evict:
        scratch.leave(scratch.observed.models[name], Cause.MADE_ROOM, message)
    for sleep, message in answer.park:
        run = scratch.observed.models[sleep.model].run
        if run is not None:
            scratch.room.fall_asleep(sleep.model, run, sleep.asleep)
            scratch.actions.append(FallAsleep(sleep.model, run.id, sleep.asleep, sleep.certain, message))
    if answer.look_at is not None:
        scratch.look_again_at(answer.look_at)


def _rouse(scratch: Scratch, model: Model, run: Run, spec: ModelSpec) -> None:
    """One that sleeps is wanted: it is weighed like one without a run, but for what it holds already."""
    if outdated(run.spec, spec):
        scratch.leave(model, Cause.SPEC_CHANGED, f"{changed(run.spec, spec)} changed in the file")
        return
    if rules(run, spec) is None:
        scratch.leave(model, Cause.SPEC_CHANGED, "the file no longer says how to wake it (park)")
        return
    answer = rouse(scratch.room, model, spec, run)
    if answer.verdict.outcome == "refused":
        scratch.hold(model, Phase.ASLEEP, answer.verdict)
    elif answer.start and (pressed := _under_pressure(scratch, answer)) is not None:
        _wait(scratch, model, pressed, phase=Phase.ASLEEP, answer=answer)
    elif answer.start:
        scratch.verdicts[model.name] = answer.verdict
        scratch.room.promise(model.name, answer.layout.amounts, run.node)
        scratch.room.starting.add(model.name)
        need_awake = awake(model, run, spec)
        scratch.actions.append(Wake(model.name, run.id, need_awake, answer.verdict.message))
    else:
        _make_room(scratch, answer)
        _wait(scratch, model, answer.verdict, phase=Phase.ASLEEP, answer=answer)


def _under_pressure(scratch: Scratch, answer: Answer) -> Verdict | None:
    """Nothing is started on a host whose RAM is short, nor on a GPU that is, however little it needs."""
    for strain in scratch.strains:
        pool = strain.pool
        if pool.node == answer.node and (pool.kind == "ram" or pool.id in answer.layout.amounts):
            return Verdict("waits", Reason.MEMORY, f"memory is short: {strain.message}", answer.verdict.sums)
    return None


def _start(scratch: Scratch, model: Model, spec: ModelSpec, answer: Answer) -> None:
    scratch.verdicts[model.name] = answer.verdict
    amounts, gpus = answer.layout.amounts, answer.layout.gpus
    scratch.room.promise(model.name, amounts, answer.node)
    source = need(spec, model.weights, model.learned).source
    scratch.actions.append(Start(model.name, answer.node, amounts, answer.verdict.message, source, gpus))
    scratch.room.starting.add(model.name)


def _renew(scratch: Scratch, model: Model, run: Run, spec: ModelSpec) -> None:
    """Its process has to be replaced when what it was started with has changed, if the new one can run."""
    if not outdated(run.spec, spec):
        return
    if not _inspected(scratch, model, spec):
        return
    amiss = model.preflight
    if amiss is not None and amiss.reason is not None:
        _outdated(scratch, model, amiss.reason, amiss.message)
        return
    refusal = renewal(scratch.room, model, spec, run.node)
    if refusal is None and _stale(scratch, model):
        _inspect(scratch, model, spec)
    elif refusal is None:
        scratch.leave(model, Cause.SPEC_CHANGED, f"{changed(run.spec, spec)} changed in the file")
    else:
        _outdated(scratch, model, refusal.reason, refusal.message)


def _outdated(scratch: Scratch, model: Model, reason: str, message: str) -> None:
    scratch.conditions.append(Condition(model.name, "Current", False, reason, message))
    if reason in _POLLED:
        scratch.look_again_at(scratch.observed.now + MEMORY_POLL)


def _wait(
    scratch: Scratch,
    model: Model,
    verdict: Verdict,
    *,
    phase: Phase = Phase.PENDING,
    answer: Answer | None = None,
) -> None:
    """It will run: its room is promised to it, so that no later model keeps it waiting."""
    node = scratch.observed.nodes[0].name if answer is None else answer.node
    if not (model.name in scratch.room.wishes.asked and verdict.reason in _POLLED):
        # Of clients who wait for what strangers hold nobody can say how long: others don't wait behind them.
        spec = scratch.spec.models[model.name]
        layout = intended(scratch.room, model, spec, node) if answer is None else answer.layout
        scratch.room.promise(model.name, layout.amounts, node)
    if verdict.reason in _POLLED:
        scratch.look_again_at(scratch.observed.now + MEMORY_POLL)
    scratch.hold(model, phase, verdict)


def _crashes(model: Model) -> str:
    end = model.last_exit
    what = f": {end.message or end.reason}" if end is not None else ""
    times = f"crashed {model.backoff.count} times in a row" if model.backoff.count > 1 else "crashed"
    return times + what
