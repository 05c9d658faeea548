"""After "stopped" nobody lives: the nine cases in which others leave orphans, and the rungs one by one."""

import asyncio
import itertools
import os
import resource
import signal
import sys
import time

import psutil
import pytest

from tests.host.conftest import GUARD, RUN, SUITE

CASES = [
    "plain",
    "leader-deaf",
    "group-child-deaf",
    "session-child",
    "session-child-deaf",
    "crashed",
    "daemon",
    "fork-on-term",
    "session-child-cleared",
]


def lives(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def exists(pid):
    """Zombies too."""
    return psutil.pid_exists(pid)


@pytest.mark.parametrize("case", CASES)
async def test_nobody_of_the_run_is_left(harness, case):
    pids = await harness.start(case)
    assert "" == await harness.end()
    left = {role: pid for role, pid in (pids | harness.pids()).items() if exists(pid)}
    assert {} == {role: pid for role, pid in left.items() if lives(pid)}
    assert pids["leader"] not in left.values()


async def test_who_starts_programs_without_end_is_ended_with_all_of_them(harness):
    await harness.start("storm")
    assert "" == await harness.end()
    assert [] == [each for each in psutil.process_iter() if bears(each, RUN) and lives(each.pid)]


async def test_a_chain_of_which_each_forks_the_next_in_the_time_of_a_look_is_ended(harness):
    await harness.start("chain")
    assert "" == await harness.end()
    beat = (harness.place / RUN / ".beat").read_text()
    await asyncio.sleep(0.3)
    assert beat == (harness.place / RUN / ".beat").read_text()


@pytest.mark.parametrize(
    ("forks", "looks"),
    [
        (lambda _: 7, 2),  # nobody was forked meanwhile: whoever there is was seen
        (lambda asked: min(asked, 8), 5),  # somebody was, in the course of the first four
        (lambda asked: asked, 20),  # and all the while
        (lambda _: None, 2),  # nothing tells
    ],
)
async def test_an_empty_look_proves_something_if_nobody_was_forked_in_its_course(
    harness, monkeypatch, forks, looks
):
    await harness.spawn(RUN, "true")
    await harness.exited()
    await harness.eventually(harness.processes._looks._look.done)
    harness.processes._looks.close()  # those for which nobody waits
    table, asked, scans = harness.processes._scanner._table, itertools.count(), []
    scan = table.scan
    monkeypatch.setattr(table, "forks", lambda: forks(next(asked)), raising=False)
    monkeypatch.setattr(table, "scan", lambda *known: (scans.append(known), scan(*known))[1])
    monkeypatch.setattr(harness.processes._runs[RUN], "exited_at", time.monotonic())  # no older look will do
    assert "" == await harness.end()
    assert looks == len(scans)


def bears(process, run_id):
    try:
        return run_id == process.environ().get("ZOOSUP_RUN_ID")
    except psutil.Error:
        return False


async def test_a_case_that_forks_on_term_did_fork(harness):
    await harness.start("fork-on-term")
    await harness.end()
    assert "late" in harness.pids()


async def test_a_daemon_with_a_cleared_environment_is_caught_if_it_was_seen_before(harness):
    starting = asyncio.create_task(harness.start("daemon-cleared-once-seen"))
    await harness.eventually(lambda: harness.pids().get("child") in harness.processes.members(RUN))
    (harness.place / RUN / ".seen").touch()
    pids = await starting
    assert "" == await harness.end()
    assert [] == [role for role, pid in pids.items() if lives(pid)]


@pytest.mark.skipif(sys.platform != "linux", reason="threads of Linux")
async def test_a_process_whose_first_thread_alone_has_ended_counts_as_living(harness):
    pids = await harness.start("headless")
    usage = (await harness.processes.usage())[RUN]
    assert "" == await harness.end()
    assert not exists(pids["leader"])
    assert 0 < usage


async def test_a_stopped_process_is_woken_so_that_it_can_obey(harness):
    pids = await harness.start("plain")
    os.kill(pids["leader"], signal.SIGSTOP)
    # A SIGTERM that overtook it would need no waking.
    await harness.eventually(lambda: psutil.STATUS_STOPPED == psutil.Process(pids["leader"]).status())
    assert "" == await harness.end(grace=60)
    assert "SIGTERM" == harness.exits[0][1].signal
    assert not exists(pids["leader"])


async def test_a_stopped_process_that_outlives_its_leader_is_woken_too(harness):
    pids = await harness.start("crashed")
    await harness.exited()
    os.kill(pids["child"], signal.SIGSTOP)
    await harness.eventually(lambda: psutil.STATUS_STOPPED == psutil.Process(pids["child"]).status())
    began = time.monotonic()
    assert "" == await harness.end(grace=60)
    assert not lives(pids["child"])
    assert time.monotonic() < began + 50, "it was killed in its sleep"


async def test_a_member_outside_the_group_is_asked_before_it_is_killed(harness):
    pids = await harness.start("session-child")
    assert "" == await harness.end(grace=60)
    assert not lives(pids["child"])


async def test_who_is_forked_for_the_last_of_the_work_is_left_to_it(harness):
    await harness.start("clean-up-on-term")
    assert "" == await harness.end(grace=60)
    assert "cleaned" in harness.pids()
    assert 0 == harness.exits[0][1].code


async def test_who_is_forked_during_the_end_and_outlives_its_leader_is_asked_too(harness):
    await harness.start("fork-on-term-mild")
    assert "" == await harness.end(grace=60)
    assert not lives(harness.pids()["late"])


async def test_another_signal_can_be_asked_for(harness):
    await harness.start("leader-deaf")
    assert "" == await harness.end(signal="INT", grace=60)
    assert 1 == len(harness.exits)


async def test_the_grace_is_granted(harness):
    await harness.start("leader-deaf")
    begun = time.monotonic()
    await harness.end(grace=0.4)
    assert 0.4 <= time.monotonic() - begun
    assert "SIGKILL" == harness.exits[0][1].signal


async def test_hastening_brings_sigkill_forward(harness):
    pids = await harness.start("deaf-with-deaf-session-child")
    ending = asyncio.create_task(harness.end(grace=3600))
    await asyncio.sleep(0.05)
    assert lives(pids["leader"])
    harness.processes.hasten(RUN, 0.1)
    assert "" == await ending
    assert [] == [role for role, pid in pids.items() if lives(pid)]


async def test_a_ladder_that_has_only_just_been_asked_for_can_be_hastened(harness):
    await harness.start("leader-deaf")
    run = harness.processes._runs[RUN]
    ending = asyncio.create_task(harness.end(grace=3600))
    while run.ending is None:
        await asyncio.sleep(0)
    harness.processes.hasten(RUN, 0)
    async with asyncio.timeout(GUARD):
        assert "" == await ending


async def test_hastening_never_prolongs(harness):
    await harness.start("leader-deaf")
    ending = asyncio.create_task(harness.end(grace=0.2))
    await asyncio.sleep(0.05)
    harness.processes.hasten(RUN, 3600)
    assert "" == await ending


async def test_hastening_a_run_without_a_ladder_does_nothing(harness):
    pids = await harness.start("plain")
    harness.processes.hasten(RUN, 0)
    harness.processes.hasten("unknown", 0)
    await asyncio.sleep(0.05)
    assert lives(pids["leader"])


async def test_a_stop_command_runs_with_the_runs_environment_and_log_before_the_signal(harness):
    pids = await harness.start("leader-deaf")
    command = ("sh", "-c", f"echo $ZOOSUP_RUN_ID; kill -KILL {pids['leader']}")
    assert "" == await harness.end(command=command, grace=60)
    assert f"{RUN}\n" == (harness.place / f"{RUN}.log").read_text()
    assert not exists(pids["leader"])


@pytest.mark.parametrize("command", [("false",), ("/nowhere/docker", "stop")])
async def test_a_stop_command_that_fails_does_not_spare_the_run(harness, command, caplog):
    pids = await harness.start("plain")
    assert "" == await harness.end(command=command)
    assert not exists(pids["leader"])
    assert "stop command of model" in caplog.text


async def test_a_stop_command_that_hangs_is_killed_with_all_it_started(harness):
    pids = await harness.start("plain")
    note = harness.place / RUN / "command"
    script = f"trap '' TERM; sleep 600 & echo $! >{note}; wait"
    assert "" == await harness.end(command=("sh", "-c", script), grace=0.4)
    assert not exists(pids["leader"])
    assert not lives(harness.pids()["command"])
    assert [] == psutil.Process().children()


async def test_hastening_ends_a_stop_command(harness):
    await harness.start("plain")
    ending = asyncio.create_task(harness.end(command=("sleep", "600"), grace=3600))
    await asyncio.sleep(0.1)
    harness.processes.hasten(RUN, 0.05)
    assert "" == await ending
    assert [] == psutil.Process().children()


async def test_a_second_call_meanwhile_waits_for_the_same_end(harness):
    pids = await harness.start("leader-deaf")
    assert ["", ""] == await asyncio.gather(harness.end(), harness.end(grace=3600))
    assert not exists(pids["leader"])


async def test_a_caller_that_goes_away_does_not_stop_the_ladder(harness):
    pids = await harness.start("leader-deaf")
    ending = asyncio.create_task(harness.end())
    await asyncio.sleep(0.05)
    ending.cancel()
    assert "" == await harness.end(grace=3600)
    assert not exists(pids["leader"])


async def test_a_run_that_ended_before_or_never_was_has_nobody_left(harness):
    await harness.start("plain")
    assert ["", "", ""] == [await harness.end(), await harness.end(), await harness.end("unknown")]


@pytest.mark.timeout(900)
async def test_a_hundred_runs_end_together(harness):
    for number in range(100):
        await harness.spawn(f"run-{SUITE}-{number}", "/bin/sleep", "600")
    pids = [run.tree.leader.pid for run in harness.processes._runs.values()]
    assert 100 == len(pids)
    assert {""} == set(
        await asyncio.gather(*(harness.end(f"run-{SUITE}-{number}", grace=30) for number in range(100)))
    )
    assert [] == [pid for pid in pids if exists(pid)]
    assert 100 == len(harness.exits)
    assert {"SIGTERM"} == {exit_.signal for _, exit_ in harness.exits}


async def test_who_does_not_die_is_named_and_another_try_may_succeed(harness, monkeypatch):
    pids = await harness.start("deaf-with-deaf-session-child")
    harness.give_up_after(0.2)
    with monkeypatch.context() as patch:
        patch.setattr("zoosup.host.process.stop.termination.send_group", lambda *_: True)
        patch.setattr("zoosup.host.process.stop.termination.send", lambda *_: True)
        survivors = await harness.end(grace=0.1)
    expected = {f"pid {pids['leader']} (python", f"pid {pids['child']} (sleep), state S"}
    assert all(part in survivors for part in expected), survivors
    harness.give_up_after(GUARD)
    assert "" == await harness.end(grace=0.1)
    assert [] == [role for role, pid in pids.items() if lives(pid)]


async def test_who_is_missed_by_one_look_is_found_by_the_second(harness, monkeypatch):
    monkeypatch.setattr("zoosup.host.process.table.background_looks._EARLY_LOOKS", ())
    pids = await harness.start("leader-deaf")
    table = harness.processes._table
    scan, blind = table.scan, [{}]
    monkeypatch.setattr(table, "scan", lambda *known: blind.pop() if blind else scan(*known))
    assert "" == await harness.end(grace=0.1)
    assert not lives(pids["leader"])


@pytest.mark.parametrize("trouble", [OSError(24, "Too many open files"), TimeoutError()])
async def test_a_table_that_cannot_be_read_is_not_taken_for_an_empty_one(harness, monkeypatch, trouble):
    pids = await harness.start("plain")
    harness.give_up_after(0.2)

    def refuse(*_):
        raise trouble

    with monkeypatch.context() as patch:
        patch.setattr(harness.processes._table, "scan", refuse)
        assert "no look at the process table" in await harness.end(grace=0.1)
    harness.give_up_after(GUARD)
    assert "" == await harness.end()
    assert not exists(pids["leader"])


async def test_a_run_ends_once_the_table_can_be_read_again(harness):
    pids = await harness.start("leader-deaf")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))  # no further descriptor
    try:
        ending = asyncio.create_task(harness.end(grace=0.1))
        await asyncio.sleep(0.5)
        assert not ending.done()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert "" == await ending
    assert not exists(pids["leader"])


async def test_a_leader_that_ends_its_workers_itself_is_asked_alone(harness):
    await harness.start("ends-its-worker")
    assert "" == await harness.end(grace=20)
    assert "worker-lived" in harness.pids()


async def test_the_others_are_asked_after_a_share_of_the_grace(harness):
    pids = await harness.start("leader-deaf-with-child")
    ending = asyncio.create_task(harness.end(grace=8))
    began = time.monotonic()
    await asyncio.sleep(0.5)
    assert lives(pids["child"])
    await harness.eventually(lambda: not lives(pids["child"]))
    assert 1.5 < time.monotonic() - began < 7
    harness.processes.hasten(RUN, 0)
    assert "" == await ending


async def test_looks_at_a_run_that_will_not_end_are_few(harness, monkeypatch):
    table = harness.processes._table
    looks, scan = [], type(table).scan
    await harness.start("leader-deaf")
    monkeypatch.setattr(type(table), "scan", lambda self, *known: looks.append(1) or scan(self, *known))
    spent = time.process_time()
    assert "" == await harness.end(grace=1.5)
    assert len(looks) < 60
    assert time.process_time() - spent < 0.3, "it does not wait between them"
