"""Saves slots of llama-servers to files and gives them back: the adapter for `ports.sessions.Sessions`.

Brings together what a server is asked (`slot_server`), the files (`folder`) and what goes where (`core.sessions`).
Whatever goes wrong is told in words: nothing here keeps a model from starting, or from ending.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import aiohttp

from zoosup.core.sessions.files import READ, SAVED, SavedSlot, draft_name, to_restore
from zoosup.core.sessions.fingerprint import FileMark, fingerprint, weight_files
from zoosup.core.sessions.slots import TWICE, WORTH, Slot, to_save
from zoosup.core.sessions.worth import Paces, after_skipping, is_worth_restoring, is_worth_saving, why_not
from zoosup.host.ports.sessions import SessionsMoved, SlotServer
from zoosup.host.sessions import folder as folders, slot_server
from zoosup.host.sessions.folder import Folder
from zoosup.host.sessions.slot_server import SlotError
from zoosup.host.system.threads import DaemonThreads
from zoosup.spec.model.process.short_forms.base import HOST

LOOK = 5.0
"""Seconds for a look at what slots are doing; a server answers between two batches."""

_NS = 10**9

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Moving:
    """What came of it so far: kept also where the time is over."""

    slots: list[int] = field(default_factory=list)
    tokens: int = 0
    size: int = 0
    problems: list[str] = field(default_factory=list)
    given_up: bool = False
    broken_off: bool = False
    not_worth: str = ""

    def add(self, slot: int, tokens: int, size: int) -> None:
        self.slots.append(slot)
        self.tokens += tokens
        self.size += size

    def done(self, seconds: float) -> SessionsMoved:
        moved = tuple(self.slots), self.tokens, self.size, seconds, tuple(self.problems)
        return SessionsMoved(*moved, self.given_up, self.broken_off, self.not_worth)


@dataclass(slots=True)
class _Place:
    """Where a server's files are, what they are called by, and how fast it was seen to be."""

    folder: Folder
    fingerprint: str
    files: list[SavedSlot]
    paces: Paces

    def saved(self, tokens: int, seconds: float) -> None:
        self.paces = replace(self.paces, saved=self.paces.saved.after(tokens, seconds), skipped=0)

    def restored(self, tokens: int, seconds: float) -> None:
        self.paces = replace(self.paces, restored=self.paces.restored.after(tokens, seconds))

    def note(self) -> None:
        self.folder.note_paces(self.fingerprint, self.paces)


class SlotSessions:
    """All models' below one directory. Made anywhere, used in one event loop, closed at the end."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._session: aiohttp.ClientSession | None = None
        self._threads = DaemonThreads("zoosup-sessions", ready=1, most=1)  # in order: one disk has them all

    def folder(self, model: str) -> Path:
        """Where the files of a model lie."""
        return self._directory / folders.folder_name(model)

    async def prepare(self, model: str) -> None:
        """Have its folder there; OSError when the disk says no."""
        await self._threads.run(Folder(self.folder(model)).make)

    async def save(self, server: SlotServer, limit: int, within: float) -> SessionsMoved:
        """Save what is worth it, and remove what goes beyond the limit."""
        return await _bounded(partial(self._save, server, limit), within)

    async def restore(self, server: SlotServer, within: float) -> SessionsMoved:
        """Give a server back what was saved for its like."""
        return await _bounded(partial(self._restore, server), within)

    async def slots(self, server: SlotServer) -> tuple[Slot, ...]:
        """What its slots are doing."""
        with suppress(SlotError, TimeoutError):
            async with asyncio.timeout(LOOK):
                return await slot_server.slots(self._client(), server)
        return ()

    async def note_effect(self, server: SlotServer, *, of_use: bool) -> bool:
        """Count the runs in a row that had no use of it; whether it is given up."""
        try:
            return await self._threads.run(partial(self._note_effect, server, of_use))
        except OSError as error:
            _log.warning("%s: whether its sessions are of use is not kept: %s", server.model, error)
            return False

    async def sweep(self, models: Collection[str]) -> None:
        """Remove what is kept of any other model."""
        try:
            await self._threads.run(partial(folders.sweep, self._directory, models))
        except OSError as error:
            _log.warning("saved sessions can't be removed: %s", error)

    async def close(self) -> None:
        """Close the HTTP client."""
        if self._session is not None:
            await self._session.close()
        self._threads.shutdown()

    # Saving

    async def _save(self, server: SlotServer, limit: int, moving: _Moving) -> None:
        place = await self._place(server, moving)
        if place is None:
            return
        slots = to_save(await slot_server.slots(self._client(), server))
        if slots and await self._is_worth_saving(server, place, moving):
            for slot in slots:
                await self._save_slot(server, place, slot, moving)
        await self._threads.run(partial(place.folder.shrink, limit))
        if slots:
            await self._threads.run(place.note)

    async def _is_worth_saving(self, server: SlotServer, place: _Place, moving: _Moving) -> bool:
        said = await slot_server.prompts(self._client(), server)
        place.paces = replace(place.paces, computed=place.paces.computed.after(*said))
        if is_worth_saving(place.paces):
            return True
        moving.not_worth = why_not(place.paces)
        place.paces = after_skipping(place.paces)
        return False

    async def _save_slot(self, server: SlotServer, place: _Place, slot: Slot, moving: _Moving) -> None:
        folder, named, tokens = place.folder, place.fingerprint, 0
        took = _watch()
        try:
            tokens = await slot_server.save(self._client(), server, slot.id, draft_name(named, slot.id))
        except SlotError as error:
            if error.unheard:
                raise
            moving.problems.append(str(error))
        except asyncio.CancelledError:
            place.saved(slot.tokens or 0, took())  # it would have taken longer than that
            self._threads.submit(place.note)
            raise
        place.saved(tokens, took())
        if tokens >= WORTH:
            moving.add(slot.id, tokens, await self._threads.run(partial(folder.keep, named, slot.id)))
        else:
            await self._threads.run(folder.tidy)

    # Restoring

    async def _restore(self, server: SlotServer, moving: _Moving) -> None:
        place = await self._place(server, moving)
        if place is None:
            return
        moving.not_worth = why_not(place.paces)
        ours = any(each.fingerprint == place.fingerprint for each in place.files)
        if not ours or not is_worth_restoring(place.paces):
            return
        slots = [each.id for each in await slot_server.slots(self._client(), server)]
        for saved, slot in to_restore(place.files, place.fingerprint, slots):
            await self._restore_slot(server, place, saved, slot, moving)
        await self._threads.run(place.note)

    async def _restore_slot(
        self, server: SlotServer, place: _Place, saved: SavedSlot, slot: int, moving: _Moving
    ) -> None:
        folder, took = place.folder, _watch()
        ending, tokens, problem = SAVED, 0, "it is not as it was written"
        if await self._threads.run(partial(folder.is_whole, saved)):
            ending = READ
            tokens, problem = await self._read_back(server, folder, saved.stem, slot)
        place.restored(tokens, took())
        if tokens:
            await self._threads.run(partial(folder.rename, saved.stem, READ, SAVED))
            moving.add(slot, tokens, saved.size)
        else:
            await self._threads.run(partial(folder.remove, saved.stem, ending))
            moving.problems.append(f"{saved.stem}{SAVED} was removed: {problem}")

    async def _read_back(self, server: SlotServer, folder: Folder, stem: str, slot: int) -> tuple[int, str]:
        """Have the server read a file; the tokens, or 0 and why. SlotError where it doesn't answer.

        It keeps its ending then, and is not tried again: it may have ended its server.
        """
        await self._threads.run(partial(folder.rename, stem, SAVED, READ))
        try:
            tokens = await slot_server.restore(self._client(), server, slot, f"{stem}{READ}")
        except SlotError as error:
            if error.unheard:
                raise
            return 0, str(error)
        except asyncio.CancelledError:
            self._threads.submit(_give_back, folder, stem, server.port)
            raise
        return tokens, "it is empty"

    # Both

    async def _place(self, server: SlotServer, moving: _Moving) -> _Place | None:
        """None where nothing is to be tried; why is in `moving`."""
        folder = Folder(self.folder(server.model))
        await self._threads.run(folder.make)
        marks = await self._threads.run(partial(_marks, server))
        if any(changed > server.started_at * _NS for _, changed in marks.values()):
            moving.problems.append("its weights have changed since it was started")
            return None
        named = fingerprint(server.spec, marks, server.located)
        moving.given_up = await self._threads.run(partial(folder.failures, named)) >= TWICE
        if moving.given_up:
            return None
        files, paces = folder.files, partial(folder.paces, named)
        return _Place(folder, named, await self._threads.run(files), await self._threads.run(paces))

    def _note_effect(self, server: SlotServer, of_use: bool) -> bool:
        folder = Folder(self.folder(server.model))
        named = fingerprint(server.spec, _marks(server), server.located)
        failures = 0 if of_use else folder.failures(named) + 1
        folder.note_failures(named, failures)
        for each in folder.files() if failures >= TWICE else ():
            if each.fingerprint == named:
                folder.remove(each.stem)
        return failures >= TWICE

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True, limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            )
        return self._session


async def _bounded(work: Callable[[_Moving], Awaitable[None]], within: float) -> SessionsMoved:
    """Have it done within so many seconds; what fails becomes words."""
    loop, moving = asyncio.get_running_loop(), _Moving()
    began = loop.time()
    try:
        async with asyncio.timeout(within):
            await work(moving)
    except TimeoutError:
        moving.problems.append(f"given up after {within:.3g} s")
    except (SlotError, OSError) as error:
        moving.problems.append(str(error))
        moving.broken_off = isinstance(error, SlotError) and error.unheard
    return moving.done(loop.time() - began)


def _watch() -> Callable[[], float]:
    """Seconds since now, whenever it is asked."""
    clock = asyncio.get_running_loop().time
    began = clock()
    return lambda: clock() - began


def _give_back(folder: Folder, stem: str, port: int) -> None:
    """Take a file for good again whose reading was given up, unless its server has ended over it."""
    with suppress(OSError):
        socket.create_connection((HOST, port), LOOK).close()
        folder.rename(stem, READ, SAVED)


def _marks(server: SlotServer) -> dict[str, FileMark]:
    """Of each file of weights that is here."""
    marks = {}
    for path in weight_files(server.spec, server.located):
        with suppress(OSError, ValueError):
            status = Path(server.spec.cwd or "", path).stat()
            marks[path] = status.st_size, status.st_mtime_ns
    return marks
