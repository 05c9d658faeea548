"""The one place where a model's phase changes: a table of facts, and what each fact leaves true.

A fact carries the run it is about. One about a run that is no longer the model's is dropped, so that a late answer
never moves a later run. A fact that the table does not allow in a phase is a bug of ours and says so.

    stopped --+                                      +--> ready <--> unready --+--> draining --+
    pending --+-- Booked --> starting ---------------+                         |               |
    backoff --+                 |                                              v               v
    failed  --+                 +----------- Exited, StopBegun ----------> stopping <----------+
       ^                                                                       |
       +---------------------------- Held <-- stopped or failed <--- Gone -----+

    ready -- ParkBegun --> parking -- Parked --> parked -- WakeBegun --> starting       (either may exit or be stopped)

Adopted takes a model from stopped to where its run was found: starting, unready (to be asked anew), parked or stopping.
Leaving is irrevocable: there is no way back from draining or stopping but through Gone.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from zoosup.core import backoff
from zoosup.core.facts import (
    Adopted,
    Booked,
    DrainBegun,
    DrainEnded,
    Exited,
    Fact,
    Forgiven,
    FoundSick,
    Gone,
    Held,
    Inspected,
    Measured,
    Overridden,
    ParkBegun,
    Parked,
    ProbedReady,
    ProbedUnready,
    Rebooked,
    Recalled,
    Spawned,
    StopBegun,
    Stuck,
    WakeBegun,
    Woken,
)
from zoosup.core.lessons import Ooms
from zoosup.core.status import (
    LIVE_PHASES,
    Backoff,
    Cause,
    Exit,
    ExitReason,
    Leaving,
    Model,
    Nap,
    Phase,
    Reason,
    Run,
    Stage,
)
from zoosup.spec.models import Restart
from zoosup.spec.units import describe_size

CRASHES = frozenset({Cause.CRASHED, Cause.STARTUP_DEADLINE, Cause.LIVENESS_FAILED})
"""The causes that nobody asked for: they count for back-off."""

OOMS = 2
"""Times that a run may be killed for want of memory before its model is given up."""

STUCK_RETRY = 30.0
"""Seconds before the ladder goes to work again on a run that SIGKILL did not end."""


_NAMED = {
    Cause.STARTUP_DEADLINE: ExitReason.STARTUP_DEADLINE,
    Cause.LIVENESS_FAILED: ExitReason.LIVENESS_FAILED,
}
"""What a run that we ended for a fault is said to have died of, whatever the signal."""


_P = Phase
_RESTING = frozenset({_P.STOPPED, _P.PENDING, _P.BACKOFF, _P.FAILED})

TABLE: Mapping[type, Mapping[Phase, frozenset[Phase]]] = {
    Booked: dict.fromkeys(_RESTING, frozenset({_P.STARTING})),
    Adopted: {_P.STOPPED: frozenset({_P.STARTING, _P.UNREADY, _P.PARKED, _P.STOPPING})},
    Held: {**dict.fromkeys(_RESTING, _RESTING), _P.PARKED: frozenset({_P.PARKED})},
    ProbedReady: {
        # An answer from before it slept leaves one that wakes where it is.
        _P.STARTING: frozenset({_P.READY, _P.STARTING}),
        _P.UNREADY: frozenset({_P.READY}),
        _P.READY: frozenset({_P.READY}),
        _P.PARKING: frozenset({_P.PARKING}),
        _P.PARKED: frozenset({_P.PARKED}),
        _P.DRAINING: frozenset({_P.DRAINING}),
        _P.STOPPING: frozenset({_P.STOPPING}),
    },
    ProbedUnready: {
        _P.STARTING: frozenset({_P.STARTING}),
        _P.UNREADY: frozenset({_P.UNREADY}),
        _P.READY: frozenset({_P.UNREADY}),
        _P.PARKING: frozenset({_P.PARKING}),
        _P.PARKED: frozenset({_P.PARKED}),
        _P.DRAINING: frozenset({_P.DRAINING}),
        _P.STOPPING: frozenset({_P.STOPPING}),
    },
    Exited: dict.fromkeys(_P, frozenset({_P.STOPPING})),
    DrainBegun: {_P.READY: frozenset({_P.DRAINING}), _P.UNREADY: frozenset({_P.DRAINING})},
    StopBegun: dict.fromkeys(LIVE_PHASES, frozenset({_P.STOPPING})),
    ParkBegun: {_P.READY: frozenset({_P.PARKING})},
    # An answer may come twice, or when it has been told to leave meanwhile.
    Parked: {**{phase: frozenset({phase}) for phase in LIVE_PHASES}, _P.PARKING: frozenset({_P.PARKED})},
    WakeBegun: {_P.PARKED: frozenset({_P.STARTING})},
    Woken: {phase: frozenset({phase}) for phase in LIVE_PHASES},
    Forgiven: {
        **{phase: frozenset({phase}) for phase in _P},
        _P.FAILED: frozenset({_P.STOPPED}),
        _P.BACKOFF: frozenset({_P.STOPPED}),
    },
    # A spawn that failed is gone from `starting`: nothing of it ever lived.
    Gone: dict.fromkeys((_P.STARTING, _P.STOPPING), frozenset({_P.STOPPED, _P.FAILED})),
}
"""Fact -> phase it may come in -> phases it may lead to. A fact that is not here changes no phase."""


class IllegalTransitionError(Exception):
    """A fact came in a phase where it can't be: a bug of zoosup's, not a user's mistake."""


def apply(model: Model, fact: Fact) -> Model:
    """The model after the fact. One about another run changes nothing; IllegalTransitionError for a bug."""
    run_id = getattr(fact, "run_id", None)
    if run_id is not None and (model.run is None or model.run.id != run_id):
        return model
    after = _HANDLERS[type(fact)](model, fact)
    allowed = TABLE.get(type(fact), {}).get(model.phase) if type(fact) in TABLE else frozenset({model.phase})
    if allowed is None or after.phase not in allowed:
        msg = f"internal error: {type(fact).__name__} took {model.name} from {model.phase} to {after.phase}"
        raise IllegalTransitionError(msg)
    return after


def _with_run(model: Model, **changes: Any) -> Model:
    assert model.run is not None  # noqa: S101 - `apply` has compared the run's id
    return replace(model, run=replace(model.run, **changes))


def _booked(model: Model, fact: Booked) -> Model:
    return replace(model, phase=Phase.STARTING, reason="", message="", run=fact.run)


def _adopted(model: Model, fact: Adopted) -> Model:
    phase = Phase.STARTING if fact.run.ready_at is None else Phase.UNREADY
    if fact.run.leaving is not None:
        phase = Phase.STOPPING
    elif fact.run.nap is not None:
        return _adopted_asleep(model, fact.run, fact.run.nap)
    return replace(model, phase=phase, reason="", message="adopted; to be asked anew", run=fact.run)


def _adopted_asleep(model: Model, run: Run, nap: Nap) -> Model:
    """One whose sleep had only begun, or was being ended, is asked to wake all the same: it does no harm twice."""
    found = run if run.ready_at is not None else replace(run, ready_at=run.booked_at)
    where = "asleep" if nap.stage is Stage.ASLEEP else "half asleep"
    return replace(model, phase=Phase.PARKED, reason=Cause.MADE_ROOM, message=f"adopted {where}", run=found)


def _spawned(model: Model, fact: Spawned) -> Model:
    return _with_run(model, pid=fact.pid)


def _probed_ready(model: Model, fact: ProbedReady) -> Model:
    if _is_deaf(model):
        return model
    assert model.run is not None  # noqa: S101 - or it would be deaf
    first = model.run.ready_at if model.run.ready_at is not None else fact.now
    since = model.run.ready_since if model.run.ready_since is not None else fact.now
    took = fact.now - model.run.booked_at if model.run.ready_at is None else model.load_time
    ready = _with_run(model, ready_at=first, ready_since=since)
    if model.run.nap is not None:
        # While it woke it could still hold what it held asleep as well; and waking is no loading.
        took, ready = model.load_time, _with_run(ready, reserved=model.run.nap.awake, nap=None)
    return replace(ready, phase=Phase.READY, reason="", message="", failed_start=None, load_time=took)


def _probed_unready(model: Model, fact: ProbedUnready) -> Model:
    if _is_deaf(model):
        return model
    assert model.run is not None  # noqa: S101 - or it would be deaf
    phase = model.phase if model.phase is Phase.STARTING else Phase.UNREADY
    steady = ready_for(model.run, fact.now)
    return replace(_with_run(model, ready_since=None, steady=steady), phase=phase, message=fact.message)


def _is_deaf(model: Model) -> bool:
    """Whether an answer says nothing about it: it leaves, or it was asked before it slept or woke."""
    run = model.run
    return (
        run is None or run.leaving is not None or (run.nap is not None and run.nap.stage is not Stage.WOKEN)
    )


def ready_for(run: Run, until: float | None) -> float:
    """Seconds of the longest unbroken readiness up to a time."""
    return (
        run.steady if run.ready_since is None or until is None else max(run.steady, until - run.ready_since)
    )


def _found_sick(model: Model, fact: FoundSick) -> Model:
    return _with_run(model, sick=fact.message)


def _recalled(model: Model, _: Recalled) -> Model:
    return _with_run(model, recalled=True)


def _exited(model: Model, fact: Exited) -> Model:
    assert model.run is not None  # noqa: S101 - `apply` has compared the run's id
    leaving = model.run.leaving or Leaving(Cause.CRASHED, _describe(fact.exit), fact.now)
    return replace(
        _with_run(model, exit=fact.exit, leaving=leaving), phase=Phase.STOPPING, message=leaving.message
    )


def _drain_begun(model: Model, fact: DrainBegun) -> Model:
    left = _with_run(model, leaving=fact.leaving)
    return replace(left, phase=Phase.DRAINING, reason=fact.leaving.cause, message=fact.leaving.message)


def _drain_ended(model: Model, _: DrainEnded) -> Model:
    leaving = model.run.leaving if model.run is not None else None
    return model if leaving is None else _with_run(model, leaving=replace(leaving, drained=True))


def _stop_begun(model: Model, fact: StopBegun) -> Model:
    left = _with_run(model, leaving=replace(fact.leaving, ladder=True))
    return replace(left, phase=Phase.STOPPING, reason=fact.leaving.cause, message=fact.leaving.message)


def _park_begun(model: Model, fact: ParkBegun) -> Model:
    assert model.run is not None  # noqa: S101 - `apply` has compared the run's id
    steady = ready_for(model.run, fact.nap.since)
    fell = _with_run(model, nap=fact.nap, reserved=fact.reserved, ready_since=None, steady=steady)
    return replace(fell, phase=Phase.PARKING, reason=Cause.MADE_ROOM, message=fact.message)


def _parked(model: Model, fact: Parked) -> Model:
    run = model.run
    if run is None or run.nap is None or model.phase is not Phase.PARKING:
        return model
    nap = replace(run.nap, stage=Stage.ASLEEP, since=fact.now)
    if run.measured is nap.held:
        run = replace(run, measured={})  # nobody has looked since: what it held awake others may be given now
    fell = replace(run, nap=nap, reserved=_asleep(run, nap))
    return replace(model, run=fell, phase=Phase.PARKED)


def _asleep(run: Run, nap: Nap) -> Mapping[str, int]:
    """What is booked for a run that sleeps: what the file says, or it holds if that is more, and both may change.

    Where the file says nothing, and what it holds can't be measured, the booking stays as it was.
    """
    said = nap.asleep if nap.certain else {p: n for p, n in run.reserved.items() if p not in run.measured}
    return {pool: max(said.get(pool, 0), run.measured.get(pool, 0)) for pool in run.reserved}


def _wake_begun(model: Model, fact: WakeBegun) -> Model:
    run = model.run
    if run is None or run.nap is None:
        return model
    nap = replace(run.nap, stage=Stage.WAKING, awake=fact.need, since=fact.now)
    both = {
        pool: max(fact.need.get(pool, 0), run.reserved.get(pool, 0)) for pool in {**fact.need, **run.reserved}
    }
    woken = _with_run(model, nap=nap, reserved=both, booked_at=fact.now, ready_at=None, sick="")
    return replace(woken, phase=Phase.STARTING, reason="", message="wakes")


def _woken(model: Model, fact: Woken) -> Model:
    run = model.run
    if run is None or run.nap is None or run.nap.stage is not Stage.WAKING or run.leaving is not None:
        return model
    return _with_run(model, nap=replace(run.nap, stage=Stage.WOKEN, since=fact.now))


def _stuck(model: Model, fact: Stuck) -> Model:
    leaving = model.run.leaving if model.run is not None else None
    if leaving is None:
        return model
    again = replace(leaving, ladder=False, retry_at=fact.now + STUCK_RETRY)
    return _with_run(model, leaving=again, stuck=fact.survivors)


def _gone(model: Model, fact: Gone) -> Model:
    run = model.run
    assert run is not None  # noqa: S101 - `apply` has compared the run's id
    cause = run.leaving.cause if run.leaving is not None else Cause.CRASHED
    end = _ending(run, cause, fact)
    rested = replace(
        model,
        phase=Phase.STOPPED,
        reason=Reason.NOT_WANTED,
        message="",
        run=None,
        last_exit=end or model.last_exit,
    )
    return _crashed(rested, run, fact) if cause in CRASHES else rested


def _crashed(model: Model, run: Run, fact: Gone) -> Model:
    # Until it left, not until its remains were gone: what is stuck for an hour was not ready for an hour.
    ended = run.leaving.since if run.leaving is not None else fact.now
    crash = backoff.Crash(fact.now, fact.jitter, ready_for(run, ended))
    state = backoff.after(crash, model.backoff, fact.policy)
    failed_start = model.last_exit if run.ready_at is None else model.failed_start
    counted = replace(model, backoff=state, failed_start=failed_start, ooms=_ooms(model, run))
    given_up = _starved(counted, run) or _given_up(counted, fact.policy)
    if given_up is None:
        return replace(counted, restarts=model.restarts + 1)
    return replace(counted, phase=Phase.FAILED, reason=given_up[0], message=given_up[1])


def _ooms(model: Model, run: Run) -> Ooms:
    if model.last_exit is None or model.last_exit.reason is not ExitReason.OOM_KILLED:
        return model.ooms
    before = model.ooms.count if model.ooms.fingerprint == run.fingerprint else 0
    return Ooms(run.fingerprint, before + 1)


def _starved(model: Model, run: Run) -> tuple[Reason, str] | None:
    """More memory did not help once: what would help is not for zoosup to know."""
    if (
        model.ooms.count < OOMS
        or model.last_exit is None
        or model.last_exit.reason is not ExitReason.OOM_KILLED
    ):
        return None
    had = describe_size(run.reserved.get("ram", 0))
    again = "until its part of the file or its weights change, or somebody starts it"
    return (
        Reason.OOM,
        f"killed for want of memory {model.ooms.count} times, at last with {had} of ram; {again}",
    )


def _given_up(model: Model, policy: Restart) -> tuple[Reason, str] | None:
    end = model.last_exit
    completed = end is not None and end.reason is ExitReason.COMPLETED
    if policy.policy == "never" or (policy.policy == "on-failure" and completed):
        what = _describe(end) if end is not None else "ended"
        return Reason.EXITED, f"{what}; restart.policy {policy.policy} does not bring it back"
    if backoff.exhausted(model.backoff, policy) and policy.limit is not None:
        limit = policy.limit
        return Reason.CRASH_LOOP, f"crashed {limit.count} times within {limit.within:g} s (restart.limit)"
    return None


def _ending(run: Run, cause: Cause, fact: Gone) -> Exit | None:
    """How the run ended, as a person means it: one that we ended for a fault is called after the fault.

    A crash has an ending even when nobody saw it: without one a failed start would never be noticed.
    """
    end = fact.exit or run.exit
    if end is None and cause in CRASHES:
        message = run.leaving.message if run.leaving is not None else "ended, nobody saw how"
        end = Exit(ExitReason.ERROR, run.started_at + fact.now - run.booked_at, message=message)
    if end is not None and cause is Cause.PRESSURE and run.leaving is not None:
        return replace(end, message=run.leaving.message)
    if end is None or cause not in _NAMED or run.leaving is None:
        return end
    return replace(end, reason=_NAMED[cause], message=run.leaving.message)


def _describe(end: Exit) -> str:
    if end.message:
        return end.message
    if end.signal is not None:
        return f"killed by {end.signal}"
    return f"exited with code {end.code}"


def _measured(model: Model, fact: Measured) -> Model:
    assert model.run is not None  # noqa: S101 - `apply` has compared the run's id
    run = model.run
    peak = {pool: max(n, run.peak.get(pool, 0)) for pool, n in fact.amounts.items()}
    mapped = run.mapped if fact.mapped is None else max(fact.mapped, run.mapped or 0)
    if run.nap is not None:
        return _measured_asleep(model, replace(run, measured=fact.amounts, mapped=mapped), run.nap)
    reserved, outgrown = _grown(run.reserved, fact.amounts)
    grown: dict[str, Any] = (
        {"reserved": reserved, "outgrown": outgrown | dict(run.outgrown)} if outgrown else {}
    )
    return _with_run(model, measured=fact.amounts, peak=dict(run.peak) | peak, mapped=mapped, **grown)


def _measured_asleep(model: Model, run: Run, nap: Nap) -> Model:
    """What it holds asleep, or on the way there and back, says nothing of what it needs: it is no peak."""
    if nap.stage is not Stage.ASLEEP or model.phase is not Phase.PARKED:
        return replace(model, run=replace(run, reserved=_grown(run.reserved, run.measured)[0]))
    return replace(model, run=replace(run, reserved=_asleep(run, nap)), asleep=dict(run.measured))


def _grown(booked: Mapping[str, int], held: Mapping[str, int]) -> tuple[Mapping[str, int], dict[str, int]]:
    """A booking raised to what is held, and what it was where that is more: what others count on is never a lie."""
    outgrown = {pool: n for pool, n in booked.items() if held.get(pool, 0) > n}
    return {pool: max(n, held.get(pool, 0)) for pool, n in booked.items()}, outgrown


def _rebooked(model: Model, fact: Rebooked) -> Model:
    assert model.run is not None  # noqa: S101 - `apply` has compared the run's id
    reserved, outgrown = _grown(fact.reserved, model.run.measured)
    return _with_run(model, reserved=reserved, outgrown=outgrown, source="declared")


def _held(model: Model, fact: Held) -> Model:
    return replace(model, phase=fact.phase, reason=fact.reason, message=fact.message)


def _inspected(model: Model, fact: Inspected) -> Model:
    return replace(model, preflight=fact.preflight, weights=fact.preflight.weights or model.weights)


def _forgiven(model: Model, _: Forgiven) -> Model:
    clean = replace(model, backoff=Backoff(), failed_start=None, preflight=None, ooms=Ooms(), asleep=None)
    if model.phase not in {Phase.FAILED, Phase.BACKOFF}:
        return clean
    return replace(clean, phase=Phase.STOPPED, reason=Reason.NOT_WANTED, message="")


def _overridden(model: Model, fact: Overridden) -> Model:
    return replace(model, override=fact.override)


_HANDLERS: dict[type, Callable[[Model, Any], Model]] = {
    Booked: _booked,
    Adopted: _adopted,
    Spawned: _spawned,
    ProbedReady: _probed_ready,
    ProbedUnready: _probed_unready,
    FoundSick: _found_sick,
    Recalled: _recalled,
    Exited: _exited,
    DrainBegun: _drain_begun,
    DrainEnded: _drain_ended,
    StopBegun: _stop_begun,
    Gone: _gone,
    Stuck: _stuck,
    Measured: _measured,
    Rebooked: _rebooked,
    ParkBegun: _park_begun,
    Parked: _parked,
    WakeBegun: _wake_begun,
    Woken: _woken,
    Held: _held,
    Inspected: _inspected,
    Forgiven: _forgiven,
    Overridden: _overridden,
}
