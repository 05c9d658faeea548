"""Runs of an earlier zoosup, found again: by made-up process tables first, then by real processes."""

import os
import signal
import subprocess
import sys

import pytest

from tests.host.conftest import GUARD, SUITE, eventually, lives
from zoosup.host.ports.host import RecordedRun
from zoosup.host.process.adoption import environments, find, recorded, unrecorded
from zoosup.host.process.processes import Processes
from zoosup.host.process.table import identity
from zoosup.host.process.table.identity import Identity, boot_session
from zoosup.host.process.table.proc_table import RUN_ID_VARIABLE, Row

MARK = f"{SUITE}-"
RUN = MARK + "1111"
OTHER = MARK + "2222"


def table(*rows):
    """Rows as (pid, pgid, sid, start, state)."""
    return {pid: Row(pid, 1, pgid, sid, start, state, 1, f"p{pid}") for pid, pgid, sid, start, state in rows}


def leader(pid, start):
    return Identity(pid, start, boot_session())


def found(leaders, rows, marks=None, *, logged=True):
    """What `find` says, as (leader's pid, whether it lives, members) by run id."""
    strays = unrecorded(leaders, MARK, marks or {})
    runs = find(leaders, rows, marks or {}, strays.keys() if logged else set())
    return {run_id: (run.leader.pid, run.leader_lives, set(run.members)) for run_id, run in runs.items()}


def test_a_living_leader_is_found_with_its_group_and_its_session():
    rows = table((100, 100, 100, 10, "S"), (101, 100, 100, 11, "S"), (102, 102, 100, 12, "S"))
    assert {RUN: (100, True, {100, 101, 102})} == found({RUN: leader(100, 10)}, rows)


def test_a_leader_is_found_by_its_identity_alone_where_no_environment_can_be_read():
    rows = table((100, 100, 100, 10, "S"))
    assert {RUN: (100, True, {100})} == found({RUN: leader(100, 10)}, rows, marks={})


def test_a_stranger_with_the_same_pid_is_not_the_leader():
    rows = table((100, 100, 100, 99, "S"), (101, 100, 100, 99, "S"))
    assert {} == found({RUN: leader(100, 10)}, rows)


def test_beside_a_stranger_with_the_leaders_pid_the_marked_are_found():
    rows = table((100, 100, 100, 99, "S"), (200, 200, 200, 12, "S"))
    assert {RUN: (100, False, {200})} == found({RUN: leader(100, 10)}, rows, {200: RUN})


def test_an_identity_of_another_boot_names_nobody():
    assert recorded(str(Identity(100, 10, "another boot"))) is None
    rows = table((100, 100, 100, 10, "S"))
    assert {} == found({RUN: recorded("100:10:another boot")}, rows)


@pytest.mark.parametrize("text", [None, "", "100", "100:10", "a:b:c", "100::x", "\0:1:2", "1e3:5:boot"])
def test_an_identity_that_can_not_be_read_names_nobody(text):
    assert recorded(text) is None


def test_an_identity_is_read_back_as_it_was_written():
    assert leader(100, 10) == recorded(str(leader(100, 10)))


def test_a_dead_leaders_session_that_lives_on_is_still_its_run():
    rows = table((101, 100, 100, 11, "S"), (102, 102, 100, 12, "S"))
    assert {RUN: (100, False, {101, 102})} == found({RUN: leader(100, 10)}, rows, {101: RUN})


def test_a_session_of_that_number_in_which_nobody_is_known_is_a_strangers():
    """Its leader had our pid after us, and has died since."""
    rows = table((101, 100, 100, 99, "S"), (200, 200, 200, 12, "S"))
    assert {} == found({RUN: leader(100, 10)}, rows)
    assert {RUN: (100, False, {200})} == found({RUN: leader(100, 10)}, rows, {200: RUN})


def test_a_zombie_leader_still_names_its_session():
    rows = table((100, 100, 100, 10, "Z"), (101, 100, 100, 11, "S"))
    assert {RUN: (100, False, {101})} == found({RUN: leader(100, 10)}, rows)


def test_a_leader_that_is_a_zombie_is_dead_but_its_children_are_found():
    rows = table((100, 100, 100, 10, "Z"), (101, 101, 101, 11, "S"))
    assert {RUN: (100, False, {101})} == found({RUN: leader(100, 10)}, rows, {101: RUN})


def test_a_leader_that_is_a_zombie_is_found_for_its_exit_code_is_still_to_be_had():
    rows = table((100, 100, 100, 10, "Z"), (101, 100, 100, 11, "Z"))
    assert {RUN: (100, False, set())} == found({RUN: leader(100, 10)}, rows, {101: RUN})


def test_a_run_of_which_only_zombies_but_the_leader_are_left_is_not_found():
    assert {} == found({RUN: leader(100, 10)}, table((101, 100, 100, 11, "Z")), {101: RUN})


def test_a_leader_whose_first_thread_alone_has_ended_lives():
    rows = {100: Row(100, 1, 100, 100, 10, "Z", 3, "server")}
    assert {RUN: (100, True, {100})} == found({RUN: leader(100, 10)}, rows)


def test_a_marked_child_in_a_session_of_its_own_is_found_beside_its_leader():
    rows = table((100, 100, 100, 10, "S"), (300, 300, 300, 13, "S"))
    assert {RUN: (100, True, {100, 300})} == found({RUN: leader(100, 10)}, rows, {100: RUN, 300: RUN})


def test_where_only_the_mark_is_left_the_eldest_session_leader_leads():
    rows = table((99, 100, 100, 9, "S"), (100, 100, 100, 10, "S"), (300, 300, 300, 13, "S"))
    assert {RUN: (100, True, {99, 100, 300})} == found({RUN: None}, rows, {99: RUN, 100: RUN, 300: RUN})


def test_where_only_the_mark_is_left_and_no_session_leader_the_eldest_leads():
    rows = table((101, 100, 100, 12, "S"), (102, 100, 100, 11, "S"))
    assert {RUN: (102, True, {101, 102})} == found({RUN: None}, rows, {101: RUN, 102: RUN})


def test_a_run_without_a_record_is_found_by_our_mark():
    rows = table((100, 100, 100, 10, "S"))
    assert {OTHER: (100, True, {100})} == found({}, rows, {100: OTHER})
    assert {} == found({}, rows, {100: OTHER}, logged=False)


def test_the_mark_of_another_state_directory_is_a_stranger():
    rows = table((100, 100, 100, 10, "S"))
    assert {} == found({}, rows, {100: "ffffffff-1111"})


def test_two_runs_of_a_dead_zoosup_are_kept_apart():
    rows = table((100, 100, 100, 10, "S"), (200, 200, 200, 20, "S"))
    leaders = {RUN: leader(100, 10), OTHER: leader(200, 20)}
    expected = {RUN: (100, True, {100}), OTHER: (200, True, {200})}
    assert expected == found(leaders, rows, {100: RUN, 200: OTHER})


def test_one_that_has_ended_since_its_environment_was_read_is_left_out():
    assert {} == found({RUN: None}, table((50, 50, 50, 5, "S")), {100: RUN})


def test_environments_are_read_of_the_living_only():
    rows = table((100, 100, 100, 10, "S"), (101, 100, 100, 11, "Z"), (102, 100, 100, 11, "S"))
    asked = []

    def run_id_of(pid):
        asked.append(pid)
        return RUN if pid == 100 else None

    assert {100: RUN} == environments(rows, run_id_of)
    assert [100, 102] == asked


def test_on_macos_the_boot_session_is_the_kernels_uuid(monkeypatch):
    answer = subprocess.CompletedProcess((), 0, stdout="5D0E-UUID\n")
    boot_session.cache_clear()
    monkeypatch.setattr(identity.sys, "platform", "darwin")
    monkeypatch.setattr(identity.subprocess, "run", lambda *_, **__: answer)
    try:
        assert Identity(7, 8, "5D0E-UUID") == recorded("7:8:5D0E-UUID")
        assert recorded("7:8:another") is None
    finally:
        boot_session.cache_clear()


class Successor:
    """A second zoosup's processes, after the first has died without a word."""

    def __init__(self, harness):
        self.harness = harness
        self.exits = []
        self.processes = None

    async def take_over(self, traces, mark=MARK):
        """The first stops watching, the second adopts: leaders' pids by run id."""
        await self.harness.processes.close()
        self.processes = Processes(
            lambda run_id, end: self.exits.append((run_id, end)), logs=self.harness.place, give_up=GUARD
        )
        self.harness.processes = self.processes  # swept with the harness
        return dict(await self.processes.adopt(traces, mark))


@pytest.fixture
def successor(harness):
    return Successor(harness)


def trace(harness, run_id, identity_text):
    return RecordedRun(harness.launch(run_id), identity_text)


async def test_a_run_is_adopted_with_its_pid_and_its_exit_is_noticed(harness, successor):
    pid = await harness.spawn(RUN, "/bin/sleep", "600")
    traces = {RUN: trace(harness, RUN, harness.processes.identity(RUN))}
    assert {RUN: pid} == await successor.take_over(traces)
    assert {pid} == successor.processes.members(RUN)
    assert [] == successor.exits
    os.kill(pid, signal.SIGKILL)
    await eventually(lambda: [run_id for run_id, _ in successor.exits] == [RUN])


async def test_an_adopted_run_has_the_identity_it_was_recorded_with(harness, successor):
    await harness.spawn(RUN, "/bin/sleep", "600")
    before = harness.processes.identity(RUN)
    await successor.take_over({RUN: trace(harness, RUN, before)})
    assert before == successor.processes.identity(RUN)


async def test_a_run_whose_record_knew_no_process_is_adopted_by_its_mark(harness, successor):
    pid = await harness.spawn(RUN, "/bin/sleep", "600")
    assert {RUN: pid} == await successor.take_over({RUN: trace(harness, RUN, None)})


async def test_a_run_without_a_record_is_found_and_can_be_ended(harness, successor):
    pid = await harness.spawn(RUN, "/bin/sleep", "600")
    assert {RUN: pid} == await successor.take_over({})
    assert "" == await harness.end(RUN)
    assert not lives(pid)


async def test_what_only_inherited_an_id_that_nobody_knows_is_left_alone_and_said(harness, successor, caplog):
    """Whatever is started from within a model has it: a tmux, a notebook's shell."""
    shell = subprocess.Popen(["/bin/sleep", "600"], env={RUN_ID_VARIABLE: RUN}, stdout=subprocess.DEVNULL)
    try:
        assert {} == await successor.take_over({})
        assert "" == await harness.end(RUN)
        assert shell.poll() is None
        assert f"pid {shell.pid}: bears the id of run {RUN}, which nobody knows; left alone" in caplog.text
        assert {RUN: shell.pid} == await successor.take_over({RUN: trace(harness, RUN, None)})
    finally:
        shell.kill()
        shell.wait()


async def test_a_run_that_has_ended_is_not_adopted(harness, successor):
    pid = await harness.spawn(RUN, "/bin/sleep", "600")
    text = harness.processes.identity(RUN)
    os.kill(pid, signal.SIGKILL)
    await harness.exited(RUN)
    assert {} == await successor.take_over({RUN: trace(harness, RUN, text)})
    assert successor.processes.identity(RUN) is None


async def test_a_record_that_names_a_stranger_harms_nobody(harness, successor):
    pid = await harness.spawn(f"stranger-{SUITE}", "/bin/sleep", "600")
    start = int(harness.processes.identity(f"stranger-{SUITE}").split(":")[1])
    stale = f"{pid}:{start - 1}:{boot_session()}"
    assert {} == await successor.take_over({RUN: trace(harness, RUN, stale)})
    assert "" == await harness.end(RUN)
    assert lives(pid)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)  # nobody else knows it any longer


@pytest.mark.parametrize("known", [True, False], ids=["by its record", "by its mark alone"])
@pytest.mark.parametrize(
    "case",
    [
        "leader-deaf",
        "group-child-deaf",
        "session-child-deaf",
        "session-child-cleared",
        "daemon",
        "fork-on-term",
        "deaf-with-deaf-session-child",
    ],
)
async def test_of_a_tree_that_is_adopted_nobody_is_left(harness, successor, case, known):
    await harness.start(case, RUN)
    text = harness.processes.identity(RUN)
    assert RUN in await successor.take_over({RUN: trace(harness, RUN, text)} if known else {})
    assert "" == await harness.end(RUN)
    assert [] == [role for role, pid in harness.pids(RUN).items() if lives(pid)]


async def test_a_run_that_clears_its_environment_is_adopted_by_its_log(harness, successor):
    """As `env -i` does, when the zoosup before died between the spawn and the record of the pid."""
    launch = harness.launch(RUN, "/usr/bin/env", "-i", "/bin/sleep", "600")
    pid = await harness.processes.spawn(launch)
    assert {RUN: pid} == await successor.take_over({RUN: trace(harness, RUN, None)})
    assert "" == await harness.end(RUN)
    assert not lives(pid)


async def test_a_daemon_that_clears_its_environment_is_ended_with_the_run_whose_log_it_inherited(
    harness, successor
):
    await harness.start("daemon-cleared", RUN)
    text = harness.processes.identity(RUN)
    await successor.take_over({RUN: trace(harness, RUN, text)})
    assert "" == await harness.end(RUN)
    assert [] == [role for role, pid in harness.pids(RUN).items() if lives(pid)]


async def test_a_leader_that_died_unwatched_is_told_and_its_children_are_ended(harness, successor):
    pids = await harness.start("crashed", RUN)
    text = harness.processes.identity(RUN)
    await harness.exited(RUN)
    assert {RUN: pids["leader"]} == await successor.take_over({RUN: trace(harness, RUN, text)})
    await eventually(lambda: [run_id for run_id, _ in successor.exits] == [RUN])
    assert lives(pids["child"])
    assert "" == await harness.end(RUN)
    assert not lives(pids["child"])


async def test_what_an_adopted_run_holds_is_weighed(harness, successor):
    script = "import time; block = bytearray(64 << 20); print('held', flush=True); time.sleep(600)"
    await harness.spawn(RUN, sys.executable, "-IS", "-c", script)
    await eventually(lambda: "held" in harness.log(RUN))
    await successor.take_over({RUN: trace(harness, RUN, harness.processes.identity(RUN))})
    assert 64 << 20 <= (await successor.processes.usage())[RUN] < 128 << 20


async def test_a_process_table_that_can_not_be_read_is_an_error_and_not_an_empty_host(harness, monkeypatch):
    def unreadable():
        raise OSError("no descriptor is left")

    monkeypatch.setattr(harness.processes._table, "scan", unreadable)
    with pytest.raises(OSError, match="no descriptor"):
        await harness.processes.adopt({}, MARK)
