"""With which file a new zoosup begins, and when an edit made meanwhile is taken over."""

import asyncio
import json

import pytest

from tests.runtime.builders import PATH, ManualClock, a_zoo, make_ready, text_of
from zoosup.core.state.facts import Held, Overridden
from zoosup.core.state.observed import SwitchOutcome
from zoosup.core.state.phases import Override, Phase, Reason
from zoosup.errors import InvalidFileError
from zoosup.host.ports.host import Content
from zoosup.runtime.persistence.saved_state import remember
from zoosup.runtime.startup.resume import apply_pending_edit, restore

pytestmark = pytest.mark.looptime

OLD = text_of({"a": {}, "b": {}}, "a")
NEW = text_of({"a": {}, "b": {}}, "b")


def kept(change=lambda _: None):
    """What a zoosup under OLD has left."""
    zoo = a_zoo(ManualClock(), OLD)
    change(zoo)
    return json.loads(json.dumps(remember(zoo)))


async def begun(text, state, error=""):
    zoo = a_zoo(ManualClock())
    return zoo, await restore(zoo, Content(text, error), state, {})


async def test_the_first_time_the_file_is_all_there_is():
    zoo, edit = await begun(OLD, {})
    assert (("a",), 1, None) == (zoo.spec.active, zoo.applied.generation, edit)


async def test_what_was_read_before_the_file_it_begins_with_is_known_to_be_older():
    zoo = a_zoo(ManualClock())
    await restore(zoo, Content(OLD, look=3), {}, {})
    assert 3 == zoo.applied.look


async def test_the_same_file_is_no_edit():
    zoo, edit = await begun(OLD, kept())
    assert (("a",), 1, None) == (zoo.spec.active, zoo.applied.generation, edit)


async def test_a_file_that_was_edited_meanwhile_waits_for_adoption():
    zoo, edit = await begun(NEW, kept())
    assert ("a",) == zoo.spec.active
    apply_pending_edit(zoo, edit)
    assert (("b",), 2) == (zoo.spec.active, zoo.applied.generation)


async def test_whoever_serves_goes_on_until_the_successor_of_an_edit_made_meanwhile_does():
    zoo, edit = await begun(NEW, kept())
    make_ready(zoo, "a")
    apply_pending_edit(zoo, edit)
    assert (("b",), ("a",), SwitchOutcome.OPEN) == (
        zoo.switch.incoming,
        zoo.switch.outgoing,
        zoo.switch.outcome,
    )


async def test_a_broken_file_leaves_the_last_good_one_in_force_and_is_told():
    zoo, edit = await begun("active: [", kept())
    assert (("a",), None) == (zoo.spec.active, edit)
    assert zoo.applied.error.startswith(PATH)


async def test_the_revision_in_force_is_that_of_the_text_in_force():
    state = kept() | {"file": {"path": PATH, "text": OLD, "revision": "old"}}
    for text, first, then in (("active: [", "old", "old"), (NEW, "old", "new"), (OLD, "new", "new")):
        zoo = a_zoo(ManualClock())
        edit = await restore(zoo, Content(text, revision="new"), state, {})
        assert first == zoo.applied.revision
        apply_pending_edit(zoo, edit)
        assert then == zoo.applied.revision


async def test_a_missing_file_leaves_the_last_good_one_in_force_and_is_told():
    zoo, _ = await begun(None, kept(), "zoo.yaml: no such file")
    assert (("a",), "zoo.yaml: no such file") == (zoo.spec.active, zoo.applied.error)


@pytest.mark.parametrize(
    "state", [{}, {"file": {"path": "other.yaml", "text": OLD}}, {"file": {"path": PATH, "text": "["}}]
)
async def test_without_a_good_file_there_is_nothing_to_begin_with(state):
    with pytest.raises(InvalidFileError, match=PATH):
        await begun("active: [", state)


async def test_a_last_good_file_that_no_longer_parses_is_no_hindrance():
    zoo, edit = await begun(NEW, {"file": {"path": PATH, "text": "active: [a\n"}})
    assert (("b",), None) == (zoo.spec.active, edit)


async def test_an_edit_made_meanwhile_forgives_what_was_given_up_as_any_edit_does():
    state = kept(lambda zoo: zoo.tell("a", Held(Phase.FAILED, Reason.CRASH_LOOP, "crashed")))
    edited = text_of({"a": {"description": "mended"}, "b": {}}, "a")
    zoo, edit = await begun(edited, state)
    assert Phase.FAILED is zoo.models["a"].phase
    apply_pending_edit(zoo, edit)
    assert Phase.STOPPED is zoo.models["a"].phase


async def test_an_edit_made_meanwhile_of_something_else_forgives_nobody():
    state = kept(lambda zoo: zoo.tell("a", Held(Phase.FAILED, Reason.CRASH_LOOP, "crashed")))
    zoo, edit = await begun(text_of({"a": {}, "b": {"description": "edited"}}, "a"), state)
    apply_pending_edit(zoo, edit)
    assert Phase.FAILED is zoo.models["a"].phase


async def test_a_wish_ends_when_the_edit_made_meanwhile_says_something_new_about_its_model():
    zoo, edit = await begun(NEW, kept(lambda zoo: zoo.tell("a", Overridden(Override.STOP))))
    apply_pending_edit(zoo, edit)
    assert zoo.models["a"].override is None


# with processes


async def test_a_model_serves_on_through_a_restart_until_the_one_of_an_edit_made_meanwhile_is_ready(
    host, zoo, file, successor
):
    models = {"a": "4GiB", "b": "4GiB"}
    host.save(file(models, "a"))
    await zoo.until("a", "ready")
    await asyncio.sleep(3)
    second = await successor(meanwhile=lambda: host.save(file(models, "b")))
    await second.until("b", "ready")
    await second.until("a", "stopped")
    order = [(who, what) for _, who, what in host.history]
    assert order.index(("b", "ready")) < order.index(("a", "term"))


async def test_an_edit_made_meanwhile_that_can_not_run_is_rolled_back(host, zoo, file, successor):
    models = {"a": "4GiB", "b": "4GiB"}
    host.behave("b", dies_after=0.1)
    host.save(file(models, "a"))
    await zoo.until("a", "ready")
    await asyncio.sleep(3)
    second = await successor(meanwhile=lambda: host.save(file(models, "b")))
    await second.until("b", "failed")
    assert ("ready", "RolledBack") == (second.phase("a"), second.reason("b"))
    assert 1 == host.events("a").count("spawn")


async def test_a_switch_that_was_rolled_back_is_not_tried_again_by_a_restart(host, zoo, file, successor):
    models = {"a": "4GiB", "b": "4GiB"}
    host.behave("b", dies_after=0.1)
    host.save(file(models, "a"))
    await zoo.until("a", "ready")
    host.save(file(models, "b"))
    await zoo.until("b", "failed")
    await asyncio.sleep(3)
    before = list(host.history)
    second = await successor()
    await asyncio.sleep(60)
    assert ("ready", "failed", "RolledBack") == (second.phase("a"), second.phase("b"), second.reason("b"))
    assert [what for what in host.history[len(before) :] if what[2] != "ready"] == []
