"""People's wishes, by way of the command handler."""

import asyncio
from dataclasses import replace

import pytest

from tests.runtime.conftest import GIB
from zoosup.errors import InvalidFileError, NoSuchModelError
from zoosup.host.ports.host import Content
from zoosup.runtime.startup import config_source
from zoosup.runtime.state.inbox import PlanAsked
from zoosup.spec.parse import spec_hash

pytestmark = pytest.mark.looptime


@pytest.fixture
async def running(host, zoo, file):
    host.behave("qwen", load=0.01)  # time is virtual in tests, and real in fixtures
    host.save(file({"qwen": "1GiB", "gemma": "2GiB"}, "qwen"))
    await zoo.until("qwen", "ready")
    return zoo


@pytest.mark.parametrize("verb", ["start", "stop", "restart"])
async def test_a_name_that_is_almost_one_is_told_which(running, verb):
    with pytest.raises(NoSuchModelError, match=r"no model 'qwem' in zoo\.yaml, did you mean qwen"):
        await getattr(running.commands, verb)("qwem")


async def test_a_name_like_no_other_is_told_all_there_are(running):
    with pytest.raises(NoSuchModelError, match="there are qwen, gemma"):
        await running.commands.start("x")


async def test_in_an_empty_zoo_there_is_no_name_to_tell(host, zoo, file):
    host.save(file({}, "[]"))
    await asyncio.sleep(1)
    with pytest.raises(NoSuchModelError, match="there are none"):
        await zoo.commands.start("x")


async def test_the_answer_is_the_model_after_the_turn_that_took_the_wish_in(running):
    assert "pending" == (await running.commands.start("gemma"))["phase"]
    shown = await running.commands.stop("qwen")
    assert ("stopping", "StoppedByHand") == (shown["phase"], shown["reason"])


async def test_a_wish_that_is_so_already_is_answered_too(running):
    assert "ready" == (await running.commands.start("qwen"))["phase"]
    assert "stopped" == (await running.commands.stop("gemma"))["phase"]


async def test_reload_applies_a_changed_file_and_says_what_is_in_force(running, host, file):
    host.text = file({"qwen": "1GiB"}, "[]")
    config = await running.commands.reload()
    assert (2, None) == (config["generation"], config["error"])


async def test_reload_of_a_broken_file_says_the_error_and_changes_nothing(running, host):
    host.text = "active: [qwen\n"
    config = await running.commands.reload()
    assert 1 == config["generation"]
    assert config["error"].startswith("zoo.yaml:")
    assert "ready" == running.phase("qwen")


async def test_reload_of_a_file_that_is_gone_says_so(running, host):
    host.file_error = "zoo.yaml: no such file"
    assert "zoo.yaml: no such file" == (await running.commands.reload())["error"]


async def test_a_plan_of_an_invalid_text_is_refused_with_its_place(running):
    with pytest.raises(InvalidFileError, match=r"other\.yaml:2:1"):
        await running.commands.plan("active: [", "other.yaml")
    assert running.publisher.snapshot["config"]["error"] is None


async def test_a_plan_looks_at_files_and_ports_before_it_answers(running, host, file):
    host.files_missing.add("gemma")
    told = await running.commands.plan(file({"gemma": "2GiB"}, "gemma"), "other.yaml")
    assert ("other.yaml", "refused", "FileMissing") == (
        told["path"],
        told["models"]["gemma"]["verdict"],
        told["models"]["gemma"]["reason"],
    )


async def test_a_plan_of_the_file_in_force_foresees_nothing_once_it_is_so(running):
    await asyncio.sleep(60)
    told = await running.commands.plan(None, "zoo.yaml")
    assert ([], False) == (told["actions"], told["changes"])


async def test_a_plan_foresees_what_then_happens(running, host, file):
    text = file({"qwen": "1GiB", "gemma": "2GiB"}, "gemma")
    told = await running.commands.plan(text, "zoo.yaml")
    assert [("start", "gemma")] == [(a["action"], a["model"]) for a in told["actions"]]
    assert ["spawn", "ready"] == host.events("qwen")
    assert [] == host.events("gemma")
    host.save(text)
    await running.until("gemma", "ready")
    assert "spawn" in host.events("gemma")


async def test_whoever_gives_up_waiting_for_a_plan_harms_nobody(running):
    answer = asyncio.get_running_loop().create_future()
    answer.cancel()
    running.reconciler.post(PlanAsked(None, "zoo.yaml", answer))
    await asyncio.sleep(5)
    assert "ready" == running.phase("qwen")
    assert running.commands.heartbeat() <= 2.0


async def test_after_a_roll_back_a_plan_of_the_file_in_force_foretells_nothing_new(host, zoo, file):
    host.save(file({"a": "20GiB", "b": "20GiB"}, "a"))
    await zoo.until("a", "ready")
    host.behave("b", dies_after=0.5)
    text = file({"a": "20GiB", "b": "20GiB"}, "b")
    host.save(text)
    await zoo.until("b", "failed")
    await zoo.until("a", "ready")
    foretold = await zoo.commands.plan(text, "zoo.yaml")
    assert (["a"], False) == (foretold["wanted"], foretold["changes"])
    commented = await zoo.commands.plan(text + "# again\n", "zoo.yaml")
    assert (["a"], False) == (commented["wanted"], commented["changes"])
    edited = await zoo.commands.plan(text.replace("20GiB", "19GiB"), "zoo.yaml")
    assert (["b"], True) == (edited["wanted"], edited["changes"])


async def test_a_comment_after_a_roll_back_does_not_try_the_switch_again(host, zoo, file):
    host.save(file({"a": "20GiB", "b": "20GiB"}, "a"))
    await zoo.until("a", "ready")
    host.behave("b", dies_after=0.5)
    text = file({"a": "20GiB", "b": "20GiB"}, "b")
    host.save(text)
    await zoo.until("b", "failed")
    await zoo.until("a", "ready")
    tried = host.events("b")
    host.save(text + "# b dies\n")
    await asyncio.sleep(60)
    assert ("ready", "failed", tried) == (zoo.phase("a"), zoo.phase("b"), host.events("b"))
    assert zoo.publisher.snapshot["config"]["hash"] == spec_hash(text + "# b dies\n")


async def test_another_figure_in_why_a_model_waits_is_no_change(host, zoo, file):
    host.save(file({"a": "20GiB"}, "a"))
    host.foreign = 40 * GIB
    await zoo.until("a", "pending")
    await asyncio.sleep(5)
    host.foreign = 41 * GIB
    told = await zoo.commands.plan(None, "zoo.yaml")
    assert ["hold"] == [action["action"] for action in told["actions"]]
    assert not told["changes"]


async def test_an_older_look_at_the_file_that_was_parsed_for_longer_is_not_applied(running, file):
    """`reload` and the watch parse in threads of their own; who is done last need not have read last."""
    older, newer = file({"qwen": "1GiB"}, "qwen"), file({"qwen": "1GiB", "gemma": "2GiB"}, "gemma")
    for look, text in ((7, newer), (6, older)):
        message = await config_source.read(Content(text, look=look), "zoo.yaml", {})
        answer = asyncio.get_running_loop().create_future()
        running.reconciler.post(replace(message, answer=answer))
        await answer
    assert spec_hash(newer) == running.publisher.snapshot["config"]["hash"]
    refused = await config_source.read(Content("nonsense: [", look=5), "zoo.yaml", {})
    running.reconciler.post(refused)
    await asyncio.sleep(5)
    assert running.publisher.snapshot["config"]["error"] is None
