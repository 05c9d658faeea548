"""`start`, `stop`, `restart` and `reload`, as the supervisor hears them."""

import asyncio
import json

import pytest

from tests.cli.conftest import GUARD
from tests.cli.fakes import model, snapshot
from zoosup.errors import ZoosupError


@pytest.mark.parametrize("verb", ["start", "stop", "restart", "unload", "auto"])
async def test_a_wish_is_handed_over_and_answered_with_what_the_model_does(shell, runtime, server, verb):
    waiting = model("pending", reason="WaitingForMemory", message="short of 1 GiB")
    runtime.publisher.publish(snapshot({"org/model:8b": waiting}))
    ended = await shell(verb, "org/model:8b")
    assert (0, "org/model:8b is pending (waits for memory: short of 1 GiB)\n") == (ended.code, ended.out)
    assert [(verb, "org/model:8b")] == runtime.commands.wishes


@pytest.mark.parametrize("verb", ["start", "restart"])
@pytest.mark.parametrize("options", [(), ("--json",)])
async def test_a_model_that_can_not_be_had_is_1_with_the_sum_once_it_is_known(
    shell, runtime, server, verb, options
):
    runtime.publisher.publish(snapshot({"huge": model("pending", reason="Checking")}))
    process = await shell.start(verb, "huge", *options)
    while not runtime.commands.wishes:
        await asyncio.sleep(0.01)
    refused = model("pending", reason="ExceedsBudget", message="needs 90 GiB", refused=True)
    runtime.publisher.publish(snapshot({"huge": refused}))
    async with asyncio.timeout(GUARD):
        out, err = await process.communicate()
    assert 1 == process.returncode
    if options:
        assert "ExceedsBudget" == json.loads(out)["reason"]
    else:
        assert (b"", b"zoosup: huge is pending (can never fit: needs 90 GiB)\n") == (out, err)


async def test_for_programs_it_is_the_models_part_of_the_snapshot(shell, runtime, server):
    ended = await shell("stop", "a", "--json")
    assert runtime.publisher.snapshot["models"]["a"] == json.loads(ended.out)


async def test_an_unknown_model_is_4(shell, server):
    ended = await shell("start", "c")
    assert (4, "zoosup: no model 'c'\n") == (ended.code, ended.err)


async def test_what_cannot_be_granted_is_1_with_its_reason(shell, runtime, server):
    runtime.commands.fault = ZoosupError("zoosup is stopping")
    ended = await shell("start", "a")
    assert (1, "zoosup: zoosup is stopping\n") == (ended.code, ended.err)


async def test_reload_says_what_is_in_force(shell, runtime, server):
    ended = await shell("reload")
    assert (0, "/srv/zoo.yaml is in force, generation 3\n") == (ended.code, ended.out)
    assert [("reload",)] == runtime.commands.wishes


@pytest.mark.parametrize("options", [[], ["--json"]])
async def test_reload_of_a_bad_file_is_78_with_its_problems(shell, runtime, server, options):
    error = "zoo.yaml:3:1: activ: unknown key\nzoo.yaml:4:1: models: is missing"
    runtime.publisher.publish(snapshot(config={"error": error}))
    ended = await shell("reload", *options)
    assert 78 == ended.code
    if options:
        assert error == json.loads(ended.out)["error"]
    else:
        assert f"{error}\ngeneration 3 stays in force\n" == ended.err
