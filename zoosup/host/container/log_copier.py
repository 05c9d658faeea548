"""Copies a container's output on into a log file, and goes on where it ended after a restart of zoosup, kill -9 too.

The position is noted beside the file after each write, with the file's size: bytes beyond that size were written by
one who was killed before the note. A log that is cut in place (`storage`) is shorter than noted: all that it has came
after the cut. A full disk, an engine that is away, a disk that hangs: it waits. Refuses to read what it copies.
"""

import asyncio
import errno
import json
import logging
import os
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TypeVar

from zoosup.host.container.engine import EngineRefusedError, EngineUnreachableError, LogPiece, LogSource
from zoosup.host.container.log_position import LogPosition, LogProgress
from zoosup.host.system.threads import in_own_thread

AGAIN = 1.0
"""Seconds until an engine that is away is asked again, and a disk that is full written to."""

LONGEST_REFUSAL = 60.0
"""Seconds until an engine is asked again that has said no, at most: it is asked after twice as many each time."""

SILENCE = 30.0
"""Seconds after its last word after which an engine is asked whether there is more; then after twice as many."""

LONGEST_SILENCE = 600.0

_GATHER = 0.05  # seconds in which lines gather, so that each does not cost a write
_MUCH = 16384  # bytes after which it goes on at once
_RECORD = 256  # bytes of a note, always as many: to write it anew takes no room on the disk
_NEVER = frozenset({404, 501})  # it is gone; its log can't be read

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class LogCopier:
    """Copies one container's log to `path`, and notes the position at `path` with `.position` added."""

    def __init__(self, source: LogSource, container_id: str, path: Path) -> None:
        self._source = source
        self._container = container_id
        self._copy = _Copy(container_id, path)
        self._complaint = ""
        self._pause = AGAIN / 2

    async def run(self) -> None:
        """Copy until the container has ended and all of it is there; to be begun once it is started.

        May be cancelled at any time, and begun anew by another.
        """
        try:
            while not await self._is_complete():  # noqa: ASYNC110 - nothing tells it
                await asyncio.sleep(self._pause)
        finally:
            self._copy.close()

    async def _is_complete(self) -> bool:
        """Copy what there is; whether nothing can follow."""
        try:
            while await self._follow():
                pass  # an engine may leave out the last words of one that is just ending: they come when asked again
            state = await self._source.inspect(self._container)
        except EngineUnreachableError as error:
            self._complain(f"its engine is away: {error}")
            self._pause = AGAIN
            return False
        except EngineRefusedError as error:
            self._complain(f"its engine refuses it: {error}")
            self._pause = min(2 * self._pause, LONGEST_REFUSAL)
            return error.status in _NEVER
        self._pause = AGAIN
        return state is None or not state.running

    async def _follow(self) -> bool:
        """Copy from the last position to the stream's end; whether there was anything new."""
        progress = LogProgress(await self._patiently(self._copy.open))
        anything = False
        async with (
            aclosing(self._source.log_batches(self._container, progress.ask_from)) as given,
            aclosing(self._until_stuck(given, progress)) as batches,
        ):
            async for batch in batches:
                if data := progress.new(batch):
                    anything = True
                    await self._write(data, progress.position)
                    self._complaint = ""
                    if len(data) < _MUCH:
                        await asyncio.sleep(_GATHER)
        return anything

    async def _until_stuck(
        self, given: AsyncGenerator[list[LogPiece], None], progress: LogProgress
    ) -> AsyncGenerator[list[LogPiece], None]:
        """What comes, until the engine has more than it gives: then it has to be asked anew.

        Docker gives nothing any more, and doesn't say so, once somebody has cut the log's file (moby#45728); earlier
        ones nor after they have turned it over (moby#39235).
        """
        silence = SILENCE
        while True:
            coming = asyncio.ensure_future(anext(given, None))
            try:
                while not (await asyncio.wait({coming}, timeout=silence))[0]:
                    latest = await self._source.last_logged(self._container)
                    if latest is not None and progress.is_behind(latest) and not coming.done():
                        return
                    silence = min(2 * silence, LONGEST_SILENCE)
                batch = coming.result()
            finally:
                if not coming.done():
                    coming.cancel()
                    await asyncio.wait({coming})
            if batch is None:
                return
            silence = SILENCE
            yield batch

    async def _write(self, data: bytes, position: LogPosition) -> None:
        rest = memoryview(data)
        while rest:
            written = await self._patiently(partial(self._copy.append, rest, position))
            rest = rest[written:]

    async def _patiently(self, work: Callable[[], _T]) -> _T:
        """Have it done by a thread, again and again until the disk lets it."""
        while True:
            try:
                return await in_own_thread(work)
            except OSError as error:
                self._complain(f"can't write its log: {error}")
            await asyncio.sleep(AGAIN)

    def _complain(self, words: str) -> None:
        if words != self._complaint:
            self._complaint = words
            _log.warning("container %.12s: %s", self._container, words)


@dataclass(slots=True)
class _Copy:
    """The file and the note beside it. Blocking; OSError.

    A thread may still hang in a write when it is closed: then that thread gives the descriptors back.
    """

    container: str
    path: Path
    _log: int = -1
    _note: int = -1
    _position: LogPosition | None = None
    _size: int = 0  # of the file at that position
    _lock: Lock = field(default_factory=Lock)
    _closed: bool = False

    def open(self) -> LogPosition:
        """Where the copy ends."""
        with self._in_use():
            return self._open()

    def append(self, data: memoryview, position: LogPosition) -> int:
        """Write as much as the disk takes; the bytes written. The position is noted once all of it is."""
        with self._in_use():
            written = os.write(self._log, data)
            if written == len(data):
                self._keep(position)
            return written

    def close(self) -> None:
        """Give the descriptors back, now or when the thread that uses them is done."""
        self._closed = True
        if self._lock.acquire(blocking=False):
            try:
                for each in (self._log, self._note):
                    if each >= 0:
                        os.close(each)
                self._log = self._note = -1
            finally:
                self._lock.release()

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        try:
            with self._lock:
                if self._closed:
                    raise OSError(errno.EBADF, os.strerror(errno.EBADF), str(self.path))
                yield
        finally:
            if self._closed:
                self.close()

    def _open(self) -> LogPosition:
        if self._log < 0:
            self._log = _opened(self.path, os.O_WRONLY | os.O_APPEND)
        if self._note < 0:
            self._note = _opened(self.path.with_name(f"{self.path.name}.position"), os.O_RDWR)
        if self._position is None:
            self._read()
        return self._now(self._position or LogPosition())

    def _keep(self, position: LogPosition) -> None:
        self._position, self._size = position, os.fstat(self._log).st_size
        record = {"container": self.container, "size": self._size, **asdict(position)}
        with suppress(OSError):  # the next one may succeed, and until then the size tells
            os.pwrite(self._note, json.dumps(record).ljust(_RECORD).encode(), 0)

    def _read(self) -> None:
        """The note of an earlier copier of this container; else the first one."""
        with suppress(ValueError, KeyError, TypeError):
            record = json.loads(os.pread(self._note, 2 * _RECORD, 0))
            if record["container"] == self.container:
                self._position = LogPosition(*(int(record[each]) for each in ("since", "skip", "total")))
                self._size = int(record["size"])
                return
        self._keep(LogPosition())

    def _now(self, noted: LogPosition) -> LogPosition:
        """The position with what was written after it was noted."""
        size = os.fstat(self._log).st_size
        more = size - self._size if size >= self._size else size
        return LogPosition(noted.since, noted.skip + more, noted.total + more)


def _opened(path: Path, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, 0o600)
