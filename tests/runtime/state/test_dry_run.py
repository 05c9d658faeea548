"""A copy of the zoo for questions."""

from tests.runtime.builders import ManualClock, a_zoo, make_ready, spec_of, text_of
from zoosup.core.state.facts import Overridden
from zoosup.core.state.phases import Override
from zoosup.runtime.state.dry_run import copy_with

AB = {"a": {}, "b": {}}


def test_what_is_done_to_a_copy_is_not_done_to_the_zoo():
    zoo = a_zoo(ManualClock(), text_of(AB, "a"))
    make_ready(zoo, "a")
    before, events = dict(zoo.models), zoo.journal.last
    ahead = copy_with(zoo, spec_of(text_of({"c": {}}, "c")), "other.yaml")
    ahead.tell("a", Overridden(Override.STOP))
    ahead.memory.cool_down("a", before["a"].run, {})
    assert (before, {}, events, "zoo.yaml", 1) == (
        zoo.models,
        zoo.memory.cooldowns,
        zoo.journal.last,
        zoo.applied.path,
        zoo.applied.generation,
    )
    assert ("other.yaml", 2) == (ahead.applied.path, ahead.applied.generation)
