"""What a person's word makes of who may say whether a model runs."""

from dataclasses import replace

import pytest

from tests.runtime.builders import ManualClock, a_zoo, make_ready, spec_of, text_of
from zoosup.core.state.facts import Held
from zoosup.core.state.observed import Switch, SwitchOutcome
from zoosup.core.state.phases import Override, Phase, Reason
from zoosup.core.state.runs import Backoff
from zoosup.runtime.state.overrides import override

AB = {"a": {}, "b": {}}


@pytest.mark.parametrize(
    ("name", "wish", "expected"),
    [
        ("a", Override.START, None),
        ("a", Override.STOP, Override.STOP),
        ("b", Override.START, Override.START),
        ("b", Override.STOP, None),
    ],
)
def test_a_wish_that_the_file_shares_needs_no_override(name, wish, expected):
    zoo = a_zoo(ManualClock(), text_of(AB, "a"))
    override(zoo, name, wish)
    assert expected == zoo.models[name].override


def test_a_wish_to_stop_is_taken_back_by_one_to_start():
    zoo = a_zoo(ManualClock(), text_of(AB, "a"))
    override(zoo, "a", Override.STOP)
    override(zoo, "a", Override.START)
    assert zoo.models["a"].override is None


def test_a_rolled_back_model_that_is_asked_for_is_wanted_by_hand_though_the_file_has_it():
    zoo = a_zoo(ManualClock(), text_of(AB, "a"))
    zoo.switch = Switch(1, ("a",), ("b",), SwitchOutcome.ROLLED_BACK)
    zoo.tell("a", Held(Phase.FAILED, Reason.ROLLED_BACK, "a: exited"))
    override(zoo, "a", Override.START)
    assert (Override.START, Phase.STOPPED) == (zoo.models["a"].override, zoo.models["a"].phase)


def test_a_model_that_a_roll_back_brought_back_can_be_stopped_by_hand_though_the_file_does_not_have_it():
    zoo = a_zoo(ManualClock(), text_of(AB, "b"))
    make_ready(zoo, "a")
    zoo.switch = Switch(1, ("b",), ("a",), SwitchOutcome.ROLLED_BACK)
    override(zoo, "a", Override.STOP)
    assert Override.STOP is zoo.models["a"].override
    override(zoo, "a", Override.START)
    assert zoo.models["a"].override is None


@pytest.mark.parametrize("wish", list(Override))
def test_a_wish_about_a_model_that_an_open_switch_takes_out_is_never_the_files_own(wish):
    """It serves on until its successor does, and may be brought back: neither what `stop` nor what `start` means."""
    zoo = a_zoo(ManualClock(), text_of(AB, "b"))
    make_ready(zoo, "a")
    zoo.switch = Switch(1, ("b",), ("a",), SwitchOutcome.OPEN)
    override(zoo, "a", wish)
    assert wish is zoo.models["a"].override


def test_a_wish_to_start_forgives_and_one_to_stop_does_not():
    clock = ManualClock()
    zoo = a_zoo(clock, text_of(AB, "a"))
    zoo.models["a"] = replace(zoo.models["a"], backoff=Backoff(3, clock.now + 60))
    override(zoo, "a", Override.STOP)
    assert 3 == zoo.models["a"].backoff.count
    override(zoo, "a", Override.START)
    assert 0 == zoo.models["a"].backoff.count


@pytest.mark.parametrize(
    ("active", "left"),
    [
        (["a"], [Override.STOP, Override.START]),
        (["a", "b"], [Override.STOP, None]),
        ([], [None, Override.START]),
    ],
)
def test_an_override_ends_when_active_says_something_new_about_its_model(active, left):
    zoo = a_zoo(ManualClock(), text_of(AB, "a"))
    override(zoo, "a", Override.STOP)
    override(zoo, "b", Override.START)
    zoo.take_over(spec_of(text_of(AB, active)), text_of(AB, active))
    assert left == [zoo.models[n].override for n in "ab"]
