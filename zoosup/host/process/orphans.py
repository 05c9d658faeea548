"""Orphans of the whole system, which come to the process with pid 1: collected, so that no zombie stays.

zoosup is that in a container without an init of its own. Knows its children by the process table alone. Refuses to
collect one that is somebody's here: a child is left to whoever started it for a good while first.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from zoosup.host.process.table.proc_table import Table
from zoosup.host.process.wait_status import reap
from zoosup.host.system.threads import in_own_thread

EVERY = 10.0
"""Seconds between looks: a zombie that is seen twice has been left by whoever might have waited for it."""


def needed() -> bool:
    """Whether orphans come to this process."""
    return os.getpid() == 1


class Orphans:
    """Zombies among our children; used by one thread at a time."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._seen: set[tuple[int, int]] = set()

    def reap(self, ours: frozenset[int]) -> int:
        """Collect those that were zombies at the last look too, but for `ours`; how many. OSError: no look."""
        parent = os.getpid()
        zombies = {
            (row.pid, row.start)
            for row in self._table.scan().values()
            if row.ppid == parent and not row.living and row.pid not in ours
        }
        due = zombies & self._seen
        for pid, _ in due:
            reap(pid)
        self._seen = zombies - due
        return len(due)


async def collect(table: Table, ours: Callable[[], frozenset[int] | None]) -> None:
    """Collect them, for ever, where they come to us; `ours` stay, and None of them known means: not now."""
    orphans = Orphans(table)
    while needed():
        await asyncio.sleep(EVERY)
        stay = ours()
        if stay is not None:
            with suppress(OSError):
                await in_own_thread(partial(orphans.reap, stay))
