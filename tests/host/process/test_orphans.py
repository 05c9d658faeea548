"""What pid 1 has to do for processes that nobody else waits for."""

import asyncio
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from zoosup.host.process import orphans

PROGRAM = """
import ctypes, os, sys, time
from zoosup.host.process.orphans import Orphans
from zoosup.host.process.table.proc_table import host_table
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: orphans come to us, as to pid 1
ours = os.fork()
if ours == 0:
    os._exit(7)
child = os.fork()
if child == 0:
    for _ in range(3):
        if os.fork() == 0:
            os._exit(0)
    os._exit(0)
os.waitpid(child, 0)
time.sleep(0.3)
orphans = Orphans(host_table())
print(orphans.reap(frozenset({ours})), orphans.reap(frozenset({ours})), orphans.reap(frozenset({ours})))
print(os.waitstatus_to_exitcode(os.waitpid(ours, 0)[1]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a subreaper is Linux's")
def test_orphans_are_collected_at_the_second_look_and_our_own_are_left():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert ["0 3 0", "7"] == done.stdout.splitlines()


class Table:
    """A process table with these rows: pid, start, parent, living."""

    def __init__(self, *rows):
        self.rows = rows

    def scan(self):
        names = ("pid", "start", "ppid", "living")
        return {row[0]: SimpleNamespace(**dict(zip(names, row, strict=True))) for row in self.rows}


def test_only_who_was_a_zombie_of_ours_at_the_last_look_too_is_collected(monkeypatch):
    me, reaped = os.getpid(), []
    monkeypatch.setattr(orphans, "reap", reaped.append)
    table = Table(
        (1, 5, me, False), (2, 5, me, True), (3, 5, me + 1, False), (4, 5, me, False), (5, 5, me, False)
    )
    found = orphans.Orphans(table)
    assert (0, []) == (found.reap(frozenset({4})), reaped)
    table.rows = (*table.rows[:4], (5, 6, me, False))  # another with the same pid
    assert (1, [1]) == (found.reap(frozenset({4})), reaped)
    table.rows = table.rows[1:]
    assert (1, [1, 5]) == (found.reap(frozenset({4})), reaped)


@pytest.mark.looptime
async def test_every_ten_seconds_is_looked_where_orphans_come_to_us_and_it_is_known_who_is_ours(monkeypatch):
    looks, loop = [], asyncio.get_running_loop()
    began, ours = loop.time(), iter([frozenset({1}), None, frozenset({2}), frozenset({3})])

    async def in_own_thread(work):
        looks.append((round(loop.time() - began), *work.args))
        if len(looks) == 2:
            raise OSError(24, "Too many open files")

    monkeypatch.setattr(orphans, "in_own_thread", in_own_thread)
    monkeypatch.setattr(orphans, "needed", lambda: len(looks) < 3)
    await orphans.collect(Table(), lambda: next(ours))
    assert [(10, frozenset({1})), (30, frozenset({2})), (40, frozenset({3}))] == looks


@pytest.mark.parametrize(("pid", "needed"), [(1, True), (2, False)])
def test_orphans_come_to_the_process_with_pid_1(monkeypatch, pid, needed):
    monkeypatch.setattr(os, "getpid", lambda: pid)
    assert needed is orphans.needed()
