"""Tells the event loop that a process has exited, as soon as the kernel knows.

Knows pidfd (Linux) and kqueue (macOS), and polling where neither can be had. Refuses to reap: a child stays a
zombie, so that its pid and its group can't be given away while others of its run still live.
"""

import asyncio
import logging
import os
import select
import sys
from collections.abc import Callable
from typing import Any, Protocol

from zoosup.host.process.table.proc_table import Table

_POLL = 0.05
_NOTE_EXITSTATUS = 0x04000000  # sys/event.h of Darwin; Python has no name for it

_log = logging.getLogger(__name__)

Notify = Callable[[int | None], None]
"""Called once, on the loop, with the wait status where the kernel hands it out (kqueue), else with None."""

Cancel = Callable[[], None]


class Watcher(Protocol):
    """Notices exits."""

    def watch(self, pid: int, notify: Notify) -> Cancel:
        """Call `notify` when the process exits, or soon if it has; the returned function ends the watch."""

    def close(self) -> None:
        """Give back what the watcher itself holds; the watches have been cancelled."""


class PidfdWatcher:
    """Linux 5.3 and later: one descriptor for each process watched, noticed within 0.3 ms."""

    def __init__(self, loop: asyncio.AbstractEventLoop, fallback: Watcher) -> None:
        self._loop = loop
        self._fallback = fallback

    def watch(self, pid: int, notify: Notify) -> Cancel:
        """Readable means exited, and not yet reaped unless by us."""
        try:
            descriptor = os.pidfd_open(pid)
        except OSError as error:  # no such process, no such call, or no descriptor left
            _log.debug("pid %d is polled: %s", pid, error)
            return self._fallback.watch(pid, notify)
        waiting = True

        def cancel() -> None:
            nonlocal waiting
            if waiting:
                waiting = False
                self._loop.remove_reader(descriptor)
                os.close(descriptor)

        def fire() -> None:
            cancel()
            notify(None)

        self._loop.add_reader(descriptor, fire)
        return cancel

    def close(self) -> None:
        """Nothing is held beyond the watches."""
        self._fallback.close()


class KqueueWatcher:
    """macOS: one kqueue for all, itself a descriptor that the loop can wait for."""

    def __init__(self, loop: asyncio.AbstractEventLoop, fallback: Watcher) -> None:
        self._select: Any = select  # typeshed has kqueue for BSDs only
        self._loop = loop
        self._fallback = fallback
        self._queue = self._select.kqueue()
        self._watched: dict[int, list[Notify]] = {}
        loop.add_reader(self._queue.fileno(), self._drain)

    def watch(self, pid: int, notify: Notify) -> Cancel:
        """A process that is a zombie already can't be registered; polling sees that at once."""
        flags = self._select.KQ_EV_ADD | self._select.KQ_EV_ONESHOT
        try:
            self._control(pid, flags)
        except OSError as error:
            _log.debug("pid %d is polled: %s", pid, error)
            return self._fallback.watch(pid, notify)
        self._watched.setdefault(pid, []).append(notify)
        return lambda: self._cancel(pid, notify)

    def close(self) -> None:
        """Close the queue."""
        self._loop.remove_reader(self._queue.fileno())
        self._queue.close()
        self._fallback.close()

    def _control(self, pid: int, flags: int) -> None:
        notes = self._select.KQ_NOTE_EXIT | _NOTE_EXITSTATUS
        event = self._select.kevent(pid, self._select.KQ_FILTER_PROC, flags, notes)
        self._queue.control([event], 0, 0)

    def _cancel(self, pid: int, notify: Notify) -> None:
        """Only forget it: the event comes once and then finds nobody."""
        waiting = self._watched.get(pid, [])
        if notify in waiting:
            waiting.remove(notify)

    def _drain(self) -> None:
        for event in self._queue.control([], 64, 0):
            status = event.data if event.fflags & _NOTE_EXITSTATUS else None
            for notify in self._watched.pop(event.ident, []):
                notify(status)


class PollingWatcher:
    """Anywhere: looks every 50 ms."""

    def __init__(self, loop: asyncio.AbstractEventLoop, table: Table) -> None:
        self._loop = loop
        self._table = table

    def watch(self, pid: int, notify: Notify) -> Cancel:
        """The first look is in the next turn of the loop, when the caller can already cancel."""
        poll: asyncio.Handle

        def look() -> None:
            nonlocal poll
            if self._exited(pid):
                notify(None)
            else:
                poll = self._loop.call_later(_POLL, look)

        def cancel() -> None:
            poll.cancel()

        poll = self._loop.call_soon(look)
        return cancel

    def close(self) -> None:
        """Nothing is held beyond the watches."""

    def _exited(self, pid: int) -> bool:
        try:
            row = self._table.look(pid)
        except OSError:
            return False  # not known; the next look may tell
        return row is None or not row.living


def host_watcher(loop: asyncio.AbstractEventLoop, table: Table) -> Watcher:
    """The best that this system has."""
    polling = PollingWatcher(loop, table)
    if sys.platform == "linux" and hasattr(os, "pidfd_open"):
        return PidfdWatcher(loop, polling)
    if hasattr(select, "kqueue"):
        return KqueueWatcher(loop, polling)
    return polling
