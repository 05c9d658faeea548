"""Runs from spawn to end: exits told apart, descriptors and zombies counted, memory weighed, our own death survived."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from tests.host.conftest import RUN, SUITE, eventually
from zoosup.core.state.phases import ExitReason
from zoosup.core.state.runs import Exit
from zoosup.host.ports.host import Ladder, SpawnError
from zoosup.host.process import spawn as spawning
from zoosup.host.process.processes import Processes

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("exit 0", Exit(ExitReason.COMPLETED, 7.0, code=0, message="exited with code 0")),
        ("exit 3", Exit(ExitReason.ERROR, 7.0, code=3, message="exited with code 3")),
        ("kill -SEGV $$", Exit(ExitReason.SIGNALED, 7.0, signal="SIGSEGV", message="killed by SIGSEGV")),
        ("exit 143", Exit(ExitReason.ERROR, 7.0, code=143, message="exited with code 143")),
    ],
)
async def test_codes_and_signals_are_told_apart(harness, script, expected):
    harness.processes._clock = lambda: 7.0
    await harness.spawn(RUN, "sh", "-c", script)
    await harness.exited()
    assert [(RUN, expected)] == harness.exits
    assert expected == (await harness.processes.terminate(RUN, Ladder("TERM", 0.2))).exit
    assert [(RUN, expected)] == harness.exits


async def test_a_leader_that_has_exited_keeps_its_pid_until_its_run_is_gone(harness):
    pids = await harness.start("crashed")
    await harness.exited()
    gc.collect()
    subprocess.run(["true"], check=True)  # Popen collects what it thinks is its own at each start
    assert psutil.STATUS_ZOMBIE == psutil.Process(pids["leader"]).status()
    assert psutil.pid_exists(pids["child"])
    assert "" == await harness.end()
    assert not psutil.pid_exists(pids["leader"])


async def test_a_run_of_that_name_cannot_be_started_twice(harness):
    await harness.spawn(RUN, "/bin/sleep", "600")
    with pytest.raises(ValueError, match="internal error"):
        await harness.spawn(RUN, "/bin/sleep", "600")


async def test_a_cancelled_spawn_leaves_a_run_that_can_be_ended(harness):
    spawning = asyncio.create_task(harness.spawn(RUN, "/bin/sleep", "600"))
    await asyncio.sleep(0)
    spawning.cancel()
    assert "" == await harness.end()
    assert [] == psutil.Process().children()


async def test_the_loop_turns_while_an_exec_hangs(harness, monkeypatch):
    disk = threading.Event()
    monkeypatch.setattr(spawning, "_open_log", lambda _: disk.wait() and os.open(os.devnull, os.O_WRONLY))
    harness.give_up_after(0.1)
    start = asyncio.create_task(harness.spawn(RUN, "/bin/sleep", "600"))
    await asyncio.sleep(0.05)
    assert "exec hangs" in await harness.end(grace=0.1)
    disk.set()
    assert await start in [child.pid for child in psutil.Process().children()]
    assert "" == await harness.end()


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


@linux
@pytest.mark.timeout(
    900
)  # two hundred after each other: seconds, or minutes on a machine that has other work
async def test_two_hundred_runs_leave_no_descriptor_and_no_zombie(harness):
    await harness.spawn(f"warm-{SUITE}", "true")
    await harness.end(f"warm-{SUITE}")
    before = descriptors()
    for number in range(200):
        run_id = f"run-{SUITE}-{number}"
        await harness.spawn(run_id, *(("true",) if number % 2 else ("/bin/sleep", "600")))
        assert "" == await harness.end(run_id)
    assert before == descriptors()
    assert [] == psutil.Process().children()


async def test_memory_is_counted_over_the_whole_tree_without_what_is_only_mapped(harness):
    held, weights, loaded = 64 << 20, harness.place / "weights", harness.place / "loaded"
    with weights.open("wb") as file:
        file.truncate(128 << 20)
    code = f"""
import mmap, subprocess, sys, time
file = open({str(weights)!r}, "rb")
mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
sum(mapped[::4096])
code = "block = b'x' * {held}; print(flush=True); input()"
child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
block = b"x" * {held}
child.stdout.readline()
open({str(loaded)!r}, "w").close()
time.sleep(600)
"""
    await harness.spawn(RUN, sys.executable, "-c", code)
    await harness.eventually(loaded.exists)
    assert 2 * held <= (await harness.processes.usage())[RUN] < 2 * held + (40 << 20)
    assert "" == await harness.end()
    assert {} == await harness.processes.usage()


async def test_members_are_found_as_they_come(harness):
    assert frozenset() == harness.processes.members("unknown")
    pids = await harness.start("session-child-cleared")
    await harness.eventually(lambda: harness.processes.members(RUN) == frozenset(pids.values()))


async def test_a_new_run_is_looked_at_though_nobody_asks(harness):
    """Else a daemon that clears its environment within its first second would be missed."""
    began = time.monotonic()
    await harness.spawn(RUN, "/bin/sleep", "600")
    await harness.eventually(lambda: harness.processes._scanner._last[False].begun > began)


async def test_a_leader_that_exits_unasked_has_its_remains_looked_for_before_anybody_asks(
    harness, monkeypatch
):
    monkeypatch.setattr("zoosup.host.process.table.background_looks._EARLY_LOOKS", ())
    pids = await harness.start("plain")
    began = time.monotonic()
    os.kill(pids["leader"], signal.SIGKILL)
    await harness.eventually(lambda: harness.processes._scanner._last[False].begun > began)
    looks, scan = [], harness.processes._table.scan
    monkeypatch.setattr(harness.processes._table, "scan", lambda *known: looks.append(known) or scan(*known))
    assert "" == await harness.end()
    assert [True] == [len(known) == 1 for known in looks]  # the second look, at whoever has come since


async def test_a_stranger_with_a_members_pid_is_never_signalled(harness):
    """As after a pid has been used anew: the number is in our books, but the start time isn't."""
    await harness.start("plain")
    stranger = subprocess.Popen(["/bin/sleep", "600"], start_new_session=True)
    try:
        family = harness.processes._scanner.trees[RUN]
        row = harness.processes._table.look(stranger.pid)
        family.members = {**family.members, stranger.pid: row._replace(start=row.start - 1)}
        assert "" == await harness.end()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


async def test_a_process_that_happens_to_run_beside_is_left_alone(harness):
    bystander = subprocess.Popen(["/bin/sleep", "600"])
    try:
        await harness.start("session-child-deaf")
        assert "" == await harness.end()
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


async def test_closing_leaves_the_living_alone_and_collects_the_dead(harness):
    processes = Processes(lambda *_: None)
    lives = await processes.spawn(harness.launch(f"lives-{SUITE}", "/bin/sleep", "600"))
    await processes.spawn(harness.launch(f"dead-{SUITE}", "true"))
    dead = f"dead-{SUITE}"
    await harness.eventually(lambda: dead in processes._runs and processes._runs[dead].exit is not None)
    await processes.close()
    try:
        assert [lives] == [child.pid for child in psutil.Process().children()]
    finally:
        os.kill(lives, signal.SIGKILL)
        os.waitpid(lives, 0)


async def test_closing_in_the_middle_of_a_ladder_ends_the_ladder(harness):
    processes = Processes(lambda *_: None)
    pid = await processes.spawn(harness.launch(RUN, "sh", "-c", "trap '' TERM; echo; sleep 600"))
    await harness.eventually(lambda: harness.log() != "")
    ending = asyncio.create_task(processes.terminate(RUN, Ladder("TERM", 600)))
    await asyncio.sleep(0.05)
    await processes.close()
    try:
        with pytest.raises(asyncio.CancelledError):
            await ending
        assert psutil.pid_exists(pid)
    finally:
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


PARENT = """
import asyncio, sys
from pathlib import Path
from zoosup.host.ports.launch import Launch
from zoosup.host.process.processes import Processes
async def main():
    place = Path(sys.argv[1])
    processes = Processes(lambda *_: None)
    argv = (sys.executable, "-IS", sys.argv[2], "writer", str(place))
    await processes.spawn(Launch(sys.argv[3], "m", argv, {}, None, place / "log"))
    await asyncio.sleep(600)
asyncio.run(main())
"""


async def test_a_model_outlives_us_and_goes_on_writing(harness, tmp_path_factory):
    place = tmp_path_factory.mktemp("writer")
    children = Path(__file__).parents[1] / "misbehaving_programs.py"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(place), str(children), RUN])
    log = place / "log"
    await harness.eventually(lambda: log.exists() and log.stat().st_size > 50)
    parent.kill()
    parent.wait()
    written = log.stat().st_size
    await harness.eventually(lambda: log.stat().st_size > written + 100)
    writer = int((place / "leader").read_text())
    assert psutil.Process(writer).status() != psutil.STATUS_ZOMBIE
    os.kill(writer, signal.SIGKILL)


async def test_a_child_that_cannot_be_identified_is_not_left_running(harness, monkeypatch):
    monkeypatch.setattr(harness.processes._table, "look", lambda _: None)
    with pytest.raises(SpawnError, match="no look at the process table"):
        await harness.spawn(RUN, "/bin/sleep", "600")
    await harness.eventually(lambda: psutil.Process().children() == [])
    assert frozenset() == harness.processes.members(RUN)


async def test_memory_that_cannot_be_measured_is_an_error_not_nothing(harness, monkeypatch):
    await harness.spawn(RUN, "/bin/sleep", "600")

    def refuse():
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(harness.processes._table, "scan", refuse)
        with pytest.raises(OSError, match="Too many"):
            await harness.processes.usage()
        harness.processes.members(RUN)  # looks in the background, and says nothing of the failure
        await asyncio.sleep(0.05)
    assert 0 < (await harness.processes.usage())[RUN]


@pytest.mark.parametrize("leads", [True, False])
async def test_a_stranger_is_followed_until_it_ends_and_never_touched(harness, leads):
    script = "sleep 600 & echo $!; exec sleep 601"
    stranger = subprocess.Popen(["sh", "-c", script], start_new_session=leads, stdout=subprocess.PIPE)
    child = int(stranger.stdout.readline())
    try:
        who = harness.processes.watch("hold", stranger.pid)
        assert (str(stranger.pid), "") == (who.partition(":")[0], harness.processes.watch("other", 2**22))
        await eventually(lambda: len(harness.processes.members("hold")) == 2)
        assert "hold" in await harness.processes.usage()
        stranger.kill()
        await eventually(lambda: [run for run, _ in harness.exits] == ["hold"])
        await harness.processes.usage()
        assert {child} == harness.processes.members("hold"), "what it has started lives on"
        harness.processes.unwatch("hold")
        assert (frozenset(), None) == (harness.processes.members("hold"), harness.processes.identity("hold"))
        assert -signal.SIGKILL == stranger.wait(), "it was collected by somebody else"
    finally:
        os.kill(child, signal.SIGKILL)
        stranger.stdout.close()


async def test_a_stranger_that_is_no_longer_followed_is_not_told_of(harness):
    stranger = subprocess.Popen(["sleep", "600"])
    harness.processes.watch("hold", stranger.pid)
    harness.processes.unwatch("hold")
    harness.processes.unwatch("hold")
    stranger.kill()
    stranger.wait()
    await asyncio.sleep(0.05)
    assert [] == harness.exits
