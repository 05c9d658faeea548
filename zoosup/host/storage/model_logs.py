"""The output of models in files: begun anew for each run, bounded, read from the end, followed.

A server that prints must not fail because the disk is full: room for what it prints is taken beforehand (`log_space`),
and a log that can't get more is cut to be written anew.

Knows names of files and their ends. Refuses to touch what a model writes, or to stand between it and its
file: a model writes by a descriptor of its own, so that it outlives us, and a file that has outgrown its
bound can only be copied and cut, never renamed.
"""

import asyncio
import contextlib
import errno
import hashlib
import logging
import os
import re
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import BinaryIO, TypeVar
from urllib.parse import quote

from zoosup.host.storage import log_space
from zoosup.host.storage.log_end import copy_of, decoded, last_lines
from zoosup.host.storage.tail import Tail
from zoosup.host.system.threads import DaemonThreads

BOUND = 20 << 20
"""Bytes a file may have before it is cut; one copy of as many is kept beside it."""

_THREADS = 4
_FOLLOW_PAUSE = 0.15
_CHUNK = 1 << 20
_LAST_WORDS = 16 << 10  # bytes of a log that are kept where the disk has no room for more
_ROOMY = 4  # times its size must be free for a log to be copied: the copy must not be what fills the disk
_LONGEST_NAME = 200  # of 255 that file systems allow; suffixes come on top

_CAPITAL = re.compile(r"(%[0-9A-F]{2})|([A-Z])")

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class ModelLogs:
    """The adapter for `ports.Logs`: `<model>.log`, `<model>.previous.log`, and cut-off parts as `….log.1`.

    All work on files is done in threads of its own, which a hanging disk may hold without holding anybody
    else.
    """

    def __init__(self, directory: Path, *, bound: int = BOUND) -> None:
        self._directory = directory
        self._caseless = is_caseless(directory)
        self._bound = bound
        self._threads = DaemonThreads("zoosup-logs", ready=_THREADS)
        self._roomy: dict[
            str, tuple[int, int, int]
        ] = {}  # logs with room enough, as they were when it was seen

    def path(self, model: str, *, previous: bool = False) -> Path:
        """The file of a model's last run, or of the one before."""
        name = file_name(model, caseless=self._caseless)
        return self._directory / f"{name}{'.previous' if previous else ''}.log"

    async def begin(self, model: str) -> Path:
        """Set the last run's file aside and return a new empty one.

        OSError when the disk says no: then a server must not be given the file, for whatever it prints would fail.
        """
        return await self._do(lambda: self._begin(model))

    async def tail(self, model: str, lines: int, *, previous: bool = False) -> tuple[str, ...]:
        """The last lines, oldest first, of at most 1 MiB; () when there is no file."""
        return await self._do(lambda: decoded(last_lines(self.path(model, previous=previous), lines)))

    async def follow(self, model: str) -> AsyncGenerator[bytes, None]:
        """Yield what is appended from now on, at most 150 ms late, across cuts and new runs, until closed.

        What is written between the last look and a cut is skipped; it stands in the file's `.1`.
        """
        follower = Tail(self.path(model))
        try:
            await self._do(follower.open_at_end)
            while True:
                if chunk := await self._do(follower.read):
                    yield chunk
                else:
                    await asyncio.sleep(_FOLLOW_PAUSE)
        finally:
            # not awaited, for a generator that is being closed can't; a thread may still be reading
            self._threads.submit(follower.close)

    async def rotate(self) -> None:
        """Cut every file that has outgrown the bound; what can't be cut is logged and tried again next time."""
        await self._do(self._rotate)

    async def _do(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _begin(self, model: str) -> Path:
        for each in (self._directory.parent, self._directory):
            # Somebody may have cleaned up; `parents=True` would open the state directory to others.
            each.mkdir(mode=0o700, exist_ok=True)
        log, previous = self.path(model), self.path(model, previous=True)
        _move(log, previous)
        _move(copy_of(log), copy_of(previous))
        with contextlib.suppress(FileNotFoundError), previous.open("r+b") as file:
            log_space.release(file.fileno())
        with open(log, "ab", opener=_private) as file:
            if log_space.reserve(file.fileno()) < log_space.LEAST:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(log))
        return log

    def _rotate(self) -> None:
        """One that has not grown since it had room enough is not opened: of a hundred logs most are silent."""
        roomy, self._roomy = self._roomy, {}
        with os.scandir(self._directory) as entries:
            found = [each for each in entries if each.name.endswith(".log")]
        for entry in found:
            if entry.name.endswith(".previous.log"):
                continue  # nobody writes there any more
            try:
                state = _state(entry.stat())
                if roomy.get(entry.name) == state or self._has_room(Path(entry.path), state[1]):
                    self._roomy[entry.name] = state
            except OSError as error:
                _log.warning("can't cut %s: %s", entry.path, error)

    def _has_room(self, log: Path, size: int) -> bool:
        """Whether a log needs no look until it grows; one that has outgrown its bound, or is about to fail, is cut."""
        if size <= self._bound:
            ahead = _room(log)
            if ahead >= min(log_space.AHEAD // 4, size):
                return ahead >= log_space.AHEAD // 2
        _cut(log, self._bound)
        return False


def file_name(model: str, *, caseless: bool = False) -> str:
    """Encode a model's name for a file's: percent-encoding, so that no two are alike and none leaves home.

    A name of many such characters would grow too long for a file system; it ends in its hash instead. `caseless`: for a
    disk that takes `Qwen` and `qwen` for one, which a model that leaves and one that comes may be called.
    """
    name = quote(model, safe="+@")
    if caseless:
        name = _CAPITAL.sub(lambda found: found[1] or f"%{ord(found[2]):02X}", name)
    if model.endswith(".previous"):
        name = (
            name.removesuffix(".previous") + "%2Eprevious"
        )  # else it would be the earlier log of another model
    if len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(model.encode()).hexdigest()
    return f"{name[: _LONGEST_NAME - len(digest) - 2]}%~{digest}"  # "%~" is in no encoded name


def is_caseless(directory: Path) -> bool:
    """Whether the disk takes names for one that differ in case alone: macOS' usual one, and vfat.

    Asked of the first of it and of those it lies in that is there and has a letter in its name.
    """
    for each in (directory, *directory.parents):
        other = each.with_name(each.name.swapcase()) if each.name else each
        if other != each and each.exists():
            return other.exists() and other.samefile(each)
    return False


def _move(source: Path, target: Path) -> None:
    """Replace the target by the source, or by nothing when there is no source."""
    try:
        source.replace(target)
    except FileNotFoundError:
        target.unlink(missing_ok=True)


def _cut(log: Path, bound: int) -> None:
    """Keep the last `bound` bytes in `.1` and empty the file, whose writer goes on at its new end (O_APPEND).

    Lost is what is written between the last read and the cut: microseconds' worth, unless the writer is so fast
    that the copy, given up at twice the bound, never catches up. A copy that can't be written doesn't hinder the
    cut: a full disk would harm more than a log.
    """
    with log.open("r+b") as source:
        descriptor = source.fileno()
        size, had = os.fstat(descriptor).st_size, log_space.taken(descriptor)
        end = os.pread(descriptor, _LAST_WORDS, max(0, size - _LAST_WORDS))
        source.seek(max(0, size - bound))
        copied = log_space.free(descriptor) >= _ROOMY * size and _copied(source, log, bound)
        source.truncate(0)
        log_space.reserve(descriptor, had)  # at once, before others take what has become free
    if not copied:
        _log.warning("%s is cut without a copy of more than its end", log)
        with contextlib.suppress(OSError), open(copy_of(log), "wb", opener=_private) as file:
            file.write(end)


def _copied(source: BinaryIO, log: Path, bound: int) -> bool:
    try:
        _copy(source, copy_of(log), 2 * bound)
    except OSError as error:
        _log.warning("can't copy %s: %s", log, error)
        return False
    return True


def _room(log: Path) -> int:
    """Bytes that its writer can append though the disk be full, after as many as can be had were taken for it."""
    with log.open("r+b") as file:
        return log_space.reserve(file.fileno())


def _state(status: os.stat_result) -> tuple[int, int, int]:
    """What changes when somebody writes to a file, cuts it, or puts another in its place."""
    return status.st_ino, status.st_size, status.st_blocks


def _copy(source: BinaryIO, target: Path, most: int) -> None:
    """Copy what is left of the source, at most `most` bytes, and put it in the target's place as a whole."""
    draft = target.with_name(f"{target.name}.new")
    try:
        with open(draft, "wb", opener=_private) as file:
            while file.tell() < most and (chunk := source.read(min(_CHUNK, most - file.tell()))):
                file.write(chunk)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
