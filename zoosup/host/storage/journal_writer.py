"""The journal on disk: events written in batches by a thread of its own, which a disk may hold without holding us.

Knows when to write, when to try again, and what a disk's trouble means for what was meant for it. Never raises to
whoever appends, and refuses to let a disk delay a model.
"""

import asyncio
import contextlib
import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

from zoosup.host.storage import journal_db
from zoosup.host.storage.journal_backlog import Backlog
from zoosup.host.storage.journal_db import Bounds, DamagedError, JournalDb, Row
from zoosup.host.system.threads import DaemonThreads

__all__ = ["Bounds", "JournalWriter", "Row", "Timing"]

Listener: TypeAlias = Callable[[str, str], None]
"""Told what became of the disk: `Degraded`, `Lost`, `Recovered` or `SetAside`, and a sentence for people."""

_BATCH = 1000
_MOST_ASIDE = 2  # files set aside in one go: what is damaged again at once is the disk's fault

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: events are gathered for `gather`, a disk in trouble is tried each `retry`, waited for `patience`."""

    gather: float = 0.25
    retry: float = 10.0
    patience: float = 5.0


class JournalWriter:
    """The adapter for `runtime.journal.Archive`. All methods are called on the loop that `begin` was called on."""

    def __init__(
        self,
        path: Path,
        bounds: Bounds | None = None,
        timing: Timing | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._bounds = bounds or Bounds()
        self._timing = timing or Timing()
        self._wall = wall
        self._waiting = Backlog()
        self._news: deque[tuple[str, str]] = deque()
        self._listener: Listener | None = None
        self._arrived = threading.Event()
        self._closing = threading.Event()
        self._damage = ""  # what a reader came upon; the writer sets the file aside for it
        self._last = 0
        # A daemon: a disk that never answers must not keep zoosup from ending.
        self._thread = threading.Thread(target=self._work, name="zoosup-journal", daemon=True)
        self._readers = DaemonThreads("zoosup-journal-reader", ready=1, most=1)
        # From here on the thread's own.
        self._file: JournalDb | None = None
        self._fault = ""
        self._touched = False

    async def begin(self, newest: int) -> tuple[int, list[Row]]:
        """Open the file; the highest number ever given out and the newest events, oldest first. Never raises.

        Where the numbers before can't be known, or none can be claimed for us, the count goes on from the seconds
        since 1970, which no zoo has outrun: no number ever comes twice, as long as at most AHEAD events are lost
        between a trouble with the disk and a kill.
        """
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[int | None] = self._loop.create_future()
        self._thread.start()
        try:
            last = await asyncio.wait_for(asyncio.shield(self._opened), self._timing.patience)
        except TimeoutError:
            self._degrade(f"{self._path}: no answer for {self._timing.patience:g} s")
            last = None
        rows = await self._newest(newest) if self._opened.done() else []
        self._last = last if last is not None else max(int(self._wall()), rows[-1][0] if rows else 0)
        return self._last, rows

    def listen(self, listener: Listener) -> None:
        """Tell what became of the disk, on the loop: what has happened so far, and from now on."""
        self._listener = listener
        self._deliver()

    def append(self, row: Row) -> None:
        """Take an event in; it is on disk some 0.3 s later unless the disk is in trouble."""
        self._last = row[0]
        self._waiting.add(journal_db.as_line(row))
        self._arrived.set()

    async def page(self, after: int, before: int, model: str | None, count: int) -> list[Row]:
        """The oldest `count` events with a number between the two, of `model` alone if given.

        What can't be read is left out.
        """
        waiting = self._waiting.between(after, before, model)
        nothing: list[Row] = []
        found = await self._read(lambda: journal_db.page(self._path, after, before, model, count), nothing)
        known = {row[0]: row for row in (*found, *waiting)}
        return [known[seq] for seq in sorted(known)[:count]]

    async def mark(self, after: int, before: int, model: str | None, count: int) -> int:
        """The number after which the newest `count` such events come; `after` where there are fewer."""
        waiting = self._waiting.between(after, before, model)
        if len(waiting) >= count:
            return waiting[-count][0] - 1
        before, count = waiting[0][0] if waiting else before, count - len(waiting)
        return await self._read(lambda: journal_db.mark(self._path, after, before, model, count), after)

    async def close(self) -> None:
        """Write what waits, give unused numbers back and let the file go; at most `patience` seconds."""
        self._closing.set()
        self._arrived.set()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join, self._timing.patience)
        self._readers.shutdown(wait=False, cancel_futures=True)

    # opening and reading

    def _resolve(self, last: int | None) -> None:
        if not self._opened.done():
            self._opened.set_result(last)

    async def _newest(self, count: int) -> list[Row]:
        if count <= 0:
            return []
        after = await self.mark(0, 1 << 62, None, count)
        return await self.page(after, 1 << 62, None, count)

    async def _read(self, work: Callable[[], _T], nothing: _T) -> _T:
        if self._closing.is_set() or not self._path.exists():
            return nothing
        try:
            return await self._loop.run_in_executor(self._readers, work)
        except DamagedError as error:
            self._damage = str(error)
            self._arrived.set()
        except sqlite3.Error as error:
            _log.warning("older events can't be read: %s: %s", self._path, error)
        return nothing

    # the news

    def _tell(self, reason: str, message: str) -> None:
        self._news.append((reason, message))
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to hear it
            self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        while self._listener is not None and self._news:
            self._listener(*self._news.popleft())

    # the thread

    def _work(self) -> None:
        last = self._guarded(self._claim)
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._resolve, last)
        while not self._closing.is_set():
            if self._fault:
                self._closing.wait(self._timing.retry)
            else:
                self._arrived.wait()
                self._closing.wait(self._timing.gather)
            self._arrived.clear()
            self._guarded(self._write)
        self._guarded(self._write)
        if self._file is not None:
            with contextlib.suppress(DamagedError, OSError, sqlite3.Error):
                self._file.finish(self._last)
            self._file.close()

    def _guarded(self, work: Callable[[JournalDb], _T]) -> _T | None:
        """Do it with the file; whatever goes wrong is told, as is that all is well again."""
        try:
            done = self._with_file(work)
        except (DamagedError, OSError, sqlite3.Error) as error:
            self._fail(f"{self._path}: {error}")
        except Exception as error:  # noqa: BLE001 - a bug of ours must not end the thread unheard
            _log.exception("internal error: the journal's thread")
            self._fail(f"{self._path}: internal error: {error}")
        else:
            if lost := self._waiting.lost():
                self._tell(
                    "Lost", f"{lost} events were too many to wait for the disk and are not in {self._path}"
                )
            if self._fault:
                self._fault = ""
                self._tell("Recovered", "events are written to disk again")
            return done
        return None

    def _with_file(self, work: Callable[[JournalDb], _T]) -> _T:
        """Do it with the file, or with a new one in place of one that can't be used."""
        for _ in range(_MOST_ASIDE):
            try:
                return work(self._ready_file())
            except DamagedError as error:
                self._let_go()
                target = journal_db.set_aside(self._path)
                self._tell("SetAside", f"{self._path} can't be used ({error}): kept as {target.name}")
        return work(self._ready_file())

    def _ready_file(self) -> JournalDb:
        if self._damage:
            damage, self._damage = self._damage, ""
            raise DamagedError(damage)
        if self._file is not None and self._file.moved():
            self._let_go()
        if self._file is None:
            self._file = JournalDb(self._path, self._bounds)
        return self._file

    def _claim(self, file: JournalDb) -> int:
        """Secure the numbers to come; the highest that may have been given out before."""
        last = file.last
        if last == 0 and journal_db.asides(self._path):
            last = int(self._wall())
        file.claim(last)
        return last

    def _write(self, file: JournalDb) -> None:
        while lines := self._waiting.first(_BATCH):
            if not self._touched and lines[0][0] <= file.newest:
                raise DamagedError("its numbers are ahead of ours")
            file.claim(self._last)
            self._touched = True
            file.write(lines)
            self._waiting.forget(lines[-1][0])

    def _fail(self, fault: str) -> None:
        self._let_go()
        self._degrade(fault)

    def _degrade(self, fault: str) -> None:
        if not self._fault:
            self._tell("Degraded", f"events are kept in memory only: {fault}")
        self._fault = fault

    def _let_go(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
