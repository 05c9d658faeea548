"""How a child of ours ended: read without reaping it, and reaped when nothing of its run is left.

Knows wait statuses. Refuses to block, and to know what an exit means for a model.
"""

import os
import signal
from contextlib import suppress

from zoosup.core.state.phases import ExitReason
from zoosup.core.state.runs import Exit

_HOW_TO_PEEK = ("waitid", "WNOWAIT")  # os has them on Linux, and on macOS from Python 3.13


def peek(pid: int, status: int | None) -> int | None:
    """Return the exit code of an exited child, negative for a signal; None when it can't be told.

    `status` is the wait status where the exit notice brought it along. Without it, and where the system can't
    be asked without reaping, the child is reaped.
    """
    if status is not None:
        return os.waitstatus_to_exitcode(status)
    if not all(hasattr(os, name) for name in _HOW_TO_PEEK):
        return reap(pid)
    with suppress(ChildProcessError):
        seen = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if seen is not None:
            return seen.si_status if seen.si_code == os.CLD_EXITED else -seen.si_status
    return None


def reap(pid: int) -> int | None:
    """Collect an exited child, so that no zombie stays; return its exit code, None when there was none."""
    with suppress(ChildProcessError):
        collected, status = os.waitpid(pid, os.WNOHANG)
        if collected == pid:
            return os.waitstatus_to_exitcode(status)
    return None


def describe(code: int | None, at: float) -> Exit:
    """Tell an exit code and a signal apart; `at` is wall time."""
    if code is None:
        return Exit(ExitReason.ERROR, at, message="exited; its status was collected by somebody else")
    if code < 0:
        name = _signal_name(-code)
        return Exit(ExitReason.SIGNALED, at, signal=name, message=f"killed by {name}")
    if code > 0:
        return Exit(ExitReason.ERROR, at, code=code, message=f"exited with code {code}")
    return Exit(ExitReason.COMPLETED, at, code=0, message="exited with code 0")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"  # a real-time signal between SIGRTMIN and SIGRTMAX
