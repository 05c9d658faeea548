"""Exits are noticed once, by whichever way the system has, and nobody is reaped for it."""

import asyncio
import os
import select
import subprocess
import sys
from types import SimpleNamespace

import psutil
import pytest

from zoosup.core.state.phases import ExitReason
from zoosup.host.process.exit_watcher import KqueueWatcher, PidfdWatcher, PollingWatcher, host_watcher
from zoosup.host.process.table.proc_table import host_table
from zoosup.host.process.wait_status import describe, peek, reap

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs pidfd")


class Notices(list):
    """What a watcher has said, and an event for it."""

    def __init__(self):
        self.come = asyncio.Event()

    def __call__(self, status):
        self.append(status)
        self.come.set()


def polling():
    return PollingWatcher(asyncio.get_running_loop(), host_table())


def pidfd():
    return PidfdWatcher(asyncio.get_running_loop(), polling())


WAYS = [pytest.param(pidfd, marks=linux), polling]


@pytest.fixture
def child():
    process = subprocess.Popen(["/bin/sleep", "600"])
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("way", WAYS)
async def test_an_exit_is_noticed_once_and_leaves_a_zombie(way, child):
    notices = Notices()
    way().watch(child.pid, notices)
    await asyncio.sleep(0.06)
    assert [] == notices
    child.terminate()
    await asyncio.wait_for(notices.come.wait(), 20)
    await asyncio.sleep(0.06)
    assert [None] == notices
    assert psutil.STATUS_ZOMBIE == psutil.Process(child.pid).status()


@pytest.mark.parametrize("way", WAYS)
async def test_who_has_exited_before_is_noticed_too(way):
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    zombie, gone = Notices(), Notices()
    way().watch(child.pid, zombie)
    await asyncio.wait_for(zombie.come.wait(), 20)
    child.wait()
    way().watch(child.pid, gone)
    await asyncio.wait_for(gone.come.wait(), 20)


@pytest.mark.parametrize("way", WAYS)
async def test_a_cancelled_watch_says_nothing_and_holds_nothing(way, child):
    notices = Notices()
    before = psutil.Process().num_fds()
    cancel = way().watch(child.pid, notices)
    cancel()
    cancel()
    assert before == psutil.Process().num_fds()
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    await asyncio.sleep(0.06)
    assert [] == notices


@linux
async def test_without_a_descriptor_left_it_polls(child, monkeypatch):
    def refuse(_):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    notices = Notices()
    pidfd().watch(child.pid, notices)
    child.kill()
    await asyncio.wait_for(notices.come.wait(), 20)


class FakeQueue:
    """As much of kqueue as is used: a pipe stands for the queue's descriptor."""

    def __init__(self):
        self.read_end, self.write_end = os.pipe()
        self.wanted, self.ready = [], []
        self.zombies = set()

    def fileno(self):
        return self.read_end

    def control(self, changes, most, timeout):
        for change in changes:
            if change.ident in self.zombies:
                raise ProcessLookupError
            self.wanted.append((change.ident, *change.asked))
        ready, self.ready = self.ready[:most], self.ready[most:]
        if ready:
            os.read(self.read_end, 1)
        return ready

    def exit(self, pid, status):
        self.ready.append(SimpleNamespace(ident=pid, data=status, fflags=0x04000000))
        os.write(self.write_end, b".")

    def close(self):
        os.close(self.read_end)
        os.close(self.write_end)


def kevent(ident, of, flags, notes):
    return SimpleNamespace(ident=ident, asked=(of, flags, notes))


@pytest.fixture
def queue(monkeypatch):
    """A system with kqueue."""
    queue = FakeQueue()
    names = {"KQ_EV_ADD": 1, "KQ_EV_ONESHOT": 16, "KQ_FILTER_PROC": -5, "KQ_NOTE_EXIT": 1 << 31}
    for name, value in names.items():
        monkeypatch.setattr(select, name, value, raising=False)
    monkeypatch.setattr(select, "kqueue", lambda: queue, raising=False)
    monkeypatch.setattr(select, "kevent", kevent, raising=False)
    return queue


async def test_kqueue_hands_out_the_status(queue):
    watcher = KqueueWatcher(asyncio.get_running_loop(), polling())
    notices, cancelled = Notices(), Notices()
    watcher.watch(77, notices.__call__)
    watcher.watch(77, cancelled.__call__)()
    # once, with the status (EV_ADD and EV_ONESHOT, NOTE_EXIT and NOTE_EXITSTATUS)
    assert [(77, -5, 1 | 16, 1 << 31 | 0x04000000)] * 2 == queue.wanted
    queue.exit(77, 3 << 8)
    await asyncio.wait_for(notices.come.wait(), 20)
    assert ([3 << 8], []) == (notices, cancelled)
    watcher.close()


async def test_kqueue_leaves_zombies_to_polling(queue, child):
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    queue.zombies = {child.pid}
    watcher = KqueueWatcher(asyncio.get_running_loop(), polling())
    notices = Notices()
    watcher.watch(child.pid, notices)
    await asyncio.wait_for(notices.come.wait(), 20)
    watcher.close()


async def test_each_system_has_its_way(monkeypatch, queue):
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(sys, "platform", "darwin")
    watcher = host_watcher(loop, host_table())
    assert isinstance(watcher, KqueueWatcher)
    watcher.close()
    monkeypatch.delattr(select, "kqueue")
    assert isinstance(host_watcher(loop, host_table()), PollingWatcher)


def exited(*argv):
    child = subprocess.Popen(argv)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    child.returncode = 0  # ours to collect
    return child.pid


@linux
def test_an_exit_code_can_be_read_without_collecting_the_child():
    for script, code in (("exit 3", 3), ("kill -TERM $$", -15), ("exit 0", 0)):
        pid = exited("sh", "-c", script)
        assert [code, code] == [peek(pid, None), peek(pid, None)]
        assert code == reap(pid)
        assert None is reap(pid)
        assert None is peek(pid, None)


def test_a_status_that_came_with_the_notice_is_used():
    assert [3, -9] == [peek(1, 3 << 8), peek(1, 9)]


def test_without_waitid_the_child_is_collected_for_its_code(monkeypatch):
    pid = exited("sh", "-c", "exit 3")
    monkeypatch.delattr(os, "waitid")
    assert 3 == peek(pid, None)
    assert not psutil.pid_exists(pid)


def test_a_child_that_still_runs_is_neither_read_nor_collected(child):
    assert (None, None) == (peek(child.pid, None), reap(child.pid))


def test_signals_are_named_where_they_have_a_name():
    assert ["SIGKILL", "signal 40"] == [describe(-9, 0.0).signal, describe(-40, 0.0).signal]
    assert "collected by somebody else" in describe(None, 0.0).message


@pytest.mark.parametrize(
    ("code", "reason", "fields", "said"),
    [
        (None, ExitReason.ERROR, (None, None), "exited; its status was collected by somebody else"),
        (0, ExitReason.COMPLETED, (0, None), "exited with code 0"),
        (1, ExitReason.ERROR, (1, None), "exited with code 1"),
        (-9, ExitReason.SIGNALED, (None, "SIGKILL"), "killed by SIGKILL"),
        (-1, ExitReason.SIGNALED, (None, "SIGHUP"), "killed by SIGHUP"),
        (-50, ExitReason.SIGNALED, (None, "signal 50"), "killed by signal 50"),
    ],
)
def test_how_a_child_ended_in_words(code, reason, fields, said):
    found = describe(code, 7.0)
    assert (reason, 7.0, fields, said) == (found.reason, found.at, (found.code, found.signal), found.message)


async def test_who_can_not_be_looked_for_is_looked_for_again():
    rows = iter(
        [OSError(24, "Too many open files"), SimpleNamespace(living=True), SimpleNamespace(living=False)]
    )
    told = asyncio.Event()

    def look(_):
        row = next(rows)
        if isinstance(row, OSError):
            raise row
        return row

    watcher = PollingWatcher(asyncio.get_running_loop(), SimpleNamespace(look=look))
    watcher.watch(7, lambda _: told.set())
    await asyncio.wait_for(told.wait(), 20)
    assert [] == list(rows)
