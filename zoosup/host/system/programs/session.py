"""A program that we run for an answer leads a session of its own: whether it has ended, and the end of all of it.

Refuses to know why it was started, and anything of models, whose ends are `process`'s business.
"""

import os
import signal
import subprocess
from contextlib import suppress

import psutil


def has_ended(pid: int) -> bool:
    """Whether a child has, without reaping it."""
    if hasattr(os, "waitid"):
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE  # macOS before Python 3.13


def end_session(leader: "subprocess.Popen[bytes]") -> int:
    """Kill what is left of a session that a child of ours leads, reap the child, and return its exit code."""
    with suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for a group of zombies only
        os.killpg(leader.pid, signal.SIGKILL)
    for pid in psutil.pids():
        with suppress(OSError):
            if pid != leader.pid and os.getsid(pid) == leader.pid:
                os.kill(pid, signal.SIGKILL)
    return leader.wait()
