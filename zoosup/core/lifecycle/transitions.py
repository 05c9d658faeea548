"""The one place where a model's phase changes: a table of facts, and what each fact leaves true.

A fact carries the run it is about. One about a run that is no longer the model's is dropped, so that a late answer
never moves a later run. A fact that the table does not allow in a phase is a bug of ours and says so.

    stopped --+                                      +--> ready <--> unready --+--> draining --+
    pending --+-- Booked --> starting ---------------+                         |               |
    backoff --+                 |                                              v               v
    failed  --+                 +----------- Exited, StopBegun ----------> stopping <----------+
       ^                                                                       |
       +---------------------------- Held <-- stopped or failed <--- Gone -----+

    ready -- SleepBegun --> parking -- FellAsleep --> parked -- WakeBegun --> starting  (either may exit or be stopped)

Adopted takes a model from stopped to where its run was found: starting, unready (to be asked anew), parked or stopping.
Leaving is irrevocable: there is no way back from draining or stopping but through Gone.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from zoosup.core.estimation import learned
from zoosup.core.lifecycle.exits import describe, gone
from zoosup.core.lifecycle.load_progress import LoadSample, advanced, last_load
from zoosup.core.lifecycle.sleep import (
    adopted_asleep,
    booking,
    fell_asleep,
    rebooked_awake,
    sleep_begun,
    wake_begun,
    woken,
)
from zoosup.core.state import facts
from zoosup.core.state.loads import LastLoad
from zoosup.core.state.observed import Model
from zoosup.core.state.phases import LIVE_PHASES, Cause, Phase, Reason
from zoosup.core.state.runs import Backoff, Leaving, Run, Sleep, SleepStage
from zoosup.core.state.usage import Ooms

STUCK_RETRY = 30.0
"""Seconds before the ladder goes to work again on a run that SIGKILL did not end."""


_P = Phase
_RESTING = frozenset({_P.STOPPED, _P.PENDING, _P.BACKOFF, _P.FAILED})


def _stay(*phases: Phase) -> Mapping[Phase, frozenset[Phase]]:
    return {phase: frozenset({phase}) for phase in phases}


_UNMOVED = _stay(_P.FALLING_ASLEEP, _P.ASLEEP, _P.DRAINING, _P.STOPPING)
"""Phases that no answer to a probe moves."""

TABLE: Mapping[type, Mapping[Phase, frozenset[Phase]]] = {
    facts.Booked: dict.fromkeys(_RESTING, frozenset({_P.STARTING})),
    facts.Adopted: {_P.STOPPED: frozenset({_P.STARTING, _P.UNREADY, _P.ASLEEP, _P.STOPPING})},
    facts.Held: {**dict.fromkeys(_RESTING, _RESTING), _P.ASLEEP: frozenset({_P.ASLEEP})},
    facts.ProbedReady: {
        # An answer from before it slept leaves one that wakes where it is.
        _P.STARTING: frozenset({_P.READY, _P.STARTING}),
        **dict.fromkeys((_P.UNREADY, _P.READY), frozenset({_P.READY})),
        **_UNMOVED,
    },
    facts.ProbedUnready: {
        **_stay(_P.STARTING, _P.UNREADY),
        _P.READY: frozenset({_P.UNREADY}),
        **_UNMOVED,
    },
    facts.Exited: dict.fromkeys(_P, frozenset({_P.STOPPING})),
    facts.DrainBegun: {_P.READY: frozenset({_P.DRAINING}), _P.UNREADY: frozenset({_P.DRAINING})},
    facts.StopBegun: dict.fromkeys(LIVE_PHASES, frozenset({_P.STOPPING})),
    facts.SleepBegun: {_P.READY: frozenset({_P.FALLING_ASLEEP})},
    # An answer may come twice, or when it has been told to leave meanwhile.
    facts.FellAsleep: {**_stay(*LIVE_PHASES), _P.FALLING_ASLEEP: frozenset({_P.ASLEEP})},
    facts.WakeBegun: {_P.ASLEEP: frozenset({_P.STARTING})},
    facts.Woken: _stay(*LIVE_PHASES),
    facts.Forgiven: {**_stay(*_P), **dict.fromkeys((_P.FAILED, _P.BACKOFF), frozenset({_P.STOPPED}))},
    # A spawn that failed is gone from `starting`: nothing of it ever lived.
    facts.Gone: dict.fromkeys((_P.STARTING, _P.STOPPING), frozenset({_P.STOPPED, _P.FAILED})),
}
"""Fact -> phase it may come in -> phases it may lead to. A fact that is not here changes no phase."""


class IllegalTransitionError(Exception):
    """A fact came in a phase where it can't be: a bug of zoosup's, not a user's mistake."""


def apply(model: Model, fact: facts.Fact) -> Model:
    """The model after the fact. One about another run changes nothing; IllegalTransitionError for a bug."""
    if isinstance(fact, facts.RunFact) and (model.run is None or model.run.id != fact.run_id):
        return model
    after = _HANDLERS[type(fact)](model, fact)
    table = TABLE.get(type(fact), {model.phase: frozenset({model.phase})})
    if after.phase not in table.get(model.phase, ()):
        msg = f"internal error: {type(fact).__name__} took {model.name} from {model.phase} to {after.phase}"
        raise IllegalTransitionError(msg)
    return after


def _with_run(model: Model, **changes: Any) -> Model:
    assert model.run is not None  # noqa: S101 - `apply` has compared the run's id
    return replace(model, run=replace(model.run, **changes))


def _adopted(model: Model, fact: facts.Adopted) -> Model:
    phase = Phase.STARTING if fact.run.ready_at is None else Phase.UNREADY
    if fact.run.leaving is not None:
        phase = Phase.STOPPING
    elif fact.run.sleep is not None:
        return adopted_asleep(model, fact.run, fact.run.sleep)
    return replace(model, phase=phase, reason="", message="adopted; to be asked anew", run=fact.run)


def _probed_ready(model: Model, fact: facts.ProbedReady) -> Model:
    if _is_deaf(model):
        return model
    assert model.run is not None  # noqa: S101 - or it would be deaf
    first = model.run.ready_at if model.run.ready_at is not None else fact.now
    since = model.run.ready_since if model.run.ready_since is not None else fact.now
    took = fact.now - model.run.booked_at if model.run.ready_at is None else model.load_time
    ready = _with_run(model, ready_at=first, ready_since=since)
    first_time = model.run.ready_at is None and model.run.sleep is None
    seen = _last_load(model, model.run, fact.now) if first_time else model.last_load
    if model.run.sleep is not None:
        # While it woke it could still hold what it held asleep as well; and waking is no loading.
        took, ready = model.load_time, _with_run(ready, reserved=model.run.sleep.awake, sleep=None)
    return replace(
        ready, phase=Phase.READY, reason="", message="", failed_start=None, load_time=took, last_load=seen
    )


def _last_load(model: Model, run: Run, now: float) -> LastLoad | None:
    return last_load(run.progress, model.weights_size, now - run.booked_at, model.last_load)


def _load_seen(model: Model, fact: facts.LoadSeen) -> Model:
    assert model.run is not None  # noqa: S101 - `apply` has compared the run's id
    run = model.run
    if run.ready_at is not None or run.sleep is not None:
        return model  # it came late
    seen = LoadSample(fact.now - run.booked_at, fact.read, fact.said)
    found = advanced(run.progress, seen, model.weights_size, model.last_load, model.load_time)
    return _with_run(model, progress=found)


def _probed_unready(model: Model, fact: facts.ProbedUnready) -> Model:
    if _is_deaf(model):
        return model
    assert model.run is not None  # noqa: S101 - or it would be deaf
    phase = model.phase if model.phase is Phase.STARTING else Phase.UNREADY
    steady = model.run.ready_for(fact.now)
    return replace(_with_run(model, ready_since=None, steady=steady), phase=phase, message=fact.message)


def _is_deaf(model: Model) -> bool:
    """Whether an answer says nothing about it: it leaves, or it was asked before it slept or woke."""
    run = model.run
    return (
        run is None
        or run.leaving is not None
        or (run.sleep is not None and run.sleep.stage is not SleepStage.WOKEN)
    )


def _exited(model: Model, fact: facts.Exited) -> Model:
    assert model.run is not None  # noqa: S101 - `apply` has compared the run's id
    leaving = model.run.leaving or Leaving(Cause.CRASHED, describe(fact.exit), fact.now)
    return replace(
        _with_run(model, exit=fact.exit, leaving=leaving), phase=Phase.STOPPING, message=leaving.message
    )


def _drain_begun(model: Model, fact: facts.DrainBegun) -> Model:
    left = _with_run(model, leaving=fact.leaving)
    return replace(left, phase=Phase.DRAINING, reason=fact.leaving.cause, message=fact.leaving.message)


def _drain_ended(model: Model, _: facts.DrainEnded) -> Model:
    leaving = model.run.leaving if model.run is not None else None
    return model if leaving is None else _with_run(model, leaving=replace(leaving, drained=True))


def _stop_begun(model: Model, fact: facts.StopBegun) -> Model:
    left = _with_run(model, leaving=replace(fact.leaving, ladder=True))
    return replace(left, phase=Phase.STOPPING, reason=fact.leaving.cause, message=fact.leaving.message)


def _stuck(model: Model, fact: facts.Stuck) -> Model:
    leaving = model.run.leaving if model.run is not None else None
    if leaving is None:
        return model
    again = replace(leaving, ladder=False, retry_at=fact.now + STUCK_RETRY)
    return _with_run(model, leaving=again, stuck=fact.survivors)


def _measured(model: Model, fact: facts.Measured) -> Model:
    assert model.run is not None  # noqa: S101 - `apply` has compared the run's id
    run = model.run
    mapped = run.mapped if fact.mapped is None else max(fact.mapped, run.mapped or 0)
    if run.sleep is None and fact.amounts == run.measured and mapped == run.mapped:
        return model  # as most often of one that runs
    peak = {pool: max(n, run.peak.get(pool, 0)) for pool, n in fact.amounts.items()}
    if run.sleep is not None:
        return _measured_asleep(model, replace(run, measured=fact.amounts, mapped=mapped), run.sleep)
    reserved, outgrown = _grown(run.reserved, fact.amounts)
    grown: dict[str, Any] = (
        {"reserved": reserved, "outgrown": outgrown | dict(run.outgrown)} if outgrown else {}
    )
    return _with_run(model, measured=fact.amounts, peak=dict(run.peak) | peak, mapped=mapped, **grown)


def _measured_asleep(model: Model, run: Run, sleep: Sleep) -> Model:
    """What it holds asleep, or on the way there and back, says nothing of what it needs: it is no peak."""
    if sleep.stage is not SleepStage.ASLEEP or model.phase is not Phase.ASLEEP:
        return replace(model, run=replace(run, reserved=_grown(run.reserved, run.measured)[0]))
    seen = learned.asleep_of(run, model.asleep)
    return replace(model, run=replace(run, reserved=booking(run, sleep)), asleep=seen)


def _grown(booked: Mapping[str, int], held: Mapping[str, int]) -> tuple[Mapping[str, int], dict[str, int]]:
    """A booking raised to what is held, and what it was where that is more: what others count on is never a lie."""
    outgrown = {pool: n for pool, n in booked.items() if held.get(pool, 0) > n}
    return {pool: max(n, held.get(pool, 0)) for pool, n in booked.items()}, outgrown


def _rebooked(model: Model, fact: facts.Rebooked) -> Model:
    run = model.run
    assert run is not None  # noqa: S101 - `apply` has compared the run's id
    # Not what it holds now, but the most that it was seen to: it may hold that again.
    held = {p: max(run.measured.get(p, 0), run.peak.get(p, 0)) for p in fact.reserved}
    reserved, outgrown = _grown(fact.reserved, held)
    if run.sleep is not None:
        return replace(model, run=replace(rebooked_awake(run, run.sleep, reserved), source="declared"))
    return _with_run(model, reserved=reserved, outgrown=outgrown, source="declared")


def _forgiven(model: Model, _: facts.Forgiven) -> Model:
    clean = replace(model, backoff=Backoff(), failed_start=None, preflight=None, ooms=Ooms(), asleep=None)
    if model.phase not in {Phase.FAILED, Phase.BACKOFF}:
        return clean
    return replace(clean, phase=Phase.STOPPED, reason=Reason.NOT_WANTED, message="")


_HANDLERS: dict[type, Callable[[Model, Any], Model]] = {
    facts.Booked: lambda model, fact: replace(
        model, phase=Phase.STARTING, reason="", message="", run=fact.run
    ),
    facts.Adopted: _adopted,
    facts.Spawned: lambda model, fact: _with_run(model, pid=fact.pid),
    facts.ProbedReady: _probed_ready,
    facts.ProbedUnready: _probed_unready,
    facts.FoundSick: lambda model, fact: _with_run(model, sick=fact.message),
    facts.Recalled: lambda model, fact: _with_run(model, recalled=(fact.cause, fact.message)),
    facts.Exited: _exited,
    facts.DrainBegun: _drain_begun,
    facts.DrainEnded: _drain_ended,
    facts.StopBegun: _stop_begun,
    facts.Gone: gone,
    facts.Stuck: _stuck,
    facts.Measured: _measured,
    facts.LoadSeen: _load_seen,
    facts.Rebooked: _rebooked,
    facts.SleepBegun: sleep_begun,
    facts.FellAsleep: fell_asleep,
    facts.WakeBegun: wake_begun,
    facts.Woken: woken,
    facts.Held: lambda model, f: replace(model, phase=f.phase, reason=f.reason, message=f.message),
    facts.Inspected: lambda model, fact: replace(
        model, preflight=fact.preflight, weights=fact.preflight.weights or model.weights
    ),
    facts.Forgiven: _forgiven,
    facts.Overridden: lambda model, fact: replace(model, override=fact.override),
}
