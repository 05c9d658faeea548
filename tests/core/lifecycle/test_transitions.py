"""The one place where a phase changes: which fact may come when, and what it leaves true."""

from dataclasses import replace

import pytest

from tests.core.zoo import (
    GIB,
    NOW,
    a_model,
    an_exit,
    by_hand,
    crashed,
    leaving,
    parked,
    parking,
    ready,
    resting,
    running,
    starting,
)
from zoosup.core.lifecycle.exits import CRASHES
from zoosup.core.lifecycle.transitions import STUCK_RETRY, IllegalTransitionError, apply
from zoosup.core.state import facts
from zoosup.core.state.facts import (
    Adopted,
    Booked,
    DrainBegun,
    DrainEnded,
    Exited,
    FellAsleep,
    Forgiven,
    FoundSick,
    Gone,
    Held,
    Inspected,
    LoadSeen,
    Measured,
    Overridden,
    ProbedReady,
    ProbedUnready,
    Rebooked,
    Recalled,
    SleepBegun,
    Spawned,
    StopBegun,
    Stuck,
    WakeBegun,
    Woken,
)
from zoosup.core.state.observed import Model
from zoosup.core.state.phases import LIVE_PHASES, SERVING_PHASES, Cause, ExitReason, Override, Phase, Reason
from zoosup.core.state.runs import Backoff, Leaving, Preflight, Run, Sleep, SleepStage
from zoosup.core.state.usage import Ooms
from zoosup.spec.model.process.lifetime import RestartLimitSpec, RestartSpec

ALWAYS = RestartSpec()
STATES = {
    Phase.STOPPED: resting(),
    Phase.PENDING: resting(Phase.PENDING, Reason.MEMORY),
    Phase.STARTING: starting(),
    Phase.READY: ready(),
    Phase.UNREADY: running(Phase.UNREADY),
    Phase.FALLING_ASLEEP: parking(),
    Phase.ASLEEP: parked(),
    Phase.DRAINING: leaving(Phase.DRAINING),
    Phase.STOPPING: leaving(),
    Phase.BACKOFF: crashed(2, NOW + 4),
    Phase.FAILED: resting(Phase.FAILED, Reason.CRASH_LOOP),
}
NAP = Sleep(SleepStage.FALLING, {"ram": 4 * GIB}, {"ram": GIB}, True, NOW)
OUT = Leaving(Cause.NOT_WANTED, "not in active", NOW)


def a(state) -> Model:
    return state("a", a_model("4GiB"))


def gone(exit_=None, policy=ALWAYS, now=NOW, run_id="a-1", jitter=0.0):
    return Gone(run_id, exit_, now, policy, jitter)


FACTS = [
    Booked(Run("a-2", "local", a_model(), 1, {}, NOW, 0.0)),
    Adopted(Run("a-2", "local", a_model(), 1, {}, NOW, 0.0)),
    Spawned("a-1", 7),
    ProbedReady("a-1", NOW),
    ProbedUnready("a-1", "503", NOW),
    FoundSick("a-1", "hangs"),
    Recalled("a-1"),
    Exited("a-1", an_exit(), NOW),
    DrainBegun("a-1", OUT),
    DrainEnded("a-1"),
    StopBegun("a-1", OUT),
    gone(an_exit()),
    Stuck("a-1", "pid 7", NOW),
    Measured("a-1", {"ram": GIB}),
    LoadSeen("a-1", NOW, GIB),
    Rebooked("a-1", {"ram": GIB}),
    SleepBegun("a-1", NAP, {"ram": 4 * GIB}, "makes room for b"),
    FellAsleep("a-1", NOW),
    WakeBegun("a-1", {"ram": 4 * GIB}, NOW),
    Woken("a-1", NOW),
    Held(Phase.PENDING, Reason.MEMORY, "short"),
    Inspected(Preflight(NOW)),
    Forgiven(),
    Overridden(Override.STOP),
]

BUGS = {
    (Booked, p) for p in LIVE_PHASES
} | {
    (Held, p) for p in LIVE_PHASES
} | {
    (Adopted, p) for p in Phase if p is not Phase.STOPPED
} | {
    (DrainBegun, Phase.STARTING), (DrainBegun, Phase.DRAINING), (DrainBegun, Phase.STOPPING),
    (Gone, Phase.READY), (Gone, Phase.UNREADY), (Gone, Phase.DRAINING),
} | {
    (DrainBegun, Phase.FALLING_ASLEEP), (DrainBegun, Phase.ASLEEP), (Gone, Phase.FALLING_ASLEEP), (Gone, Phase.ASLEEP),
} | {
    (SleepBegun, p) for p in LIVE_PHASES - {Phase.READY}
} | {
    (WakeBegun, p) for p in LIVE_PHASES - {Phase.ASLEEP}
}  # fmt: skip
"""What can only come of a mistake of ours: two runs at once, a run that is gone and serves, sleep out of turn."""


def test_every_fact_is_tried_in_every_phase():
    assert set(Phase) == set(STATES)
    defined = {c for c in vars(facts).values() if isinstance(c, type) and issubclass(c, facts.Fact)}
    assert defined - {facts.Fact, facts.RunFact} == {type(f) for f in FACTS}


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("fact", FACTS, ids=lambda f: type(f).__name__)
def test_a_fact_is_allowed_or_a_bug_and_what_it_leaves_is_consistent(fact, phase):
    before = a(STATES[phase])
    if (type(fact), phase) in BUGS:
        with pytest.raises(
            IllegalTransitionError, match=f"internal error: {type(fact).__name__} took a from"
        ):
            apply(before, fact)
        return
    after = apply(before, fact)
    assert (after.run is not None) == (after.phase in LIVE_PHASES), (
        "a run, and with it a reservation, iff live"
    )
    if after.phase in SERVING_PHASES:
        assert after.run.leaving is None
    if after.phase in {Phase.DRAINING, Phase.STOPPING}:
        assert after.run.leaving is not None


@pytest.mark.parametrize("phase", sorted(LIVE_PHASES))
@pytest.mark.parametrize("fact", [f for f in FACTS if hasattr(f, "run_id")], ids=lambda f: type(f).__name__)
def test_a_fact_about_another_run_changes_nothing(fact, phase):
    """Invariant 13: a late answer about run r never moves run r'."""
    before = a(STATES[phase])
    assert before is apply(before, replace(fact, run_id="a-0"))


@pytest.mark.parametrize("fact", [f for f in FACTS if hasattr(f, "run_id")], ids=lambda f: type(f).__name__)
def test_a_fact_about_a_run_that_is_gone_changes_nothing(fact):
    before = a(crashed(2, NOW + 4))
    assert before is apply(before, fact)


@pytest.mark.parametrize("phase", [Phase.DRAINING, Phase.STOPPING])
@pytest.mark.parametrize(
    "fact", [ProbedReady("a-1", NOW), ProbedUnready("a-1", "", NOW), FoundSick("a-1", "x"), Spawned("a-1", 7)]
)
def test_leaving_is_irrevocable(fact, phase):
    before = a(STATES[phase])
    after = apply(before, fact)
    assert (before.phase, before.run.leaving) == (after.phase, after.run.leaving)


def test_a_booking_leaves_a_reservation_before_there_is_a_process():
    run = Run("a-2", "local", a_model(), 1, {"ram": 4 * GIB}, NOW, 0.0)
    booked = apply(a(resting(Phase.PENDING, Reason.COOL_DOWN, "waits")), Booked(run))
    assert (Phase.STARTING, "", "", run) == (booked.phase, booked.reason, booked.message, booked.run)
    assert 7 == apply(booked, Spawned("a-2", 7)).run.pid


@pytest.mark.parametrize(
    ("run", "phase"),
    [
        ({"ready_at": None}, Phase.STARTING),
        ({"ready_at": NOW - 9}, Phase.UNREADY),
        ({"ready_at": NOW - 9, "leaving": OUT}, Phase.STOPPING),
        ({"ready_at": None, "leaving": OUT}, Phase.STOPPING),
    ],
)
def test_a_run_that_was_found_again_goes_on_from_where_it_was(run, phase):
    """One that was ready is asked anew; one that was leaving leaves."""
    found = replace(Run("a-2", "local", a_model(), 1, {"ram": 4 * GIB}, NOW, 0.0), **run)
    adopted = apply(a(resting()), Adopted(found))
    assert (phase, found) == (adopted.phase, adopted.run)


def test_readiness_is_dated_from_its_first_and_from_its_last_unbroken_beginning():
    model = apply(a(starting()), ProbedReady("a-1", NOW))
    model = apply(model, ProbedReady("a-1", NOW + 1))
    assert (Phase.READY, NOW, NOW) == (model.phase, model.run.ready_at, model.run.ready_since)
    model = apply(model, ProbedUnready("a-1", "503", NOW + 2))
    assert (Phase.UNREADY, NOW, None) == (model.phase, model.run.ready_at, model.run.ready_since)
    model = apply(model, ProbedReady("a-1", NOW + 3))
    assert (Phase.READY, NOW, NOW + 3) == (model.phase, model.run.ready_at, model.run.ready_since)


def test_a_load_took_from_its_booking_to_its_first_readiness():
    model = apply(a(starting(booked_at=NOW - 7)), ProbedReady("a-1", NOW))
    assert 7.0 == model.load_time
    assert 7.0 == apply(model, ProbedReady("a-1", NOW + 5)).load_time


def test_waking_is_no_load():
    slept = replace(a(parked()), load_time=7.0)
    model = apply(apply(slept, WakeBegun("a-1", {"ram": 4 * GIB}, NOW)), Woken("a-1", NOW))
    model = apply(model, ProbedReady("a-1", NOW + 1))
    assert (Phase.READY, 7.0, None, None) == (model.phase, model.load_time, model.last_load, model.run.sleep)


def test_readiness_lost_kills_nothing():
    model = apply(a(ready()), ProbedUnready("a-1", "GET /health: 503", NOW))
    assert (Phase.UNREADY, "GET /health: 503", None) == (model.phase, model.message, model.run.leaving)


def test_a_model_that_is_not_ready_yet_keeps_what_its_probe_saw():
    model = apply(a(starting()), ProbedUnready("a-1", "connection refused", NOW))
    assert (Phase.STARTING, "connection refused") == (model.phase, model.message)


def test_an_exit_that_nobody_asked_for_is_a_crash_whose_remains_are_still_to_be_cleared():
    model = apply(a(ready()), Exited("a-1", an_exit(3), NOW))
    assert Phase.STOPPING == model.phase
    assert Leaving(Cause.CRASHED, "exited with code 3", NOW) == model.run.leaving
    assert {"ram": 4 * GIB} == model.run.reserved


@pytest.mark.parametrize("phase", [Phase.DRAINING, Phase.STOPPING])
def test_an_exit_on_the_way_out_is_no_crash(phase):
    model = apply(a(STATES[phase]), Exited("a-1", an_exit(143), NOW))
    assert Cause.NOT_WANTED == model.run.leaving.cause
    rested = apply(model, gone())
    assert (Phase.STOPPED, Backoff(), 0, 143) == (
        rested.phase, rested.backoff, rested.restarts, rested.last_exit.code,
    )  # fmt: skip


def test_a_crash_counts_once_however_often_it_is_told():
    model = apply(a(ready()), Exited("a-1", an_exit(), NOW))
    model = apply(model, Exited("a-1", an_exit(), NOW + 1))
    model = apply(apply(model, gone(now=NOW + 2)), gone(now=NOW + 3))
    assert (Backoff(1, NOW + 2), 1) == (model.backoff, model.restarts)


def test_a_spawn_that_failed_is_gone_from_starting_and_counts_as_a_failed_start():
    end = an_exit(message="no such file", reason=ExitReason.NOT_EXECUTABLE)
    model = apply(a(starting()), gone(end))
    assert (Phase.STOPPED, None, end, end) == (model.phase, model.run, model.last_exit, model.failed_start)
    assert Backoff(1, NOW) == model.backoff


def test_a_crash_after_readiness_is_no_failed_start():
    model = apply(apply(a(ready()), Exited("a-1", an_exit(), NOW)), gone())
    assert model.failed_start is None


def test_readiness_takes_a_failed_start_back():
    model = replace(a(starting()), failed_start=an_exit())
    assert apply(model, ProbedReady("a-1", NOW)).failed_start is None


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (Cause.STARTUP_DEADLINE, ExitReason.STARTUP_DEADLINE),
        (Cause.LIVENESS_FAILED, ExitReason.LIVENESS_FAILED),
        (Cause.CRASHED, ExitReason.ERROR),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_a_run_that_was_ended_for_a_fault_is_called_after_the_fault(cause, reason, known):
    """Also when nobody can say how its process ended: a failed start without an exit would never be undone."""
    out = Leaving(cause, "the message", NOW)
    model = apply(a(starting(booked_at=NOW - 60, started_at=5000.0)), StopBegun("a-1", out))
    end = apply(model, gone(an_exit(143, "terminated") if known else None)).failed_start
    assert reason == end.reason
    assert end.message == ("terminated" if known and cause is Cause.CRASHED else "the message")
    assert end.at == (0.0 if known else 5060.0)


@pytest.mark.parametrize("cause", [c for c in Cause if c not in CRASHES])
def test_what_we_ask_to_leave_counts_for_nothing(cause):
    model = apply(apply(a(ready()), StopBegun("a-1", replace(OUT, cause=cause))), gone(an_exit(1)))
    assert (Phase.STOPPED, Backoff(), 0, None) == (
        model.phase, model.backoff, model.restarts, model.failed_start,
    )  # fmt: skip


def test_long_readiness_forgets_earlier_crashes_though_it_was_lost_before_the_end():
    model = replace(a(ready(ready_since=0.0)), backoff=Backoff(5, 0.0))
    model = apply(model, ProbedUnready("a-1", "503", 700.0))
    model = apply(apply(model, Exited("a-1", an_exit(), 705.0)), gone(now=705.0))
    assert Backoff(1, 705.0) == model.backoff


def test_the_time_that_remains_take_to_go_is_no_readiness():
    model = replace(a(ready(ready_since=0.0)), backoff=Backoff(1, 0.0))
    model = apply(apply(model, Exited("a-1", an_exit(), 100.0)), gone(now=5000.0))
    assert Backoff(2, 5002.0) == model.backoff


@pytest.mark.parametrize(
    ("policy", "code", "phase"),
    [
        ("always", 0, Phase.STOPPED),
        ("always", 1, Phase.STOPPED),
        ("on-failure", 0, Phase.FAILED),
        ("on-failure", 1, Phase.STOPPED),
        ("never", 0, Phase.FAILED),
        ("never", 1, Phase.FAILED),
    ],
)
def test_the_policy_says_which_exits_are_final(policy, code, phase):
    end = an_exit(code, reason=ExitReason.COMPLETED if code == 0 else ExitReason.ERROR)
    model = apply(apply(a(ready()), Exited("a-1", end, NOW)), gone(policy=RestartSpec(policy=policy)))
    assert phase == model.phase
    if phase is Phase.FAILED:
        assert (Reason.EXITED, 0) == (model.reason, model.restarts)
        assert f"exited with code {code}; restart.policy {policy} does not bring it back" == model.message


ON_DEMAND = a_model(on_demand=True, restart={"policy": "on-failure"})


@pytest.mark.parametrize("policy", ["on-failure", "never"])
def test_one_on_demand_that_has_served_and_ends_in_good_order_waits_for_the_next_request(policy):
    end = an_exit(0, reason=ExitReason.COMPLETED)
    served = replace(a(ready(spec=ON_DEMAND)), backoff=Backoff(1, 0.0))
    model = apply(apply(served, Exited("a-1", end, NOW)), gone(policy=RestartSpec(policy=policy)))
    assert (Phase.STOPPED, Override.UNLOAD, end) == (model.phase, model.override, model.last_exit)
    assert (0, served.backoff) == (model.restarts, served.backoff)


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (starting(spec=ON_DEMAND), 0),  # it never served: whoever asked would have it started again and again
        (by_hand(Override.START, ready(spec=ON_DEMAND)), 0),  # pinned: nobody has to ask for it
        (ready(spec=a_model()), 0),
    ],
)
def test_whoever_else_ends_in_good_order_is_not_brought_back(state, code):
    end = an_exit(code, reason=ExitReason.COMPLETED)
    model = apply(apply(a(state), Exited("a-1", end, NOW)), gone(policy=RestartSpec(policy="on-failure")))
    assert (Phase.FAILED, Reason.EXITED) == (model.phase, model.reason)


def test_a_crash_loop_beyond_the_limit_is_given_up():
    policy = RestartSpec(limit=RestartLimitSpec(count=2, within="60s"))
    model = replace(a(ready()), backoff=Backoff(1, 0.0, (NOW - 30,)))
    model = apply(apply(model, Exited("a-1", an_exit(), NOW)), gone(policy=policy))
    assert (Phase.FAILED, Reason.CRASH_LOOP) == (model.phase, model.reason)
    assert "crashed 2 times within 60 s (restart.limit)" == model.message


def test_what_sigkill_did_not_end_keeps_its_reservation_and_is_tried_again_later():
    model = apply(a(leaving()), Stuck("a-1", "pid 7 (D)", NOW))
    assert (Phase.STOPPING, "pid 7 (D)", False, NOW + STUCK_RETRY) == (
        model.phase, model.run.stuck, model.run.leaving.ladder, model.run.leaving.retry_at,
    )  # fmt: skip
    assert {"ram": 4 * GIB} == model.run.reserved


def test_a_drain_that_has_ended_is_noted():
    assert apply(a(leaving(Phase.DRAINING)), DrainEnded("a-1")).run.leaving.drained


def test_the_peak_is_the_highest_measurement_of_the_run():
    model = a(starting())
    for amount in (1, 3, 2):
        model = apply(model, Measured("a-1", {"ram": amount}))
    assert ({"ram": 2}, {"ram": 3}) == (model.run.measured, model.run.peak)


def test_a_booking_grows_with_what_is_measured_above_it_and_never_shrinks():
    model = a(starting())
    for amount in (3, 6, 5):
        model = apply(model, Measured("a-1", {"ram": amount * GIB, "vram:x": GIB}))
    assert ({"ram": 6 * GIB}, {"ram": 4 * GIB}) == (model.run.reserved, model.run.outgrown)


def test_a_declaration_below_what_is_held_books_what_is_held():
    model = apply(a(ready(holds=3 * GIB)), Rebooked("a-1", {"ram": 2 * GIB}))
    assert ({"ram": 3 * GIB}, {"ram": 2 * GIB}) == (model.run.reserved, model.run.outgrown)
    model = apply(model, Rebooked("a-1", {"ram": 5 * GIB}))
    assert ({"ram": 5 * GIB}, {}) == (model.run.reserved, model.run.outgrown)


def test_what_is_declared_anew_is_where_the_booking_is_from_and_a_pool_that_nobody_measured_is_as_declared():
    model = apply(a(ready(holds=GIB)), Rebooked("a-1", {"ram": 5 * GIB, "vram:x": 0}))
    assert ({"ram": 5 * GIB, "vram:x": 0}, {}, "declared") == (
        model.run.reserved, model.run.outgrown, model.run.source,
    )  # fmt: skip


def test_a_booking_stays_where_nothing_is_measured_and_a_peak_of_0_is_one():
    booked = {"ram": 4 * GIB, "vram:x": 0}
    model = apply(a(starting(reserved=booked)), Measured("a-1", {"ram": 0}, 0))
    model = apply(model, Measured("a-1", {"ram": 0}, 0))
    assert (booked, {}, {"ram": 0}, 0) == (
        model.run.reserved, model.run.outgrown, model.run.peak, model.run.mapped,
    )  # fmt: skip
    assert 1 == apply(model, Measured("a-1", {"ram": 0}, 1)).run.mapped


def test_the_most_that_was_mapped_is_kept_and_unknown_is_not_0():
    model = a(starting())
    for mapped in (None, 5, 3, None):
        model = apply(model, Measured("a-1", {"ram": 1}, mapped))
    assert 5 == model.run.mapped
    assert apply(a(starting()), Measured("a-1", {"ram": 1})).run.mapped is None


def oomed(model, fingerprint="f"):
    model = replace(model, phase=Phase.READY, run=replace(a(ready()).run, fingerprint=fingerprint))
    killed = an_exit(reason=ExitReason.OOM_KILLED)
    return apply(apply(model, Exited("a-1", killed, NOW)), gone(killed))


def test_the_second_oom_of_one_fingerprint_is_the_last():
    model = oomed(a(resting()))
    assert (Phase.STOPPED, Ooms("f", 1)) == (model.phase, model.ooms)
    model = oomed(model)
    assert (Phase.FAILED, Reason.OOM, Ooms("f", 2)) == (model.phase, model.reason, model.ooms)
    assert model.message.startswith("killed for want of memory 2 times, at last with 4 GiB of ram; until its")
    assert (Phase.STOPPED, Ooms("g", 1)) == ((other := oomed(model, "g")).phase, other.ooms)


def test_ooms_are_counted_over_other_crashes_and_forgiven_with_them():
    model = replace(oomed(a(resting())), phase=Phase.READY, run=replace(a(ready()).run, fingerprint="f"))
    model = apply(apply(model, Exited("a-1", an_exit(), NOW)), gone(an_exit()))
    assert (Phase.STOPPED, Ooms("f", 1)) == (model.phase, model.ooms)
    assert Ooms() == apply(oomed(model), Forgiven()).ooms


@pytest.mark.parametrize("phase", [Phase.FAILED, Phase.BACKOFF])
def test_forgiveness_forgets_failures_and_sends_back_to_the_start(phase):
    before = replace(a(STATES[phase]), failed_start=an_exit(), last_exit=an_exit(), restarts=3)
    after = apply(before, Forgiven())
    assert (Phase.STOPPED, Backoff(), None, None) == (
        after.phase, after.backoff, after.failed_start, after.preflight,
    )  # fmt: skip
    assert (an_exit(), 3) == (after.last_exit, after.restarts)


def test_forgiveness_leaves_a_run_alone():
    before = a(ready())
    assert (before.phase, before.run) == (apply(before, Forgiven()).phase, apply(before, Forgiven()).run)
