"""DESIGN §4.2: who comes and who goes when `active` changes, and when that is done or undone."""

from dataclasses import replace

import pytest

from tests.core.zoo import (
    a_host,
    a_zoo,
    acts,
    amiss,
    an_exit,
    by_hand,
    condition,
    crashed,
    decide,
    leaving,
    ready,
    resting,
    running,
    starting,
    switched,
    why,
)
from zoosup.core.status import Override, Phase, Reason, SwitchOutcome
from zoosup.core.switch import Change, begin, effective, judge

ZOO = {"a": "4GiB", "b": "4GiB", "c": "4GiB"}
FAILED = an_exit(1, "no such tensor")
DONE, OPEN, ROLLED_BACK = SwitchOutcome.DONE, SwitchOutcome.OPEN, SwitchOutcome.ROLLED_BACK


def begun(before, after, last=None, **states):
    models = a_host(a_zoo(ZOO), **states).models
    switch = begin(Change(2, tuple(before), tuple(after)), last, models)
    return None if switch is None else (switch.outgoing, switch.incoming)


# who comes and who goes


def test_a_new_name_in_place_of_one_that_serves_begins_a_switch():
    assert (("a",), ("b",)) == begun("a", "b", a=ready())


def test_one_that_lost_its_readiness_still_serves():
    assert (("a",), ("b",)) == begun("a", "b", a=running(Phase.UNREADY))


@pytest.mark.parametrize("state", [resting(), starting(), leaving(), crashed(2, 2000.0)])
def test_nobody_is_kept_who_does_not_serve(state):
    assert begun("a", "b", a=state) is None


def test_one_more_name_is_no_switch():
    assert begun("a", "ab", a=ready()) is None


def test_one_name_less_is_no_switch():
    assert begun("ab", "a", a=ready(), b=ready()) is None


def test_another_order_of_the_same_names_is_no_switch():
    assert begun("ab", "ba", a=ready(), b=ready()) is None


def test_who_stands_before_and_after_is_not_part_of_it():
    assert (("b",), ("c",)) == begun("ab", "ac", a=ready(), b=ready())


def test_an_edit_of_something_else_lets_a_switch_go_on():
    last = switched("a", "b")
    models = a_host(a_zoo(ZOO), a=ready(), b=starting()).models
    assert last is begin(Change(3, ("b",), ("b",)), last, models)


def test_a_switch_that_is_overtaken_hands_on_who_can_be_brought_back():
    """A had to leave for B already; now C is wanted: should C fail, A comes back, not B, which never served."""
    assert (("a",), ("c",)) == begun("b", "c", switched("a", "b"), a=leaving(), b=starting())


def test_going_back_while_the_switch_is_open_is_no_new_switch():
    assert begun("b", "a", switched("a", "b"), a=leaving(), b=starting()) is None


def test_any_edit_tries_a_rolled_back_switch_again():
    last = switched("a", "b", outcome=ROLLED_BACK)
    assert (("a",), ("b",)) == begun("b", "b", last, a=ready())


def test_an_edit_while_the_old_model_is_still_coming_back_does_not_forget_it():
    last = switched("a", "b", outcome=ROLLED_BACK)
    assert (("a",), ("b",)) == begun("b", "b", last, a=starting())


def test_an_edit_that_agrees_with_the_rollback_ends_the_matter():
    assert begun("b", "a", switched("a", "b", outcome=ROLLED_BACK), a=ready()) is None


def test_a_switch_that_is_done_has_nothing_to_hand_on():
    assert (("b",), ("c",)) == begun("b", "c", switched("a", "b", outcome=DONE), b=ready())


def test_who_is_neither_in_the_file_nor_alive_can_not_be_brought_back():
    assert begun("b", "c", switched("x", "b"), b=starting()) is None


# who is wanted


def test_while_a_switch_is_open_the_file_says_who_is_wanted():
    assert ("b", "c") == effective(("b", "c"), switched("a", "b"))


def test_a_switch_rolled_back_puts_the_old_where_the_new_stands():
    """Not in front: coming back must not make it more important than it was."""
    assert ("c", "a") == effective(("c", "b"), switched("a", "b", outcome=ROLLED_BACK))


def test_several_that_are_brought_back_stand_where_the_first_of_the_new_stood():
    undone = switched("a b", "x y", outcome=ROLLED_BACK)
    assert ("p", "a", "b", "q") == effective(("p", "x", "q", "y"), undone)


# how it ends


def judged(switch, rollback=True, settling=False, **states):
    from zoosup.core.switch import Progress  # noqa: PLC0415

    models = a_host(a_zoo(ZOO), **states).models
    return judge(switch, models, Progress(rollback, settling))


MEMORY = resting(Phase.PENDING, Reason.MEMORY, "ram is short of 1 GiB")
TOO_BIG = resting(Phase.PENDING, Reason.EXCEEDS_BUDGET, "ram is short of 1 GiB")


def test_a_switch_is_done_when_the_new_model_is_ready():
    done = judged(switched("a", "b"), a=ready(), b=ready())
    assert (DONE, "b took over from a") == (done.outcome, done.message)


@pytest.mark.parametrize("state", [starting(), running(Phase.UNREADY), resting(), MEMORY, TOO_BIG])
def test_a_switch_is_open_while_the_old_model_serves_and_the_new_one_has_not_been_tried(state):
    assert OPEN == judged(switched("a", "b"), a=ready(), b=state).outcome


def test_with_several_new_ones_all_have_to_be_ready():
    assert OPEN == judged(switched("a", "b c"), a=ready(), b=ready(), c=starting()).outcome
    assert DONE == judged(switched("a", "b c"), a=ready(), b=ready(), c=ready()).outcome


def test_with_several_new_ones_those_that_can_not_run_are_not_waited_for():
    done = judged(switched("a", "b c"), a=ready(), b=ready(), c=TOO_BIG)
    assert (DONE, "b took over from a") == (done.outcome, done.message)


@pytest.mark.parametrize("old", [ready(), leaving(), resting()])
def test_a_failed_start_rolls_back_whether_or_not_the_old_model_still_serves(old):
    back = judged(switched("a", "b"), a=old, b=crashed(1, 0.0, failed_start=FAILED))
    assert (ROLLED_BACK, "b: no such tensor. Back to a until the file changes") == (
        back.outcome,
        back.message,
    )


def test_a_new_model_that_was_robbed_of_the_room_made_for_it_rolls_back():
    assert ROLLED_BACK == judged(switched("a", "b"), b=MEMORY).outcome


def test_a_new_model_that_was_robbed_of_its_port_rolls_back():
    taken = resting(Phase.PENDING, Reason.PORT, "port 8000 is held by nginx (pid 7)")
    assert ROLLED_BACK == judged(switched("a", "b"), b=taken).outcome


def test_it_is_not_robbed_while_memory_is_still_coming_back():
    assert OPEN == judged(switched("a", "b"), settling=True, b=MEMORY).outcome


def test_it_is_not_robbed_while_the_old_model_serves():
    assert OPEN == judged(switched("a", "b"), a=ready(), b=MEMORY).outcome


def test_a_budget_lowered_in_the_middle_rolls_back():
    assert ROLLED_BACK == judged(switched("a", "b"), b=TOO_BIG).outcome


def test_without_rollback_it_goes_on_being_tried():
    assert (
        OPEN == judged(switched("a", "b"), rollback=False, b=crashed(3, 2000.0, failed_start=FAILED)).outcome
    )


def test_a_start_that_failed_before_the_switch_says_nothing_about_it():
    """B failed yesterday when nobody served; today it is asked for again and has to be given its chance."""
    b = crashed(3, 2000.0, failed_start=FAILED)
    models = a_host(a_zoo(ZOO), a=ready(), b=b).models
    switch = begin(Change(2, ("a",), ("b",)), None, models)
    assert OPEN == judged(switch, a=ready(), b=b).outcome
    again = crashed(4, 2000.0, failed_start=replace(FAILED, at=9.0))
    assert ROLLED_BACK == judged(switch, a=ready(), b=again).outcome


@pytest.mark.parametrize("outcome", [DONE, ROLLED_BACK])
def test_what_is_over_is_not_judged_again(outcome):
    over = switched("a", "b", outcome=outcome)
    assert over is judged(over, b=crashed(1, 0.0, failed_start=FAILED))


# what a pass makes of it: the four ways of §4.2


def test_1_what_can_never_fit_costs_the_old_model_nothing():
    spec = a_zoo({"a": "4GiB", "b": "40GiB"}, ["b"])
    host = a_host(spec, a=ready(), b=resting(), switch=switched("a", "b"))
    assert ["hold b pending ExceedsBudget"] == acts(spec, host)
    assert "ram is short of 20 GiB: needs 40 GiB, budget 20 GiB" == why(spec, host, "b")


def test_2_what_fits_beside_the_old_model_is_started_first():
    spec = a_zoo({"a": "4GiB", "b": "4GiB"}, ["b"])
    assert ["start b"] == acts(spec, a_host(spec, a=ready(), switch=switched("a", "b")))


def test_2_the_old_model_serves_until_the_new_one_is_ready():
    spec = a_zoo({"a": "4GiB", "b": "4GiB"}, ["b"])
    assert [] == acts(spec, a_host(spec, a=ready(), b=starting(), switch=switched("a", "b")))


def test_2_then_the_old_model_is_stopped():
    spec = a_zoo({"a": "4GiB", "b": "4GiB"}, ["b"])
    host = a_host(spec, a=ready(), b=ready(), switch=switched("a", "b"))
    assert ["stop a NotWanted"] == acts(spec, host)
    assert "b took over" == decide(spec, host).actions[0].message
    assert condition(spec, host, None, "Switched").status


def test_3_what_fits_only_without_the_old_model_waits_for_it_to_leave():
    spec = a_zoo({"a": "12GiB", "b": "12GiB"}, ["b"])
    host = a_host(spec, a=ready(), switch=switched("a", "b"))
    assert ["stop a MadeRoom", "hold b pending WaitingForEviction"] == acts(spec, host)
    assert "waits for a to leave" == why(spec, host, "b")


def test_3_only_the_memory_that_the_old_model_was_seen_to_hold_is_counted_on():
    spec = a_zoo({"a": "12GiB", "b": "12GiB"}, ["b"])
    host = a_host(spec, a=ready(holds="2GiB"), free="8GiB", switch=switched("a", "b"))
    assert ["hold b pending WaitingForMemory"] == acts(spec, host)


def test_4_a_new_model_that_can_not_become_ready_gives_way_to_the_old_one():
    spec = a_zoo({"a": "12GiB", "b": "12GiB"}, ["b"])
    host = a_host(spec, b=crashed(1, 0.0, failed_start=FAILED), switch=switched("a", "b"))
    assert ["start a", "hold b failed RolledBack"] == acts(spec, host)
    told = condition(spec, host, None, "Switched")
    assert (False, "RolledBack", "b: no such tensor. Back to a until the file changes") == (
        told.status, told.reason, told.message,
    )  # fmt: skip


def test_4_the_old_model_stays_in_force_until_the_file_changes():
    spec = a_zoo({"a": "4GiB", "b": "4GiB"}, ["b"])
    message = "b: no such tensor. Back to a until the file changes"
    undone = switched("a", "b", outcome=ROLLED_BACK, message=message)
    host = a_host(spec, a=ready(), b=resting(Phase.FAILED, Reason.ROLLED_BACK, message), switch=undone)
    assert ([], ("a",)) == (acts(spec, host), decide(spec, host).wanted)


def test_rollback_false_leaves_the_field_to_the_new_model():
    spec = a_zoo({"a": "12GiB", "b": "12GiB"}, ["b"], rollback=False)
    host = a_host(spec, b=crashed(2, 1002.0, failed_start=FAILED), switch=switched("a", "b"))
    assert ("b",) == decide(spec, host).wanted


def test_rollback_false_keeps_an_old_model_that_still_serves():
    spec = a_zoo({"a": "4GiB", "b": "4GiB"}, ["b"], rollback=False)
    b = crashed(2, 1002.0, failed_start=FAILED)
    assert not [x for x in acts(spec, a_host(spec, a=ready(), b=b, switch=switched("a", "b"))) if "stop" in x]


# strategies


def test_replace_stops_the_old_model_first_though_both_fit():
    spec = a_zoo({"a": "4GiB", "b": "4GiB"}, ["b"], strategy="replace")
    host = a_host(spec, a=ready(), switch=switched("a", "b"))
    assert ["stop a MadeRoom", "hold b pending WaitingForEviction"] == acts(spec, host)


def test_replace_waits_until_the_old_model_is_gone():
    spec = a_zoo({"a": "4GiB", "b": "4GiB"}, ["b"], strategy="replace")
    host = a_host(spec, a=leaving(), switch=switched("a", "b"))
    assert ["hold b pending WaitingForEviction"] == acts(spec, host)


def test_replace_stops_nothing_for_what_can_not_fit():
    spec = a_zoo({"a": "4GiB", "b": "40GiB"}, ["b"], strategy="replace")
    assert ["hold b pending ExceedsBudget"] == acts(spec, a_host(spec, a=ready(), switch=switched("a", "b")))


def test_replace_stops_nothing_while_strangers_hold_the_memory():
    spec = a_zoo({"a": "4GiB", "b": "12GiB"}, ["b"], strategy="replace")
    host = a_host(spec, a=ready(), foreign="20GiB", switch=switched("a", "b"))
    assert ["hold b pending WaitingForMemory"] == acts(spec, host)


def test_overlap_never_stops_the_old_model_first():
    spec = a_zoo({"a": "8GiB", "b": "8GiB"}, ["b"], strategy="overlap")
    host = a_host(spec, a=ready(), foreign="16GiB", switch=switched("a", "b"))
    assert ["hold b pending WaitingForMemory"] == acts(spec, host)


def test_overlap_that_can_never_be_is_refused_at_once():
    """The sum says that the old model counts, since it has to serve until the new one does."""
    spec = a_zoo({"a": "12GiB", "b": "12GiB"}, ["b"], strategy="overlap")
    host = a_host(spec, a=ready(), switch=switched("a", "b"))
    assert ["hold b pending ExceedsBudget"] == acts(spec, host)
    assert "ram is short of 4 GiB: needs 12 GiB, budget 20 GiB less a 12 GiB" == why(spec, host, "b")


# several at once


def test_only_as_many_old_ones_leave_as_make_room():
    spec = a_zoo({"a": "8GiB", "b": "8GiB", "c": "10GiB"}, ["c"])
    host = a_host(spec, a=ready(), b=ready(), switch=switched("a b", "c"))
    assert ["stop a MadeRoom", "hold c pending WaitingForEviction"] == acts(spec, host)


def test_of_several_new_ones_those_that_fit_start_while_others_wait_for_room():
    spec = a_zoo({"a": "12GiB", "b": "4GiB", "c": "10GiB"}, ["b", "c"])
    host = a_host(spec, a=ready(), switch=switched("a", "b c"))
    assert ["start b", "stop a MadeRoom", "hold c pending WaitingForEviction"] == acts(spec, host)


def test_a_model_in_both_lists_serves_on():
    spec = a_zoo({"a": "4GiB", "b": "12GiB", "c": "12GiB"}, ["a", "c"])
    host = a_host(spec, a=ready(), b=ready(), switch=switched("b", "c"))
    assert ["stop b MadeRoom", "hold c pending WaitingForEviction"] == acts(spec, host)


# what else may happen meanwhile


def test_missing_weights_of_the_new_model_cost_the_old_one_nothing():
    spec = a_zoo({"a": "12GiB", "b": "12GiB"}, ["b"])
    b = amiss(Reason.FILE_MISSING, "no /srv/b.gguf")
    assert ["hold b failed FileMissing"] == acts(
        spec, a_host(spec, a=ready(), b=b, switch=switched("a", "b"))
    )


def test_a_new_model_without_weights_is_still_awaited_by_the_old_one():
    spec = a_zoo({"a": "12GiB", "b": "12GiB"}, ["b"])
    b = resting(Phase.FAILED, Reason.FILE_MISSING, "no /srv/b.gguf")
    host = a_host(spec, a=ready(), b=b, switch=switched("a", "b"))
    assert OPEN == decide(spec, host).switch.outcome
    assert ["stop a MadeRoom", "hold b pending WaitingForEviction"] == acts(spec, host)


def test_an_old_model_that_was_taken_out_of_the_file_serves_until_the_new_one_is_ready():
    spec = a_zoo({"b": "4GiB"}, ["b"])
    assert [] == acts(spec, a_host(spec, a=ready(), b=starting(), switch=switched("a", "b")))


def test_an_old_model_that_was_taken_out_of_the_file_is_not_kept_for_what_can_not_come():
    spec = a_zoo({"b": "40GiB"}, ["b"])
    too_big = resting(
        Phase.PENDING, Reason.EXCEEDS_BUDGET, "ram is short of 20 GiB: needs 40 GiB, budget 20 GiB"
    )
    assert ["stop a NotWanted"] == acts(spec, a_host(spec, a=ready(), b=too_big, switch=switched("a", "b")))


def test_there_is_no_way_back_to_who_was_taken_out_of_the_file():
    """The new model goes on being tried: rolling back to nobody would leave the host without any."""
    spec = a_zoo({"b": "4GiB"}, ["b"])
    host = a_host(spec, b=crashed(2, 1002.0, failed_start=FAILED), switch=switched("a", "b"))
    assert (OPEN, ("b",)) == (decide(spec, host).switch.outcome, decide(spec, host).wanted)


def test_there_is_no_way_back_to_who_was_stopped_by_hand():
    spec = a_zoo({"a": "4GiB", "b": "4GiB"}, ["b"])
    b = crashed(2, 1002.0, failed_start=FAILED)
    host = a_host(spec, a=by_hand(Override.STOP), b=b, switch=switched("a", "b"))
    assert ("b",) == decide(spec, host).wanted


def test_a_person_may_stop_the_old_model_in_the_middle():
    spec = a_zoo({"a": "4GiB", "b": "4GiB"}, ["b"])
    host = a_host(spec, a=by_hand(Override.STOP, ready()), b=starting(), switch=switched("a", "b"))
    assert ["stop a StoppedByHand"] == acts(spec, host)


def test_a_person_may_keep_the_old_model_for_good():
    spec = a_zoo({"a": "4GiB", "b": "4GiB"}, ["b"])
    host = a_host(spec, a=by_hand(Override.START, ready()), b=ready(), switch=switched("a", "b"))
    assert [] == acts(spec, host)


def test_a_switch_under_way_is_told_in_words_that_stay_true():
    spec = a_zoo({"a": "12GiB", "b": "12GiB"}, ["b"])
    host = a_host(spec, a=leaving(), switch=switched("a", "b"))
    assert "b is to take over from a" == why(spec, host, None, "Switched")
