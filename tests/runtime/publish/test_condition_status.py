"""Since when a condition has been as it is."""

import pytest

from zoosup.core.state.observed import Condition
from zoosup.runtime.publish.condition_status import ConditionTimes


def a_condition(status=False, reason="WaitingForMemory", message="1 GiB short", model="a"):
    return Condition(model, "Admitted", status, reason, message)


def test_a_condition_keeps_its_since_while_status_and_reason_stay():
    wall = iter([1.0, 2.0, 3.0, 4.0])
    times = ConditionTimes(lambda: next(wall))
    times.stamp((a_condition(),))
    assert 1.0 == times.stamp((a_condition(message="2 GiB short"),))["a"][0]["since"]


@pytest.mark.parametrize("changed", [a_condition(reason="ExceedsBudget"), a_condition(status=True)])
def test_a_condition_is_new_when_its_status_or_reason_changes(changed):
    wall = iter([1.0, 2.0])
    times = ConditionTimes(lambda: next(wall))
    times.stamp((a_condition(),))
    assert 2.0 == times.stamp((changed,))["a"][0]["since"]


def test_a_condition_that_went_and_came_again_is_new():
    wall = iter([1.0, 2.0])
    times = ConditionTimes(lambda: next(wall))
    times.stamp((a_condition(),))
    times.stamp(())
    assert 2.0 == times.stamp((a_condition(),))["a"][0]["since"]


def test_conditions_of_two_models_have_each_their_own_since():
    wall = iter([1.0, 2.0])
    times = ConditionTimes(lambda: next(wall))
    times.stamp((a_condition(),))
    both = times.stamp((a_condition(), a_condition(model="b")))
    assert [1.0, 2.0] == [both[name][0]["since"] for name in "ab"]
