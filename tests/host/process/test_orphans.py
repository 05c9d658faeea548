"""What pid 1 has to do for processes that nobody else waits for."""

import os
import subprocess
import sys

import pytest

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
