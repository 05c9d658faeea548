"""DESIGN §4.2: what passes make of a switch: refused, overlapped, replaced, rolled back, and what comes between."""

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
    starting,
    stuck,
    switched,
    why,
)
from zoosup.core.state.observed import SwitchOutcome
from zoosup.core.state.phases import Override, Phase, Reason

FAILED = an_exit(1, "no such tensor")
OPEN, ROLLED_BACK = SwitchOutcome.OPEN, SwitchOutcome.ROLLED_BACK


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


# a switch keeps nobody else waiting


TOO_BIG = resting(Phase.PENDING, Reason.EXCEEDS_BUDGET, "ram is short of 7 GiB: needs 9 GiB, budget 10 GiB")


def test_the_old_model_is_not_kept_for_one_that_can_not_come_while_an_earlier_one_waits():
    """D never fits beside B, so that A, kept for D, would keep B waiting for ever."""
    spec = a_zoo({"a": "9GiB", "b": "8GiB", "d": "9GiB"}, ["b", "d"], "10GiB")
    b = resting(Phase.PENDING, Reason.MEMORY, "ram is short of 7 GiB")
    host = a_host(spec, a=ready(), b=b, d=TOO_BIG, switch=switched("a", "d"))
    assert ["stop a MadeRoom", "hold b pending WaitingForEviction"] == acts(spec, host)[:2]


def test_it_is_kept_while_the_one_that_waits_would_not_fit_without_it_either():
    spec = a_zoo({"a": "2GiB", "b": "8GiB", "d": "9GiB"}, ["b", "d"], "10GiB")
    host = a_host(spec, a=ready(), d=TOO_BIG, switch=switched("a", "d"), foreign="26GiB")
    assert not [x for x in acts(spec, host) if x.startswith(("stop", "drain"))]


def test_nor_for_one_that_comes_later_in_active():
    spec = a_zoo({"a": "9GiB", "b": "8GiB", "d": "9GiB"}, ["d", "b"], "10GiB")
    host = a_host(spec, a=ready(), d=crashed(2, 1002.0), switch=switched("a", "d"), b=TOO_BIG)
    assert not [x for x in acts(spec, host) if x.startswith(("stop", "drain"))]


@pytest.mark.parametrize(
    "b", [by_hand(Override.STOP), crashed(2, 2000.0, failed_start=FAILED), crashed(9, 2000.0)]
)
def test_one_taken_out_of_the_file_does_not_live_on_for_a_successor_that_is_not_coming(b):
    spec = a_zoo({"b": "4GiB"}, ["b"])
    host = a_host(spec, a=ready(), b=b, switch=switched("a", "b"))
    assert "stop a NotWanted" in acts(spec, host)


def test_a_successor_that_has_crashed_once_is_still_coming():
    spec = a_zoo({"b": "4GiB"}, ["b"])
    host = a_host(spec, a=ready(), b=crashed(1, 0.0), switch=switched("a", "b"))
    assert "stop a NotWanted" not in acts(spec, host)


def test_a_run_that_has_nothing_to_do_with_it_does_not_suspend_a_roll_back():
    spec = a_zoo({"a": "4GiB", "b": "12GiB", "c": "4GiB"}, ["b"])
    b = resting(Phase.PENDING, Reason.MEMORY, "ram is short of 1 GiB")
    for other in (stuck(2000.0), leaving()):
        host = a_host(spec, b=b, c=other, switch=switched("a", "b"), foreign="14GiB")
        assert (ROLLED_BACK, "a") == (decide(spec, host).switch.outcome, decide(spec, host).wanted[0])


def test_nor_does_the_old_model_that_can_not_be_killed():
    spec = a_zoo({"a": "4GiB", "b": "12GiB"}, ["b"])
    b = resting(Phase.PENDING, Reason.MEMORY, "ram is short of 1 GiB")
    host = a_host(spec, a=stuck(2000.0), b=b, switch=switched("a", "b"), foreign="16GiB")
    assert ROLLED_BACK == decide(spec, host).switch.outcome


def test_while_the_old_model_leaves_nobody_has_been_robbed():
    spec = a_zoo({"a": "4GiB", "b": "12GiB"}, ["b"])
    b = resting(Phase.PENDING, Reason.MEMORY, "ram is short of 1 GiB")
    assert OPEN == decide(spec, a_host(spec, a=leaving(), b=b, switch=switched("a", "b"))).switch.outcome
