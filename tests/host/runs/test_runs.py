"""A run in a container keeps every promise that one of processes keeps, on real engines."""

import asyncio
import os
import signal
import time

import psutil
import pytest

from tests.host.runs.conftest import GUARD, MARK, Harness
from zoosup.core.state.phases import ExitReason
from zoosup.host.ports.host import SpawnError

pytestmark = pytest.mark.e2e


async def test_what_lives_in_the_container_is_the_run(harness: Harness):
    await harness.start("r1", "hold", "64", "sleep", "0")
    (container,) = harness.containers("r1")

    def inside():
        return {pid for pid in harness.processes_of(container) if psutil.Process(pid).name() == "tiny"}

    await harness.eventually(inside)
    await harness.eventually(lambda: inside() <= harness.runs.members("r1"))
    until = time.monotonic() + GUARD
    while (held := (await harness.runs.usage())["r1"]) < 64 << 20:
        assert time.monotonic() < until
        await asyncio.sleep(0.05)
    assert held < 256 << 20


@pytest.mark.parametrize(
    ("words", "reason"), [(("sleep", "0"), "Completed"), (("deaf", "sleep", "0"), "Signaled")]
)
async def test_after_the_end_nobody_lives_and_the_engine_has_nothing(harness: Harness, words, reason):
    await harness.start("r1", *words)
    (container,) = harness.containers("r1")
    ended = await harness.end("r1", grace=2.0 if "deaf" in words else 30.0)
    assert "" == ended.survivors
    assert reason == ended.exit.reason
    assert set() == harness.processes_of(container)
    assert [] == harness.containers("r1")
    assert [] == list((harness.place / "containers").iterdir())


async def test_a_ladder_under_way_can_be_shortened(harness: Harness):
    await harness.start("r1", "deaf", "sleep", "0")
    ending = asyncio.create_task(harness.end("r1", grace=600.0))
    await asyncio.sleep(0.5)
    harness.runs.hasten("r1", 0.2)
    assert "" == (await asyncio.wait_for(ending, 60)).survivors
    assert [] == harness.containers("r1")


async def test_it_is_asked_by_the_signal_that_ends_its_image(harness: Harness):
    """With the host's pids: the first of its own would never see a signal that it has no handler for."""
    await harness.start("r1", "deaf", "sleep", "0", pid="host", stop_signal="SIGINT")
    ended = await harness.end("r1", grace=10.0)
    assert ("", "SIGINT") == (ended.survivors, ended.exit and ended.exit.signal)


@pytest.mark.parametrize(("code", "expected"), [(0, "Completed"), (3, "Error"), (139, "Signaled")])
async def test_how_it_ended_is_told(harness: Harness, code, expected):
    await harness.start("r1", "exit", str(code))
    await harness.eventually(lambda: harness.exits)
    run_id, ended = harness.exits[0]
    assert ("r1", expected) == (run_id, ended.reason)
    assert code == ended.code or "SIGSEGV" == ended.signal
    assert ended == (await harness.end("r1")).exit


async def test_a_container_that_somebody_else_removes_has_ended(harness: Harness):
    await harness.start("r1", "sleep", "0")
    harness.engine.cli("rm", "-f", *harness.containers("r1"))
    await harness.eventually(lambda: harness.exits)
    assert "" == (await harness.end("r1")).survivors
    assert 1 == len(harness.exits)


async def test_a_client_that_is_killed_leaves_nothing_for_long(harness: Harness):
    if not harness.by_client:
        pytest.skip("there is no client")
    pid = await harness.start("r1", "sleep", "0")
    os.kill(pid, signal.SIGKILL)
    await harness.eventually(lambda: harness.exits)
    assert "lived on" in harness.exits[0][1].message
    (container,) = harness.containers("r1")
    assert harness.processes_of(container)
    assert "" == (await harness.end("r1")).survivors
    assert [] == harness.containers("r1")
    assert set() == harness.processes_of(container)


async def test_the_next_zoosup_finds_it(harness: Harness):
    pid = await harness.start("r1", "count", "3", "0", "sleep", "0")
    (container,) = harness.containers("r1")
    assert {"r1": pid} == await harness.again()
    assert harness.processes_of(container) & harness.runs.members("r1")
    ended = await harness.end("r1")
    assert ("", ExitReason.COMPLETED) == (ended.survivors, ended.exit.reason)
    assert [] == harness.containers("r1")
    assert [b"line 000000", b"line 000001", b"line 000002"] == harness.output("r1")


async def test_the_next_zoosup_ends_what_has_no_record(harness: Harness):
    await harness.start("r1", "sleep", "0")
    (container,) = harness.containers("r1")
    assert ["r1"] == list(await harness.again(records=False))
    assert "" == (await harness.end("r1")).survivors
    assert [] == harness.containers("r1")
    assert set() == harness.processes_of(container)


async def test_what_ended_while_nobody_watched_is_cleared_away(harness: Harness):
    pid = await harness.start("r1", "sleep", "0")
    (container,) = harness.containers("r1")
    await harness.runs.close()
    harness.engine.cli("kill", container)
    await harness.eventually(lambda: not harness.processes_of(container))
    if harness.by_client:
        await asyncio.to_thread(
            os.waitpid, pid, 0
        )  # it is a child of this process, which no zoosup watches now
    assert {} == await harness.again()
    await harness.eventually(lambda: harness.containers("r1") == [])


async def test_a_container_of_ours_that_nothing_names_is_removed(harness: Harness):
    labels = ("--label", f"zoosup.instance={MARK}", "--label", "zoosup.run=r9")
    await harness.start("r1", "sleep", "0")
    harness.engine.cli("run", "-d", "--network", "host", *labels, "zoosup-test/tiny:1", "sleep", "0")
    await harness.again()
    await harness.eventually(lambda: harness.containers("r9") == [])
    assert 1 == len(harness.containers("r1"))


async def test_a_container_of_another_state_directory_of_that_path_is_left_alone(harness: Harness):
    """As of a zoosup in a container of its own, with the same engine."""
    named = ("--label", f"zoosup.instance={MARK}", "--label", "zoosup.run=r9", "--label")
    await harness.start("r1", "sleep", "0")
    for place in ("zoosup.place=1.1", f"zoosup.place={harness.runs._files.place()}"):
        harness.engine.cli(
            "run", "-d", "--network", "host", *named, place, "zoosup-test/tiny:1", "sleep", "0"
        )
    await harness.again()
    await harness.eventually(lambda: len(harness.containers("r9")) == 1)
    (left,) = harness.containers("r9")
    place = harness.engine.cli("inspect", "--format", '{{index .Config.Labels "zoosup.place"}}', left).strip()
    harness.engine.cli("rm", "-f", left)
    assert ("1.1", 1) == (place, len(harness.containers("r1")))


async def test_a_refusal_is_told_in_the_engines_own_words(harness: Harness):
    if harness.by_client:
        pytest.skip("its client tells them in the log")
    with pytest.raises(SpawnError, match="no_such_option") as caught:
        await harness.runs.spawn(harness.launch("r1", "sleep", "0", no_such_option=1))
    assert ExitReason.NOT_EXECUTABLE == caught.value.reason
    assert [] == harness.containers("r1")


async def test_an_engine_that_is_away_is_no_proof_of_an_end(harness: Harness):
    await harness.start("r1", "deaf", "sleep", "0")
    (container,) = harness.containers("r1")
    if harness.engine.name == "podman" and harness.by_client:
        pytest.skip("podman's client needs no engine")
    harness.engine.kill()
    try:
        ended = await harness.end("r1", grace=1.0)
        assert ended.survivors
        assert set() == harness.processes_of(container)  # we may signal them here, and so they are gone
    finally:
        harness.engine.socket.unlink(missing_ok=True)
        harness.engine.start()
    assert "" == (await harness.end("r1", grace=1.0)).survivors
    assert [] == harness.containers("r1")
