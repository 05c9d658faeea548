"""How a run ended, as a person means it, and what its model's crashes add up to: another start, or giving up.

Knows the facts of one run and what was counted before. When the next start may be is `backoff`'s arithmetic; which
phases are allowed stands in `lifecycle`.
"""

from dataclasses import replace

from zoosup.core.lifecycle import backoff
from zoosup.core.state.facts import Gone
from zoosup.core.state.observed import Model
from zoosup.core.state.phases import Cause, ExitReason, Override, Phase, Reason
from zoosup.core.state.runs import Exit, Run
from zoosup.core.state.usage import Ooms
from zoosup.spec.model.process.lifetime import RestartSpec
from zoosup.spec.syntax.units import describe_size

CRASHES = frozenset({Cause.CRASHED, Cause.STARTUP_DEADLINE, Cause.LIVENESS_FAILED})
"""The causes that nobody asked for: they count for back-off."""

OOMS = 2
"""Times that a run may be killed for want of memory before its model is given up."""

_NAMED = {
    Cause.STARTUP_DEADLINE: ExitReason.STARTUP_DEADLINE,
    Cause.LIVENESS_FAILED: ExitReason.LIVENESS_FAILED,
}
"""What a run that we ended for a fault is said to have died of, whatever the signal."""


def gone(model: Model, fact: Gone) -> Model:
    """Nothing of its run is left: it rests, or what its crash adds up to is counted."""
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
    if end is None or cause not in CRASHES:
        return rested
    if _has_served_its_time(model, run, end, fact.policy):
        return replace(rested, override=Override.UNLOAD)
    return _crashed(rested, run, end, fact)


def _has_served_its_time(model: Model, run: Run, end: Exit, policy: RestartSpec) -> bool:
    """Whether it has given its memory back by itself, in good order: whoever asks for it next has it started.

    As systemd does it for a service that a socket starts. One that was never ready would be started again and again.
    """
    by_itself = policy.policy != "always" and end.reason is ExitReason.COMPLETED and run.ready_at is not None
    return by_itself and run.spec.on_demand and model.override is None


def _crashed(model: Model, run: Run, end: Exit, fact: Gone) -> Model:
    # Until it left, not until its remains were gone: what is stuck for an hour was not ready for an hour.
    ended = run.leaving.since if run.leaving is not None else fact.now
    crash = backoff.Crash(fact.now, fact.jitter, run.ready_for(ended))
    state = backoff.after(crash, model.backoff, fact.policy)
    failed_start = end if run.ready_at is None else model.failed_start
    counted = replace(model, backoff=state, failed_start=failed_start)
    given_up = _given_up(counted, end, fact.policy)
    if end.reason is ExitReason.OOM_KILLED:
        counted = replace(counted, ooms=_ooms(model, run, healthy=crash.ready_for >= fact.policy.reset_after))
        given_up = _starved(counted.ooms, run) or given_up
    if given_up is None:
        return replace(counted, restarts=model.restarts + 1)
    return replace(counted, phase=Phase.FAILED, reason=given_up[0], message=given_up[1])


def _ooms(model: Model, run: Run, *, healthy: bool) -> Ooms:
    """Counted once more. After a healthy run it is the first again: what it was given after the last has sufficed."""
    before = model.ooms.count if model.ooms.fingerprint == run.fingerprint and not healthy else 0
    return Ooms(run.fingerprint, before + 1)


def _starved(ooms: Ooms, run: Run) -> tuple[Reason, str] | None:
    """More memory did not help once: what would help is not for zoosup to know."""
    if ooms.count < OOMS:
        return None
    had = describe_size(run.reserved.get("ram", 0))
    again = "until its part of the file or its weights change, or somebody starts it"
    return Reason.OOM, f"killed for want of memory {ooms.count} times, at last with {had} of ram; {again}"


def _given_up(model: Model, end: Exit, policy: RestartSpec) -> tuple[Reason, str] | None:
    completed = end.reason is ExitReason.COMPLETED
    if policy.policy == "never" or (policy.policy == "on-failure" and completed):
        return Reason.EXITED, f"{describe(end)}; restart.policy {policy.policy} does not bring it back"
    limit = policy.limit
    if limit is not None and backoff.exhausted(model.backoff, limit):
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


def describe(end: Exit) -> str:
    """Say in a few words how a run ended."""
    if end.message:
        return end.message
    if end.signal is not None:
        return f"killed by {end.signal}"
    return f"exited with code {end.code}"
