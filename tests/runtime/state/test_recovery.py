"""What an earlier supervisor has left is taken in."""

from tests.runtime.builders import ManualClock, a_run, a_zoo, text_of
from zoosup.core.state.facts import Adopted, Held
from zoosup.core.state.phases import Phase, Reason
from zoosup.runtime.state.recovery import adopt

AB = {"a": {}, "b": {}}


def test_only_one_run_of_a_model_is_adopted():
    zoo = a_zoo(ManualClock(), text_of(AB, "a"))
    assert adopt(zoo, "a", Adopted(a_run(zoo, "a", "mark-1", pid=7)))
    assert not adopt(zoo, "a", Adopted(a_run(zoo, "a", "mark-2", pid=8)))
    assert "mark-1" == zoo.models["a"].run.id


def test_a_run_that_lives_outweighs_what_was_kept_of_its_model():
    zoo = a_zoo(ManualClock(), text_of(AB, "a"))
    zoo.tell("a", Held(Phase.FAILED, Reason.CRASH_LOOP, "crashed 3 times"))
    assert adopt(zoo, "a", Adopted(a_run(zoo, "a", pid=7)))
    assert Phase.STARTING is zoo.models["a"].phase


def test_a_run_of_a_model_that_the_file_does_not_have_is_adopted_too():
    zoo = a_zoo(ManualClock(), text_of(AB, "a"))
    assert adopt(zoo, "z", Adopted(a_run(zoo, "a", pid=7)))
    assert ["z"] == [model.name for model, _ in zoo.live()]
