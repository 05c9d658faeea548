"""Signals that reach whom they are meant for, or nobody.

Knows identities and pidfds. Refuses every target it has not just verified: a pid is a number that the kernel
gives away again (a stale pid file made Eternal Zoo kill an innocent group).
"""

import logging
import os
import signal
import sys
from contextlib import suppress

from zoosup.host.process.table.identity import Identity
from zoosup.host.process.table.proc_table import Table

_log = logging.getLogger(__name__)


def send(table: Table, target: Identity, signum: signal.Signals) -> bool:
    """Signal one process; False when it is gone, is somebody else by now, or may not be signalled.

    With a pidfd, opened before the identity is checked, no race is left; without one it is the time between
    two system calls.
    """
    _refuse_suicide(target.pid)
    handle = _pidfd(target.pid)
    try:
        if not _is_still(table, target):
            return False
        if handle is None:
            os.kill(target.pid, signum)
        else:
            _send_by(handle, target.pid, signum)
    except ProcessLookupError:
        return False
    except OSError as error:
        _log.warning("can't send %s to pid %d: %s", signum.name, target.pid, error)
        return False
    finally:
        if handle is not None:
            os.close(handle)
    return True


def _send_by(handle: int, pid: int, signum: signal.Signals) -> None:
    try:
        signal.pidfd_send_signal(handle, signum)
    except ProcessLookupError:
        raise
    except OSError as error:  # refused by a seccomp profile that is older than the call
        _log.debug("no signal by pidfd: %s", error)
        os.kill(pid, signum)


def send_group(table: Table, leader: Identity, signum: signal.Signals) -> bool:
    """Signal the leader's process group at once, so that no fork slips through; False when that can't be.

    Safe while the leader is an unreaped child of ours: till then neither its pid nor its group's id is given
    away.
    """
    _refuse_suicide(leader.pid)
    with suppress(OSError):
        if leader.pid != os.getpgrp() and _is_still(table, leader):
            os.killpg(leader.pid, signum)
            return True
    return False


def _refuse_suicide(pid: int) -> None:
    if pid <= 1 or pid == os.getpid():
        raise ValueError(f"internal error: a signal for pid {pid}")


def _is_still(table: Table, target: Identity) -> bool:
    row = table.look(target.pid)
    return target.of_this_boot() and row is not None and row.start == target.start


def _pidfd(pid: int) -> int | None:
    """A handle that stays with the process; None where the kernel has none to give."""
    if sys.platform == "linux":
        with suppress(OSError):
            return os.pidfd_open(pid)
    return None
