"""zoo.yaml on disk: what is in it now, and each time that becomes something else.

Content is the truth: hints from the file system (`inotify_hints`) only say when to look, and a slow poll looks anyhow.
Refuses to know what the text means; a file that can't be read is reported like any other content.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from zoosup.host.config.fragments import watched, whole
from zoosup.host.config.inotify_hints import Hints
from zoosup.host.config.text_file import UnreadableError, read_text
from zoosup.host.ports.host import Content
from zoosup.host.system.threads import DaemonThreads

POLL = 2.0
"""Seconds between looks when nothing hints at a change."""

SETTLE = 0.010
"""Seconds for which content must stay the same before it is believed: an editor writes in several pieces."""

DOUBT = 0.25
"""The same for content that looks unfinished: missing (an editor renames the old file away before it writes the
new one), empty, unreadable, or without a line end at its end."""

LONGEST = 1.0
"""Seconds after which content that never rests is reported as it is."""

REVISION = ".revision"
"""A file beside zoo.yaml whose first line says which revision it is of."""

_LONGEST_REVISION = 200
_FRUITLESS = 5  # so many hints in a row may come for nothing (a busy directory) before they are answered late
_LATE = 0.2  # seconds


class ConfigWatch:
    """Follows one file by its path, whatever that path leads to; used in one event loop."""

    def __init__(self, path: Path, *, hints: bool = True, revision: str = "") -> None:
        """Without `hints` the poll alone notices changes. `revision` goes before what the file beside it says."""
        self._path = path
        self._revision = revision
        self._use_hints = hints
        self._wake = asyncio.Event()
        self._fruitless = 0
        self._first: Content | None = None
        self._looks = 0  # that have ended
        self._threads = DaemonThreads("zoosup-config", ready=1)

    async def read(self) -> Content:
        """The file as it is now; `changes` then starts from there."""
        self._first = await self._content()
        return self._first

    async def _content(self) -> Content:
        """One look. Of two at the same time nobody knows which saw the newer text: who ends last looks again."""
        while True:
            before = self._looks
            content = await self._threads.run(self._read)
            if self._looks == before:
                self._looks += 1
                return replace(content, look=self._looks)

    def _read(self) -> Content:
        content = read_content(self._path)
        return replace(content, revision=self._revision or read_revision(self._path))

    def look(self) -> None:
        """Look again at once (SIGHUP, `zoosup reload`)."""
        self._wake.set()

    async def changes(self) -> AsyncGenerator[Content, None]:
        """Yield each content that differs from the one before, once it has settled; never ends, never raises."""
        told = self._first
        loop = asyncio.get_running_loop()
        hints = Hints(self._path, lambda: _call(loop, self._hinted)) if self._use_hints else None
        if hints is not None:
            hints.beside(self._included(told))
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
                        hints.beside(self._included(content))
                        hints.recheck()
                        loop.call_later(0.1, self._wake.set)
                    yield content
                await self._woken()
        finally:
            if hints is not None:
                hints.close()

    def _included(self, content: Content | None) -> tuple[Path, ...]:
        return () if content is None or content.text is None else watched(self._path, content.text)

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
            before, content = content, await self._content()
            if content != before:
                since = loop.time()
        return content


def _call(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    with suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(function)


def _patience(content: Content) -> float:
    return SETTLE if content.text is not None and content.text.endswith("\n") else DOUBT


def read_content(path: Path) -> Content:
    """One look at a file: its text and that of those it includes, or in words why there is none.

    Blocks, never raises.
    """
    try:
        return Content(whole(path, read_text(path)))
    except UnreadableError as error:
        return Content(None, str(error))


def read_revision(path: Path) -> str:
    """The first line of `.revision` beside the file, wherever links lead; "" where there is none. Blocks."""
    with suppress(OSError, RuntimeError, UnreadableError):  # of links that lead in a circle
        text = read_text(path.resolve().parent / REVISION).partition("\n")[0][:_LONGEST_REVISION].strip()
        return text if text.isprintable() else ""
    return ""
