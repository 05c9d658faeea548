"""zoo.yaml on disk: what is in it now, and each time that becomes something else.

Content is the truth: hints from the file system (`inotify_hints`) only say when to look, and a slow poll looks anyhow.
Refuses to know what the text means; a file that can't be read is reported like any other content.
"""

import asyncio
import errno
import os
import stat
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from pathlib import Path

from zoosup.host.config.inotify_hints import Hints
from zoosup.host.ports import Content
from zoosup.host.threads import DaemonThreads

POLL = 1.0
"""Seconds between looks when nothing hints at a change."""

LIMIT = 1 << 20
"""Bytes that zoo.yaml may have."""

SETTLE = 0.010
"""Seconds for which content must stay the same before it is believed: an editor writes in several pieces."""

DOUBT = 0.25
"""The same for content that looks unfinished: missing (an editor renames the old file away before it writes the
new one), empty, unreadable, or without a line end at its end."""

LONGEST = 1.0
"""Seconds after which content that never rests is reported as it is."""

_FRUITLESS = 5  # so many hints in a row may come for nothing (a busy directory) before they are answered late
_LATE = 0.2  # seconds


class ConfigWatch:
    """Follows one file by its path, whatever that path leads to; used in one event loop."""

    def __init__(self, path: Path, *, hints: bool = True) -> None:
        """Without `hints` the poll alone notices changes."""
        self._path = path
        self._use_hints = hints
        self._wake = asyncio.Event()
        self._fruitless = 0
        self._first: Content | None = None
        self._threads = DaemonThreads("zoosup-config", ready=1)

    async def read(self) -> Content:
        """The file as it is now; `changes` then starts from there."""
        self._first = await self._content()
        return self._first

    async def _content(self) -> Content:
        return await self._threads.run(lambda: read_content(self._path))

    def look(self) -> None:
        """Look again at once (SIGHUP, `zoosup reload`)."""
        self._wake.set()

    async def changes(self) -> AsyncGenerator[Content, None]:
        """Yield each content that differs from the one before, once it has settled; never ends, never raises."""
        told = self._first
        loop = asyncio.get_running_loop()
        hints = Hints(self._path, lambda: _call(loop, self._hinted)) if self._use_hints else None
        if hints is not None:
            hints.start()
            # Between our first look and the moment the watch is set, nobody hints.
            loop.call_later(0.1, self._wake.set)
        try:
            while True:
                content = await self._settled(told)
                if content != told:
                    told = content
                    self._fruitless = 0
                    if hints is not None:
                        hints.recheck()
                        loop.call_later(0.1, self._wake.set)
                    yield content
                await self._woken()
        finally:
            if hints is not None:
                hints.close()

    def _hinted(self) -> None:
        self._fruitless += 1
        if self._fruitless <= _FRUITLESS:
            self._wake.set()
        elif self._fruitless == _FRUITLESS + 1:
            asyncio.get_running_loop().call_later(_LATE, self._late)

    def _late(self) -> None:
        self._fruitless = _FRUITLESS
        self._wake.set()

    async def _woken(self) -> None:
        try:
            async with asyncio.timeout(POLL):
                await self._wake.wait()
        except TimeoutError:
            self._fruitless = 0
        self._wake.clear()

    async def _settled(self, told: Content | None) -> Content:
        """The content once it has been the same for a while; what was told already needs no waiting."""
        loop = asyncio.get_running_loop()
        content = await self._content()
        began = since = loop.time()
        while content != told and loop.time() - since < _patience(content) and loop.time() - began < LONGEST:
            await asyncio.sleep(SETTLE)
            again = await self._content()
            if again != content:
                content, since = again, loop.time()
        return content


def _call(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    with suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(function)


def _patience(content: Content) -> float:
    return SETTLE if content.text is not None and content.text.endswith("\n") else DOUBT


def read_content(path: Path) -> Content:
    """One look at a file: its text, or in words why there is none; blocks, never raises."""
    try:
        data = _read(path)
        return Content(None, f"{path} is larger than 1 MiB") if len(data) > LIMIT else Content(data.decode())
    except FileNotFoundError:
        return Content(None, f"{path} is missing")
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        return Content(None, f"{path} is not UTF-8: byte 0x{byte:02x} at offset {error.start}")
    except OSError as error:
        return Content(None, f"{path} can't be read: {error.strerror}")


def _read(path: Path) -> bytes:
    # Not blocking: a named pipe would hold us until somebody writes to it.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # of a directory, read() speaks for itself
            raise OSError(errno.EINVAL, "not a regular file")
        data = b""
        while len(data) <= LIMIT and (chunk := os.read(descriptor, LIMIT + 1)):
            data += chunk
    finally:
        os.close(descriptor)
    return data
