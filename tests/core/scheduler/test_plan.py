"""One pass, one sentence of the contract: starting, stopping, failing, and what is said about it."""

from dataclasses import replace

import pytest

from tests.core.zoo import (
    GIB,
    NOW,
    a_host,
    a_model,
    a_zoo,
    acts,
    amiss,
    an_exit,
    by_hand,
    condition,
    cooling_down,
    crashed,
    decide,
    in_words,
    leaving,
    on_demand,
    ready,
    resting,
    running,
    starting,
    stuck,
    switched,
    unseen,
    why,
)
from zoosup.core.scheduler import cycle, stop
from zoosup.core.scheduler.placement import place
from zoosup.core.scheduler.placement.place import MEMORY_POLL, OOM_LOOK, PREFLIGHT_FRESH
from zoosup.core.scheduler.plan import plan
from zoosup.core.state.actions import Drain, Hold, Start, Stop
from zoosup.core.state.phases import Cause, Override, Phase, Reason
from zoosup.core.state.runs import Leaving, Preflight
from zoosup.core.state.usage import Learned, Ooms
from zoosup.core.state.weights import FitQuestion, FitSilence, Fitted, WeightFacts

# starting


def test_a_wanted_model_that_fits_is_started_with_its_need_booked():
    spec = a_zoo({"a": "4GiB"}, ["a"])
    assert (Start("a", "local", {"ram": 4 * GIB}, "ram: needs 4 GiB, free 32 GiB", "declared"),) == decide(
        spec, a_host(spec)
    ).actions


def test_a_model_that_nobody_wants_is_left_alone():
    spec = a_zoo({"a": "4GiB"}, [])
    assert [] == acts(spec, a_host(spec))


def test_a_host_that_is_as_the_file_says_is_left_alone():
    spec = a_zoo({"a": "4GiB", "b": "4GiB"}, ["a"])
    plan = decide(spec, a_host(spec, a=ready()))
    assert ((), (), None) == (plan.actions, plan.conditions, plan.wake_at)


def test_nothing_is_started_before_its_files_and_port_were_looked_at():
    spec = a_zoo({"a": a_model(port=8000)}, ["a"])
    assert ["inspect a port 8000", "hold a pending Checking"] == acts(spec, a_host(spec, a=unseen()))


def test_nothing_is_started_on_the_word_of_an_old_look():
    spec = a_zoo({"a": "4GiB"}, ["a"])
    assert ["start a"] == acts(spec, a_host(spec, a=unseen(at=NOW - PREFLIGHT_FRESH + 0.01)))
    assert ["inspect a", "hold a pending Checking"] == acts(
        spec, a_host(spec, a=unseen(at=NOW - PREFLIGHT_FRESH))
    )


def test_nothing_is_stopped_on_the_word_of_an_old_look():
    spec = a_zoo({"a": "12GiB", "b": "12GiB"}, ["a", "b"])
    host = a_host(spec, a=unseen(at=NOW - 60), b=ready())
    assert ["inspect a", "hold a pending Checking"] == acts(spec, host)


@pytest.mark.parametrize("reason", [Reason.NOT_EXECUTABLE, Reason.FILE_MISSING])
def test_a_model_without_its_files_has_failed_and_is_looked_at_again(reason):
    spec = a_zoo({"a": "4GiB"}, ["a"])
    host = a_host(spec, a=amiss(reason, "no such file: /srv/a.gguf"))
    assert (
        (Hold("a", Phase.FAILED, reason, "no such file: /srv/a.gguf"),),
        NOW + PREFLIGHT_FRESH,
    ) == (decide(spec, host).actions, decide(spec, host).wake_at)
    later = a_host(spec, a=amiss(reason, "no such file: /srv/a.gguf", at=NOW - PREFLIGHT_FRESH))
    assert "inspect a" == acts(spec, later)[0]


def unheard(at=NOW, passing=True):
    """Its weights were looked at, and llama-fit-params has not answered; `passing`: yet."""
    silence = FitSilence(FitQuestion("llama-server", (), on_gpu=False), "", passing)
    return resting(preflight=Preflight(at, weights=WeightFacts((), Fitted(silence))))


def test_a_model_of_which_llama_cpp_has_yet_to_say_what_it_takes_is_looked_at_again():
    spec = a_zoo({"a": "40GiB"}, ["a"])
    refused = "hold a pending ExceedsBudget"
    fresh = a_host(spec, a=unheard())
    assert ([refused], NOW + PREFLIGHT_FRESH) == (acts(spec, fresh), decide(spec, fresh).wake_at)
    assert ["inspect a", refused] == acts(spec, a_host(spec, a=unheard(at=NOW - PREFLIGHT_FRESH)))
    assert [refused] == acts(spec, a_host(spec, a=unheard(at=NOW - PREFLIGHT_FRESH, passing=False)))


def test_an_answer_that_has_yet_to_come_keeps_no_model_that_fits():
    spec = a_zoo({"a": "4GiB"}, ["a"])
    assert ["start a"] == acts(spec, a_host(spec, a=unheard()))
    late = a_host(spec, a=unheard(at=NOW - PREFLIGHT_FRESH))
    assert ["inspect a", "hold a pending Checking"] == acts(spec, late)


def test_a_model_whose_files_have_come_is_started_from_failed():
    spec = a_zoo({"a": "4GiB"}, ["a"])
    assert ["start a"] == acts(spec, a_host(spec, a=resting(Phase.FAILED, Reason.FILE_MISSING)))


def test_a_model_whose_port_is_taken_waits_for_it():
    spec = a_zoo({"a": "4GiB"}, ["a"])
    host = a_host(spec, a=amiss(Reason.PORT, "port 8000 is held by nginx (pid 7)"))
    assert ["hold a pending PortInUse"] == acts(spec, host)
    assert "port 8000 is held by nginx (pid 7)" == why(spec, host, "a")


# stopping


def test_what_nobody_wants_any_longer_is_stopped():
    spec = a_zoo({"a": "4GiB"}, [])
    assert (Stop("a", "a-1", Cause.NOT_WANTED, "not in active"),) == decide(
        spec, a_host(spec, a=ready())
    ).actions


def test_what_the_file_no_longer_has_is_stopped():
    spec = a_zoo({}, [])
    assert (Stop("a", "a-1", Cause.NOT_WANTED, "taken out of the file"),) == decide(
        spec, a_host(spec, a=ready())
    ).actions


def test_what_is_to_be_asked_first_is_asked_first():
    spec = a_zoo({"a": a_model(stop={"before": {"http": "POST /drain"}})}, [])
    assert (Drain("a", "a-1", Cause.NOT_WANTED, "not in active"),) == decide(
        spec, a_host(spec, a=ready())
    ).actions


def test_what_has_sessions_to_save_is_asked_first():
    spec = a_zoo({"a": a_model(command="llama-server -m /w", sessions={"keep": True})}, [])
    assert ["drain a NotWanted"] == acts(spec, a_host(spec, a=ready()))


def test_what_still_loads_is_not_asked_first():
    spec = a_zoo({"a": a_model(stop={"before": {"http": "POST /drain"}})}, [])
    assert ["stop a NotWanted"] == acts(spec, a_host(spec, a=starting()))


def test_what_does_not_answer_is_not_asked_first():
    spec = a_zoo({"a": a_model(stop={"before": {"http": "POST /drain"}})}, ["a"])
    assert ["stop a LivenessFailed"] == acts(spec, a_host(spec, a=ready(sick="no answer for 90 s")))


def test_a_drain_goes_on_until_it_has_ended():
    spec = a_zoo({"a": "4GiB"}, [])
    host = a_host(spec, a=leaving(Phase.DRAINING))
    assert ([], NOW - 1 + 600) == (acts(spec, host), decide(spec, host).wake_at)
    assert ["stop a NotWanted"] == acts(spec, a_host(spec, a=leaving(Phase.DRAINING, drained=True)))


def test_a_drain_whose_end_is_never_told_is_bounded_by_its_time():
    spec = a_zoo({"a": a_model(stop={"drain": "1s", "grace": "30s"})}, [])
    assert ["stop a NotWanted"] == acts(spec, a_host(spec, a=leaving(Phase.DRAINING)))


@pytest.mark.parametrize("stop", [{"drain": "1s", "grace": "30s"}, {"drain": "30s", "grace": "1s"}])
def test_who_is_in_a_hurry_takes_the_shorter_of_drain_and_grace(stop):
    spec = a_zoo({"a": a_model(stop=stop)}, [])
    ends = a_host(spec, a=leaving(Phase.DRAINING), shutdown=True)
    assert ["stop a NotWanted"] == acts(spec, ends)
    short = a_host(spec, a=leaving(Phase.DRAINING, Cause.PRESSURE))
    assert ["stop a MemoryPressure"] == acts(spec, short)


def test_the_ladder_is_set_to_work_once():
    spec = a_zoo({"a": "4GiB"}, [])
    assert [] == acts(spec, a_host(spec, a=leaving()))
    assert ["stop a NotWanted"] == acts(spec, a_host(spec, a=leaving(ladder=False)))


def test_the_remains_of_a_crash_are_cleared_before_anything_else():
    spec = a_zoo({"a": "4GiB"}, ["a"])
    host = a_host(spec, a=leaving(cause=Cause.CRASHED, ladder=False))
    assert ["stop a Crashed"] == acts(spec, host)


def test_a_model_wanted_again_while_it_leaves_leaves_first():
    spec = a_zoo({"a": "4GiB"}, ["a"])
    assert [] == acts(spec, a_host(spec, a=leaving()))
    assert ["start a"] == acts(spec, a_host(spec, a=resting()))


def test_what_can_not_be_killed_is_told_and_tried_again_later():
    spec = a_zoo({"a": "4GiB"}, ["a"])
    host = a_host(spec, a=stuck(retry_at=NOW + 30))
    assert ([], NOW + 30) == (acts(spec, host), decide(spec, host).wake_at)
    assert "pid 7 (D)" == why(spec, host, "a", "TerminationStuck")
    assert ["stop a NotWanted"] == acts(spec, replace(host, now=NOW + 30))


def test_what_can_not_be_killed_keeps_its_memory_booked():
    spec = a_zoo({"a": "12GiB", "b": "12GiB"}, ["b"])
    host = a_host(spec, a=stuck(retry_at=NOW + 30), free="30GiB")
    assert ["hold b pending WaitingForEviction"] == acts(spec, host)


def test_what_a_crash_has_left_keeps_its_memory_booked():
    spec = a_zoo({"a": "12GiB", "b": "12GiB"}, ["b"])
    out = Leaving(Cause.CRASHED, "exited with code 1", NOW - 1, ladder=True)
    host = a_host(spec, a=running(Phase.STOPPING, leaving=out, exit=an_exit()), free="30GiB")
    assert ["hold b pending WaitingForEviction"] == acts(spec, host)


# deadlines, crashes and back-off


def test_a_model_that_does_not_become_ready_in_time_is_stopped():
    spec = a_zoo({"a": a_model(ready={"deadline": "60s"})}, ["a"])
    early = a_host(spec, a=starting(booked_at=NOW - 59))
    assert ([], NOW + 1) == (acts(spec, early), decide(spec, early).wake_at)
    late = a_host(spec, a=starting(booked_at=NOW - 60))
    assert "not ready within 60 s (ready.deadline)" == decide(spec, late).actions[0].message


def test_the_deadline_names_what_the_probe_last_saw():
    spec = a_zoo({"a": "4GiB"}, ["a"])
    late = starting(booked_at=0.0)
    host = a_host(spec, a=lambda n, s: replace(late(n, s), message="GET /health: 503"))
    assert (
        "not ready within 600 s (ready.deadline): GET /health: 503" == decide(spec, host).actions[0].message
    )


def test_a_model_that_was_ready_once_has_no_deadline():
    spec = a_zoo({"a": a_model(ready={"deadline": "60s"})}, ["a"])
    assert [] == acts(spec, a_host(spec, a=running(Phase.UNREADY)))


def test_nothing_is_started_before_its_back_off_is_over():
    spec = a_zoo({"a": "4GiB"}, ["a"])
    host = a_host(spec, a=crashed(2, NOW + 4, last_exit=an_exit(3, "exited with code 3")))
    assert NOW + 4 == decide(spec, host).wake_at
    assert "crashed 2 times in a row: exited with code 3" == why(spec, host, "a")
    assert ["start a"] == acts(spec, a_host(spec, a=crashed(2, NOW)))


def test_a_crash_loop_is_left_failed():
    spec = a_zoo({"a": "4GiB"}, ["a"])
    message = "crashed 3 times within 60 s (restart.limit)"
    host = a_host(spec, a=resting(Phase.FAILED, Reason.CRASH_LOOP, message))
    assert ([], None, message) == (acts(spec, host), decide(spec, host).wake_at, why(spec, host, "a"))


# an edited model


def test_an_edit_of_a_live_field_touches_no_process():
    old, new = a_model(), a_model(stop={"grace": "1s"}, restart={"initial": "9s"}, description="better")
    spec = a_zoo({"a": new}, ["a"])
    assert [] == acts(spec, a_host(spec, a=ready(spec=old)))


def test_an_edit_of_the_command_replaces_the_process():
    spec = a_zoo({"a": a_model(command=["serve", "-c", "4096"])}, ["a"])
    host = a_host(spec, a=ready(spec=a_model()))
    assert (Stop("a", "a-1", Cause.SPEC_CHANGED, "command changed in the file"),) == decide(
        spec, host
    ).actions


def test_all_that_has_changed_is_named():
    spec = a_zoo({"a": a_model(env={"X": "1"}, port=8000)}, ["a"])
    host = a_host(spec, a=ready(spec=a_model()))
    assert "env, port changed in the file" == decide(spec, host).actions[0].message


def edited(ram="4GiB", **fields):
    return a_model(ram, command=["serve", "better"], **fields)


def test_an_edited_model_that_would_never_fit_serves_on_as_it_was():
    spec = a_zoo({"a": edited("40GiB")}, ["a"])
    host = a_host(spec, a=ready(spec=a_model("4GiB")))
    assert [] == acts(spec, host)
    assert "ram is short of 20 GiB: needs 40 GiB, budget 20 GiB" == why(spec, host, "a", "Current")


def test_an_edited_model_serves_on_while_strangers_hold_what_it_would_need():
    spec = a_zoo({"a": edited("16GiB")}, ["a"])
    host = a_host(spec, a=ready(spec=a_model("4GiB")), foreign="20GiB")
    assert ([], NOW + MEMORY_POLL) == (acts(spec, host), decide(spec, host).wake_at)
    assert "WaitingForMemory" == condition(spec, host, "a", "Current").reason


def test_an_edited_model_serves_on_while_its_new_executable_is_missing():
    spec = a_zoo({"a": edited()}, ["a"])
    model = ready(spec=a_model())
    seen = amiss(Reason.NOT_EXECUTABLE, "no such file: better")(..., ...).preflight
    host = a_host(spec, a=lambda n, s: replace(model(n, s), preflight=seen))
    assert [] == acts(spec, host)
    assert "no such file: better" == why(spec, host, "a", "Current")


def test_an_edited_model_whose_new_files_are_missing_is_looked_at_again():
    spec = a_zoo({"a": edited()}, ["a"])
    seen = Preflight(NOW - PREFLIGHT_FRESH, Reason.FILE_MISSING, "m.gguf is missing")
    model = ready(spec=a_model())
    host = a_host(spec, a=lambda n, s: replace(model(n, s), preflight=seen))
    assert ["inspect a"] == acts(spec, host)


@pytest.mark.parametrize("seen", [None, NOW - 60])
def test_an_edited_model_is_not_stopped_before_its_new_files_were_looked_at(seen):
    spec = a_zoo({"a": edited()}, ["a"])
    model, look = ready(spec=a_model()), unseen(seen)(..., ...).preflight
    host = a_host(spec, a=lambda n, s: replace(model(n, s), preflight=look))
    assert ["inspect a"] == acts(spec, host)


def test_an_edited_model_serves_on_while_its_new_port_is_in_use_by_a_model_that_stays():
    spec = a_zoo({"b": a_model("4GiB", port=8000), "a": a_model("4GiB", port=8000)}, ["b", "a"])
    host = a_host(spec, b=ready(), a=ready(spec=a_model(port=9000)))
    assert [] == acts(spec, host)
    assert "port 8000 is used by b, which stays" == why(spec, host, "a", "Current")


def test_an_edited_model_that_has_grown_takes_the_room_of_a_later_one():
    spec = a_zoo({"a": edited("16GiB"), "b": "12GiB"}, ["a", "b"])
    host = a_host(spec, a=ready(spec=a_model("4GiB")), b=ready())
    assert ["stop a SpecChanged"] == acts(spec, host)


def test_an_edited_model_that_has_grown_does_not_take_the_room_of_an_earlier_one():
    spec = a_zoo({"b": "12GiB", "a": edited("16GiB")}, ["b", "a"])
    assert [] == acts(spec, a_host(spec, a=ready(spec=a_model("4GiB")), b=ready()))


@pytest.mark.parametrize("look", [None, NOW - 60])
def test_nobody_is_started_on_the_room_that_an_edited_model_will_need_once_it_has_been_looked_at(look):
    spec = a_zoo({"a": edited("16GiB"), "b": "12GiB", "c": "2GiB"}, ["a", "b", "c"])
    model, seen = ready(spec=a_model("4GiB")), unseen(look)(..., ...).preflight
    host = a_host(spec, a=lambda n, s: replace(model(n, s), preflight=seen))
    assert ["inspect a", "hold b pending WaitingForTurn", "hold c pending WaitingForTurn"] == acts(spec, host)
    assert "waits until what the file now says of a has been looked at" == why(spec, host, "b")


def test_nobody_leaves_for_the_room_that_an_edited_model_may_need():
    spec = a_zoo({"a": edited("12GiB"), "b": "6GiB", "c": on_demand("8GiB")}, ["a", "b"])
    model = ready(spec=a_model("4GiB"))
    host = a_host(spec, a=lambda n, s: replace(model(n, s), preflight=None), c=ready())
    assert ["inspect a", "hold b pending WaitingForTurn"] == acts(spec, host)


def test_an_edited_model_that_will_need_less_has_no_more_promised_while_it_is_looked_at():
    spec = a_zoo({"a": edited("4GiB"), "b": "8GiB", "c": "8GiB"}, ["a", "b", "c"])
    model = ready(spec=a_model("12GiB"))
    host = a_host(spec, a=lambda n, s: replace(model(n, s), preflight=None))
    assert ["inspect a", "start b"] == acts(spec, host)[:2]


# by hand


def test_a_person_may_start_what_the_file_does_not_want():
    spec = a_zoo({"a": "4GiB", "b": "4GiB"}, ["b"])
    host = a_host(spec, a=by_hand(Override.START), b=ready())
    assert ["start a"] == acts(spec, host)
    assert ("b", "a") == decide(spec, host).wanted


def test_what_a_person_started_yields_to_what_the_file_wants():
    spec = a_zoo({"a": "12GiB", "b": "12GiB"}, ["b"])
    assert "stop a MadeRoom" in acts(spec, a_host(spec, a=by_hand(Override.START, ready())))


def test_a_person_may_stop_what_the_file_wants():
    spec = a_zoo({"a": "4GiB"}, ["a"])
    assert ["stop a StoppedByHand"] == acts(spec, a_host(spec, a=by_hand(Override.STOP, ready())))
    assert ["hold a stopped StoppedByHand"] == acts(spec, a_host(spec, a=by_hand(Override.STOP)))


def test_wanted_stopped_wins_over_back_off():
    """Invariant 12: what was crashing when it was stopped by hand does not come back when its back-off ends."""
    spec = a_zoo({"a": "4GiB"}, ["a"])
    host = a_host(spec, a=by_hand(Override.STOP, crashed(2, NOW - 1)))
    assert ["hold a stopped StoppedByHand"] == acts(spec, host)


@pytest.mark.parametrize("cause", [Cause.RESTARTED_BY_HAND, Cause.SPEC_CHANGED])
def test_a_run_that_is_recalled_ends_for_that_cause_and_starts_afresh(cause):
    spec = a_zoo({"a": "4GiB"}, ["a"])
    assert [f"stop a {cause}"] == acts(spec, a_host(spec, a=ready(recalled=(cause, "why"))))


# the end


def test_when_zoosup_ends_every_model_leaves_and_none_comes():
    before = {"stop": {"before": {"http": "POST /drain"}}}
    spec = a_zoo({"a": a_model(**before), "b": "4GiB", "c": "4GiB", "d": "4GiB", "e": "4GiB"}, list("abcd"))
    host = a_host(spec, shutdown=True, a=ready(), b=starting(), c=leaving(), d=crashed(2, NOW + 4), e=ready())
    assert [
        "drain a Shutdown", "stop b Shutdown", "stop e Shutdown", "hold d stopped Shutdown",
    ] == acts(spec, host)  # fmt: skip


def test_when_zoosup_ends_cool_downs_and_switches_do_not_matter():
    spec = a_zoo({"a": "4GiB", "b": "4GiB"}, ["b"])
    host = a_host(spec, shutdown=True, a=ready(), cooling=[cooling_down()], switch=switched("a", "b"))
    assert ["stop a Shutdown", "hold b stopped Shutdown"] == acts(spec, host)


# estimates


def starved(looked_at=NOW, now_is="f"):
    return lambda name, spec: replace(
        resting(Phase.FAILED, Reason.OOM, "killed twice", preflight=Preflight(looked_at))(name, spec),
        ooms=Ooms("f", 2),
        learned=Learned(now_is),
    )


def test_what_was_killed_twice_for_want_of_memory_waits_for_other_weights():
    spec = a_zoo({"a": "4GiB"}, ["a"])
    assert [] == acts(spec, a_host(spec, a=starved()))
    assert NOW + OOM_LOOK == decide(spec, a_host(spec, a=starved())).wake_at
    assert ["inspect a"] == acts(spec, a_host(spec, a=starved(looked_at=NOW - OOM_LOOK)))
    assert "killed twice" == why(spec, a_host(spec, a=starved()), "a")
    assert ["start a"] == acts(spec, a_host(spec, a=starved(now_is="other")))


def test_before_a_look_at_its_weights_nobody_says_that_they_are_others():
    spec = a_zoo({"a": "4GiB"}, ["a"])
    unseen_yet = starved(now_is="not seen yet")
    host = a_host(spec, a=lambda name, model: replace(unseen_yet(name, model), preflight=None))
    assert ["inspect a"] == acts(spec, host)


def test_a_model_that_has_outgrown_its_estimate_says_so_and_stays():
    spec = a_zoo({"a": "4GiB"}, ["a"])
    grown = {"outgrown": {"ram": 4 * GIB}, "peak": {"ram": 6 * GIB}, "source": "declared"}
    host = a_host(spec, a=ready(holds="6GiB", **grown))
    assert [] == acts(spec, host)
    said = "ram: has held 6 GiB, booked were 4 GiB (declared)"
    assert said == why(spec, host, "a", "WithinEstimate")
    out = Leaving(Cause.NOT_WANTED, "", NOW, ladder=True)
    gone = a_host(spec, a=running(Phase.STOPPING, leaving=out, **grown))
    assert condition(spec, gone, "a", "WithinEstimate") is None


def test_what_a_model_was_seen_to_hold_above_its_word_is_nobody_elses_though_it_holds_less_now():
    """It may hold it again at any time: what it declares has proved too small."""
    spec = a_zoo({"a": "4GiB", "b": "6GiB"}, ["a", "b"], budget="10GiB")
    grown = {"outgrown": {"ram": 4 * GIB}, "peak": {"ram": 6 * GIB}, "reserved": {"ram": 6 * GIB}}
    assert ["hold b pending ExceedsBudget"] == acts(spec, a_host(spec, a=ready(holds="3GiB", **grown)))
    assert ["start b"] == acts(spec, a_host(spec, a=ready(holds="3GiB", reserved={"ram": 4 * GIB})))


def test_what_a_model_holds_above_its_estimate_is_nobody_elses():
    spec = a_zoo({"a": "4GiB", "b": "4GiB"}, ["a", "b"], budget="9GiB")
    assert ["start b"] == acts(spec, a_host(spec, a=ready(holds="4GiB")))
    assert ["hold b pending ExceedsBudget"] == acts(spec, a_host(spec, a=ready(holds="6GiB")))


# bugs of ours


def fails_for(monkeypatch, name, module, function):
    """From here on, `function` raises for one model."""
    real = getattr(module, function)

    def failing(*args, **kw):
        if any(getattr(each, "name", each) == name for each in args):
            raise ZeroDivisionError("oops")
        return real(*args, **kw)

    monkeypatch.setattr(module, function, failing)


def test_a_bug_that_meets_one_model_keeps_no_other_from_starting(monkeypatch):
    fails_for(monkeypatch, "a", place, "best_placement")
    spec = a_zoo({"a": "4GiB", "b": "4GiB"}, ["a", "b"])
    decided = plan(spec, a_host(spec))
    assert ["hold a pending InternalError", "start b"] == [in_words(each) for each in decided.actions]
    said = [c.message for c in decided.conditions if (c.model, c.type) == ("a", "InternalError")]
    assert ["internal error: ZeroDivisionError: oops"] == said
    assert ["a"] == list(decided.faults)


def test_a_bug_that_meets_a_running_model_leaves_it_running_and_counted(monkeypatch):
    fails_for(monkeypatch, "a", place, "renewal")
    fails_for(monkeypatch, "a", cycle, "need_of")
    spec = a_zoo({"a": edited("4GiB"), "b": "4GiB"}, ["a", "b"], budget="7GiB")
    old = a_model("4GiB")
    decided = plan(spec, a_host(spec, a=ready(spec=old)))
    assert ["hold b pending ExceedsBudget"] == [in_words(each) for each in decided.actions]
    assert ["a"] == list(decided.faults)


def test_nobody_has_left_for_one_that_a_bug_met(monkeypatch):
    """What its step had decided before is undone, or a model that serves would end for nothing."""
    monkeypatch.setattr(place, "_wait", lambda *_, **__: 1 // 0)
    spec = a_zoo({"a": "12GiB", "b": on_demand("12GiB")}, ["a", "b"])
    decided = plan(spec, a_host(spec, b=ready()))
    assert ["hold a pending InternalError"] == [in_words(each) for each in decided.actions]


def test_a_bug_that_meets_one_on_its_way_out_holds_up_nobody_else(monkeypatch):
    fails_for(monkeypatch, "a", stop, "_ladder_due")
    spec = a_zoo({"a": "4GiB", "b": "4GiB"})
    decided = plan(spec, a_host(spec, a=leaving(Phase.DRAINING), b=ready()))
    assert ["stop b NotWanted"] == [in_words(each) for each in decided.actions]


def test_memory_booked_in_a_pool_that_is_gone_is_said():
    spec = a_zoo({"a": a_model("auto")}, ["a"])
    host = a_host(spec, a=ready(reserved={"ram": 4 * GIB, "vram:GPU-0": GIB}))
    said = "booked, and in no sum, as it is not there at present: 1 GiB in vram:GPU-0"
    assert said == why(spec, host, "a", "MemoryCounted")
