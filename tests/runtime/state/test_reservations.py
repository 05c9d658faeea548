"""What an edit of the file does to what a run was booked with."""

import pytest

from zoosup.core.state.facts import Booked, FellAsleep, ProbedReady, SleepBegun, WakeBegun, Woken
from zoosup.core.state.runs import Run, Sleep, SleepStage
from zoosup.runtime.clock import Clock
from zoosup.runtime.events.journal import Journal
from zoosup.runtime.publish.condition_status import ConditionTimes
from zoosup.runtime.publish.snapshot import build
from zoosup.runtime.state.applied import Applied
from zoosup.runtime.state.zoo import Zoo
from zoosup.spec.model.zoo import ZooSpec

GIB = 2**30


def a_file(memory="auto", description=""):
    model = {"command": ["llama-server", "-m", "m.gguf"], "memory": memory, "description": description}
    return ZooSpec.model_validate({"active": ("a",), "models": {"a": model}})


@pytest.fixture
def zoo():
    """One in which a model runs that was booked with 5 GiB, derived from its weights."""
    zoo = Zoo("local", "test", "m", Clock(lambda: 1.0, lambda: 1.0), Journal(limit=10), Applied("zoo.yaml"))
    zoo.take_over(a_file(), "")
    run = Run("m1", "local", a_file().models["a"], 1, {"ram": 5 * GIB}, 1.0, 1.0, source="derived")
    zoo.tell("a", Booked(run))
    return zoo


def booked(zoo):
    run = zoo.models["a"].run
    return run.reserved["ram"] // GIB, run.source


def test_an_edit_of_something_else_leaves_a_derived_booking(zoo):
    zoo.take_over(a_file(description="new"), "")
    assert (5, "derived") == booked(zoo)


def test_what_is_declared_counts_at_once_and_stays_until_something_else_is_declared(zoo):
    zoo.take_over(a_file({"ram": "3GiB"}), "")
    assert (3, "declared") == booked(zoo)
    zoo.take_over(a_file(), "")
    assert (3, "declared") == booked(zoo)


@pytest.mark.parametrize(("declared", "meanwhile"), [(7, 7), (3, 5)])
def test_what_is_declared_counts_at_once_for_one_that_wakes_and_less_once_it_has(zoo, declared, meanwhile):
    asleep = Sleep(SleepStage.FALLING, {"ram": 5 * GIB}, {"ram": GIB}, True, 1.0)
    zoo.tell("a", ProbedReady("m1", 1.0))
    zoo.tell("a", SleepBegun("m1", asleep, {"ram": 5 * GIB}, "makes room for b"))
    zoo.tell("a", FellAsleep("m1", 1.0))
    zoo.take_over(a_file({"ram": "4GiB"}), "")
    assert 1 == booked(zoo)[0]
    zoo.tell("a", WakeBegun("m1", {"ram": 5 * GIB}, 1.0))
    zoo.take_over(a_file({"ram": f"{declared}GiB"}), "")
    assert (meanwhile, "declared") == booked(zoo)
    zoo.tell("a", Woken("m1", 1.0))
    zoo.tell("a", ProbedReady("m1", 1.0))
    assert (declared, "declared") == booked(zoo)


def test_a_run_whose_weights_nobody_has_looked_at_yet_shows_what_it_was_booked_with(zoo):
    from zoosup.core.scheduler.plan import plan  # noqa: PLC0415 - one test's own

    shown = build(zoo, plan(zoo.spec, zoo.observed()), ConditionTimes(zoo.clock.wall))
    memory = shown["models"]["a"]["memory"]["ram"]
    assert (5 * GIB, "derived") == (memory["need"], memory["source"])
