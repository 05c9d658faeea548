"""DESIGN §4.2: who comes and who goes when `active` changes, and when that is done or undone."""

from dataclasses import replace

import pytest

from tests.core.zoo import (
    a_host,
    a_zoo,
    an_exit,
    by_hand,
    crashed,
    leaving,
    ready,
    resting,
    running,
    starting,
    switched,
)
from zoosup.core.scheduler.switch import (
    ActiveChange,
    begin,
    effective,
    judge,
    may_come_back,
    retained,
    successors,
)
from zoosup.core.state.observed import SwitchOutcome
from zoosup.core.state.phases import Override, Phase, Reason

ZOO = {"a": "4GiB", "b": "4GiB", "c": "4GiB"}
FAILED = an_exit(1, "no such tensor")
DONE, OPEN, ROLLED_BACK = SwitchOutcome.DONE, SwitchOutcome.OPEN, SwitchOutcome.ROLLED_BACK


def begun(before, after, last=None, **states):
    models = a_host(a_zoo(ZOO), **states).models
    switch = begin(ActiveChange(2, tuple(before), tuple(after)), last, models)
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
    assert last is begin(ActiveChange(3, ("b",), ("b",)), last, models)


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
    models = a_host(a_zoo(ZOO), **states).models
    return judge(switch, models, rollback=rollback, settling=settling)


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


PUT_AWAY = [by_hand(Override.STOP), by_hand(Override.STOP, leaving()), by_hand(Override.UNLOAD)]


@pytest.mark.parametrize("other", [TOO_BIG, *PUT_AWAY])
def test_with_several_new_ones_those_that_can_not_or_are_not_to_run_are_not_waited_for(other):
    done = judged(switched("a", "b c"), a=ready(), b=ready(), c=other)
    assert (DONE, "b took over from a") == (done.outcome, done.message)


@pytest.mark.parametrize("other", PUT_AWAY)
def test_the_old_one_comes_back_for_one_that_failed_though_another_was_put_away_by_hand(other):
    failed = crashed(2, 2000.0, failed_start=FAILED)
    undone = judged(switched("a", "b c"), a=resting(), b=failed, c=other)
    assert (ROLLED_BACK, "b: no such tensor. Back to a until the file changes") == (
        undone.outcome, undone.message,
    )  # fmt: skip


@pytest.mark.parametrize("old", [ready(), resting()])
@pytest.mark.parametrize("new", PUT_AWAY)
def test_who_puts_the_new_one_away_by_hand_has_not_asked_for_the_old_one(old, new):
    assert OPEN == judged(switched("a", "b"), a=old, b=new).outcome


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
    switch = begin(ActiveChange(2, ("a",), ("b",)), None, models)
    assert OPEN == judged(switch, a=ready(), b=b).outcome
    again = crashed(4, 2000.0, failed_start=replace(FAILED, at=9.0))
    assert ROLLED_BACK == judged(switch, a=ready(), b=again).outcome


@pytest.mark.parametrize("outcome", [DONE, ROLLED_BACK])
def test_what_is_over_is_not_judged_again(outcome):
    over = switched("a", "b", outcome=outcome)
    assert over is judged(over, b=crashed(1, 0.0, failed_start=FAILED))


# who keeps serving meanwhile


def kept(switch, declared="abc", name="a", **states):
    return retained(switch, name, set(declared), a_host(a_zoo(ZOO), **states).models)


def test_the_outgoing_serves_while_the_switch_is_open():
    assert kept(switched("a", "b"), b=starting())
    assert not kept(switched("a", "b"), name="c")
    assert not kept(None)
    assert not kept(switched("a", "b", outcome=DONE), b=ready())


@pytest.mark.parametrize(
    ("state", "coming"),
    [
        (starting(), True),
        (MEMORY, True),
        (crashed(1, 2000.0), True),
        (crashed(2, 2000.0), False),  # a loop
        (TOO_BIG, False),
        (resting(Phase.PENDING, Reason.GPU_MISSING), False),
        (resting(reason=Reason.EXCEEDS_BUDGET), True),  # of long ago
        (resting(Phase.FAILED, Reason.CRASH_LOOP), False),
        (by_hand(Override.STOP), False),
    ],
)
def test_one_that_was_taken_out_of_the_file_serves_only_while_a_successor_is_really_coming(state, coming):
    assert coming is kept(switched("a", "b"), declared="b", b=state)
    assert kept(switched("a", "b"), declared="ab", b=state)
    assert not kept(switched("a", "x"), declared="b")


def test_who_took_over_is_told_of_a_switch_that_is_done():
    done = switched("a", "b c", outcome=DONE)
    assert "b, c took over" == successors(done, "a")
    assert "" == successors(done, "b") == successors(switched("a", "b"), "a") == successors(None, "a")


def test_a_failed_start_without_a_message_is_told_by_its_reason_and_a_refusal_by_its_sum():
    quiet = judged(
        switched("a", "b c"), b=crashed(1, 0.0, failed_start=replace(FAILED, message="")), c=TOO_BIG
    )
    assert "b: Error; c: ram is short of 1 GiB. Back to a until the file changes" == quiet.message


def test_a_new_model_that_is_refused_while_the_old_one_serves_undoes_nothing():
    assert OPEN == judged(switched("a", "b c"), a=ready(), b=TOO_BIG, c=TOO_BIG).outcome
    assert ROLLED_BACK == judged(switched("a d", "b"), a=ready(), b=TOO_BIG).outcome, (
        "one of the old has gone"
    )


def test_one_that_was_given_up_is_not_waited_for():
    failed = resting(Phase.FAILED, Reason.CRASH_LOOP, "crashed 3 times")
    assert ROLLED_BACK == judged(switched("a", "b"), b=failed).outcome
    assert OPEN == judged(switched("a", "b c"), b=failed, c=starting()).outcome


@pytest.mark.parametrize(
    ("state", "may"),
    [
        (starting(), True),
        (MEMORY, True),
        (ready(), False),
        (starting(override=Override.STOP), False),
        (starting(override=Override.UNLOAD), False),
    ],
)
def test_who_has_gone_may_come_back_while_somebody_is_coming(state, may):
    models = a_host(a_zoo(ZOO), b=state).models
    assert may is may_come_back(switched("a", "b"), "a", models)
    assert not may_come_back(switched("a", "b"), "c", models)
    assert not may_come_back(switched("a", "b", outcome=DONE), "a", models)
    assert not may_come_back(None, "a", models)
