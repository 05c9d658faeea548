"""The process that has just been started, as the leader of its run.

Knows that it is a child of ours, whose pid nobody else gets before it is reaped. Refuses to know its run.
"""

import os
import signal
from functools import partial

from zoosup.core.state.phases import ExitReason
from zoosup.host.ports.host import SpawnError
from zoosup.host.process.exit_watcher import Watcher
from zoosup.host.process.table.identity import Identity, boot_session
from zoosup.host.process.table.proc_table import Table
from zoosup.host.process.wait_status import reap


def identify(pid: int, table: Table, watcher: Watcher) -> Identity:
    """Who it is; an exited child is there too.

    SpawnError where it can't be seen, for it could never be ended safely: it is killed.
    """
    try:
        row, trouble = table.look(pid), "it is not there"
    except OSError as error:
        row, trouble = None, str(error)
    if row is not None:
        return Identity(pid, row.start, boot_session())
    os.kill(pid, signal.SIGKILL)  # unreaped, so the pid is still our child's
    watcher.watch(pid, partial(_collect, pid))
    message = f"pid {pid} was started, and ended at once: no look at the process table ({trouble})"
    raise SpawnError(ExitReason.ERROR, message)


def _collect(pid: int, _: int | None) -> None:
    reap(pid)
