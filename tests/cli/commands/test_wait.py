"""`zoosup wait`: until it is so, or why it is not."""

import asyncio

import pytest

from tests.cli.conftest import GUARD
from tests.cli.fakes import model, snapshot
from zoosup.cli.commands.wait import check_goal
from zoosup.web.api.server import WebServer

READY, PENDING, FAILED, STOPPED = (model(phase) for phase in ("ready", "pending", "failed", "stopped"))


@pytest.mark.parametrize(
    ("goal", "names", "models", "so"),
    [
        ("ready", [], {"a": READY, "b": STOPPED}, True),
        ("ready", [], {"a": READY, "b": PENDING}, False),
        ("ready", ["a"], {"a": READY, "b": PENDING}, True),
        ("ready", ["b"], {"a": READY, "b": STOPPED}, False),
        ("ready", [], {}, True),
        ("stopped", ["b"], {"a": READY, "b": STOPPED}, True),
        ("stopped", [], {"a": READY, "b": STOPPED}, False),
        ("stopped", ["b"], {"b": FAILED}, True),
        ("stopped", ["b"], {"b": PENDING}, False),
        ("stopped", ["b"], {"b": model("stopping")}, False),
        ("stopped", ["b"], {"b": model("backoff")}, False),
    ],
)
def test_a_goal_is_judged_by_the_phases(goal, names, models, so):
    assert so == check_goal(snapshot(models), goal, names).met


@pytest.mark.parametrize("converged", [True, False])
def test_converged_is_what_the_supervisor_says(converged):
    assert converged == check_goal(snapshot(converged=converged), "converged", []).met


async def test_what_is_so_already_ends_at_once(shell, server):
    ended = await shell("wait")
    assert (0, "", "") == (ended.code, ended.out, ended.err)


async def test_it_ends_when_the_model_becomes_ready(shell, runtime, server):
    runtime.publisher.publish(snapshot({"a": FAILED}))
    process = await shell.start("wait", "a")
    async with asyncio.timeout(GUARD):
        assert b"zoosup: a is failed; still waiting\n" == await process.stderr.readline()
        runtime.publisher.publish(snapshot())
        assert (b"", b"") == await process.communicate()
    assert 0 == process.returncode


async def test_a_time_out_is_124_with_what_is_missing_and_why(shell, runtime, server):
    waiting = model("pending", reason="WaitingForMemory", message="short of 3.1 GiB")
    runtime.publisher.publish(snapshot({"a": READY, "b": waiting}))
    ended = await shell("wait", "--timeout", "50ms")
    assert 124 == ended.code
    assert (
        "zoosup: not ready after 0.05 s\n  b is pending (WaitingForMemory: short of 3.1 GiB)\n" == ended.err
    )


async def test_a_single_look_is_3_when_it_is_not_so(shell, runtime, server):
    runtime.publisher.publish(snapshot({"b": PENDING}))
    ended = await shell("wait", "-t", "0s")
    assert (3, "not ready\n  b is pending\n") == (ended.code, ended.err)


async def test_an_unknown_model_is_4(shell, server):
    assert 4 == (await shell("wait", "aa")).code


async def test_it_may_be_there_before_the_supervisor(shell, runtime):
    process = await shell.start("wait", "--timeout", "60s")
    async with asyncio.timeout(GUARD):
        assert b"no supervisor answers" in await process.stderr.readline()
        (shell.home / "state").mkdir()
        server = WebServer(runtime, control=shell.home / "state" / "control.sock")
        await server.start(None)
        assert 0 == await process.wait()
    await server.stop()


async def test_a_supervisor_that_never_comes_is_69(shell):
    assert 69 == (await shell("wait", "--timeout", "200ms")).code
