"""`zoosup wait`: until it is so, or why it is not."""

import asyncio

import pytest

from tests.cli.conftest import GUARD
from tests.cli.fakes import condition, model, snapshot
from zoosup.cli.commands.looking.wait import check_goal
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
    runtime.publisher.publish(snapshot({"a": STOPPED | {"on_demand": True}}))
    process = await shell.start("wait", "a")
    async with asyncio.timeout(GUARD):
        said = b"zoosup: a is stopped until a request asks for it; still waiting\n"
        assert said == await process.stderr.readline()
        runtime.publisher.publish(snapshot())
        assert (b"", b"") == await process.communicate()
    assert 0 == process.returncode


async def test_a_time_out_is_124_with_what_is_missing_and_why(shell, runtime, server):
    waiting = model("pending", reason="WaitingForMemory", message="short of 3.1 GiB")
    runtime.publisher.publish(snapshot({"a": READY, "b": waiting}))
    ended = await shell("wait", "--timeout", "50ms")
    assert 124 == ended.code
    assert (
        "zoosup: not ready after 0.05 s\n  b is pending (waits for memory: short of 3.1 GiB)\n" == ended.err
    )


async def test_a_single_look_is_3_when_it_is_not_so(shell, runtime, server):
    runtime.publisher.publish(snapshot({"b": PENDING}))
    ended = await shell("wait", "-t", "0s")
    assert (3, "zoosup: not ready\n  b is pending\n") == (ended.code, ended.err)


GATEWAY_DOWN = condition("GatewayListening", "Refused", "127.0.0.1:8080 is in use")
DISPLACED = model("pending", on_demand=True, reason="WaitingForEviction")
TOO_LARGE = model("pending", reason="ExceedsBudget", message="needs 90 GiB", refused=True)
STOPPED_BY_HAND = model("stopped", active=True, override="stop")


@pytest.mark.parametrize(
    ("goal", "names", "models", "hopeless"),
    [
        ("ready", [], {"a": READY, "b": TOO_LARGE}, ["b is pending (can never fit: needs 90 GiB)"]),
        ("ready", ["b"], {"b": FAILED}, ["b is failed"]),
        ("ready", ["b"], {"b": STOPPED_BY_HAND}, ["b was stopped by hand; zoosup start b runs it"]),
        (
            "ready",
            ["b"],
            {"b": STOPPED},
            ["b is stopped and nothing will start it: it is not in `active`; zoosup start b runs it"],
        ),
        ("ready", ["b"], {"b": model("stopped", waiting=1)}, []),
        ("ready", ["b"], {"b": model("stopped", override="start")}, []),
        ("ready", ["b"], {"b": model("backoff")}, []),
        ("converged", [], {"b": TOO_LARGE}, ["b is pending (can never fit: needs 90 GiB)"]),
        ("converged", [], {"a": PENDING, "b": model("failed", active=False)}, []),
    ],
)
def test_what_no_waiting_brings_about_is_told_with_the_reason(goal, names, models, hopeless):
    assert hopeless == check_goal(snapshot(models, converged=False), goal, names).hopeless


def test_who_made_room_for_clients_is_not_waited_for():
    assert check_goal(snapshot({"a": READY, "b": DISPLACED}), "ready", []).met


@pytest.mark.parametrize("goal", ["ready", "converged"])
def test_a_gateway_that_does_not_listen_is_waited_for(goal):
    found = check_goal(snapshot(conditions=[GATEWAY_DOWN], converged=False), goal, [])
    assert (False, ["the gateway does not listen where zoo.yaml says: 127.0.0.1:8080 is in use"]) == (
        found.met,
        found.missing,
    )


async def test_a_model_that_can_not_be_had_ends_it_at_once_with_1_and_the_sum(shell, runtime, server):
    runtime.publisher.publish(snapshot({"a": READY, "b": TOO_LARGE}, converged=False))
    for words in ((), ("b",), ("--for", "converged")):
        ended = await shell("wait", *words, "-t", "50s")
        assert 1 == ended.code
        assert ended.err.startswith("zoosup: will not be ")
        assert "\n  b is pending (can never fit: needs 90 GiB)\n" in ended.err


async def test_a_refused_file_ends_it_at_once_with_78_and_the_place(shell, runtime, server):
    runtime.publisher.publish(snapshot(config={"error": "/srv/zoo.yaml:1:9: active: aa is no model"}))
    for words in ((), ("a",), ("--for", "converged"), ("-t", "0s")):
        ended = await shell("wait", *words)
        said = "/srv/zoo.yaml:1:9: active: aa is no model\ngeneration 3 stays in force\n"
        assert (78, said) == (ended.code, ended.err)
    assert 0 == (await shell("wait", "b", "--for", "stopped")).code


async def test_the_file_is_looked_at_before_anything_is_judged(shell, runtime, server):
    await shell("wait")
    assert [("reload",)] == runtime.commands.wishes


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
