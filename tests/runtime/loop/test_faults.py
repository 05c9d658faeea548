"""Bugs of our own that met one model: how long they last, what is told of them, and that each is logged once."""

import pytest

from zoosup.core.state.actions import Drain, Hold, Inspect, Start, Stop
from zoosup.core.state.phases import Cause, Phase, Reason
from zoosup.runtime.loop.faults import Faults

START = Start("a", "box", {}, "")
STOP = Stop("a", "mark-1", Cause.NOT_WANTED, "")
DRAIN = Drain("a", "mark-1", Cause.NOT_WANTED, "")
HOLD = Hold("a", Phase.PENDING, Reason.MEMORY, "")
LOOK = Inspect("a", None)


@pytest.fixture
def faults():
    return Faults()


def told(faults):
    """Whose conditions are shown, and of which kind of fault."""
    return [(condition.model, condition.reason) for condition in faults.conditions()]


def test_without_a_bug_there_is_nothing_to_tell(faults):
    faults.planned({})
    faults.carried_out(START)
    assert (False, []) == (faults.any, told(faults))


def test_an_action_that_met_one_is_told_until_one_like_it_is_carried_out(faults):
    faults.met(START, KeyError("x"))
    faults.carried_out(STOP)
    assert (True, [("a", "KeyError")]) == (faults.any, told(faults))
    faults.carried_out(START)
    assert (False, []) == (faults.any, told(faults))


def test_an_action_on_another_model_mends_nothing(faults):
    faults.met(START, KeyError("x"))
    faults.carried_out(Start("b", "box", {}, ""))
    assert [("a", "KeyError")] == told(faults)


def test_the_newest_is_told(faults):
    faults.met(START, KeyError("x"))
    faults.met(STOP, ValueError("y"))
    assert [("a", "ValueError")] == told(faults)


def test_what_a_plan_has_met_is_told_by_the_plan_alone(faults):
    faults.met(START, KeyError("x"))
    faults.planned({"a": KeyError("x"), "b": ValueError("y")})
    assert (True, []) == (faults.any, told(faults))
    faults.planned({})
    assert [("a", "KeyError")] == told(faults)


def test_what_the_newest_plan_has_not_met_is_over(faults):
    faults.planned({"a": KeyError("x")})
    faults.planned({})
    assert not faults.any


def test_one_that_lasts_is_logged_once_with_where_it_was_met(faults, caplog):
    for _ in range(3):
        faults.planned({"a": KeyError("x")})
        faults.met(LOOK, KeyError("x"))
    assert ["internal error: a, in its plan; the others go on"] == [r.getMessage() for r in caplog.records]


def test_each_model_s_and_each_new_one_is_logged(faults, caplog):
    faults.met(LOOK, KeyError("x"))
    faults.met(Inspect("b", None), KeyError("x"))
    faults.met(LOOK, KeyError("y"))
    where = "in an action on it; the others go on"
    assert [f"internal error: {model}, {where}" for model in "aba"] == [
        r.getMessage() for r in caplog.records
    ]
    assert all(r.exc_info is not None for r in caplog.records)


@pytest.mark.parametrize(("between", "times"), [(START, 2), (STOP, 2), (DRAIN, 2), (HOLD, 1), (LOOK, 1)])
def test_one_that_comes_back_once_its_model_has_got_on_is_logged_again(faults, caplog, between, times):
    faults.planned({"a": KeyError("x")})
    faults.carried_out(between)
    faults.planned({"a": KeyError("x")})
    assert times == len(caplog.records)
