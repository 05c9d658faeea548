"""What happened, in order: events that can be read from any point and followed, the newest from memory.

Knows nothing of who writes or why; an event is data with a number, a wall-clock time and a sentence. Only numbers
order events: clocks jump. Refuses to know how older events are kept, beyond what it asks of an `Archive`.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from zoosup.runtime.events.tally import Tally
from zoosup.runtime.events.words import EventType, in_words

LIMIT = 5000
"""Events kept in memory: some days of an ordinary host, under 5 MB."""

PAGE = 500
"""Events read at once: what is long is read and sent in pieces."""

Row: TypeAlias = tuple[int, float, str, str | None, str, str, Mapping[str, Any]]
"""An event for the archive: the fields of `Event` in their order."""


class Archive(Protocol):
    """Events that outlive zoosup. No method raises: a disk in trouble loses events, not models."""

    async def begin(self, newest: int) -> tuple[int, list[Row]]:
        """The highest number ever given out, and the newest events, oldest first."""

    def listen(self, listener: Callable[[str, str], None]) -> None:
        """Tell of the disk's trouble from now on: `Degraded`, `Lost`, `Recovered` or `SetAside`, and a sentence."""

    def append(self, row: Row) -> None:
        """Take an event in; it is written later, off the loop."""

    async def page(self, after: int, before: int, model: str | None, count: int) -> list[Row]:
        """The oldest `count` events with a number between the two, of `model` alone if given."""

    async def mark(self, after: int, before: int, model: str | None, count: int) -> int:
        """The number after which the newest `count` such events come; `after` where there are fewer."""

    async def close(self) -> None:
        """Write what waits, in bounded time."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `seq` grows, by one unless zoosup was killed; `at` is wall time; `data` the figures."""

    seq: int
    at: float
    type: str
    model: str | None
    reason: str
    message: str
    data: Mapping[str, Any] = field(default_factory=dict)

    def as_row(self) -> Row:
        """The event for the archive."""
        return self.seq, self.at, self.type, self.model, self.reason, self.message, self.data

    def as_dict(self) -> dict[str, Any]:
        """The event as JSON shows it."""
        return {
            "seq": self.seq,
            "at": self.at,
            "type": self.type,
            "words": in_words(self.type),
            "model": self.model,
            "reason": self.reason,
            "message": self.message,
            "data": dict(self.data),
        }


class Journal:
    """The events, newest last. One writer, any number of readers, none of which can hold it up."""

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        limit: int = LIMIT,
        sink: Callable[[Event], None] | None = None,
        archive: Archive | None = None,
    ) -> None:
        self._wall = wall
        self._sink = sink
        self._archive = archive
        self._events: deque[Event] = deque(maxlen=limit)
        self._last = 0
        self._trouble = ""
        self._arrived = asyncio.Event()
        self.tally = Tally()
        """What has happened since zoosup began; read only."""

    async def open(self) -> None:
        """Take up where the archive ends; to be called before the first event. Never raises for a disk's sake."""
        if self._archive is None:
            return
        if self._last:
            raise RuntimeError("internal error: the journal has events before it was opened")
        self._last, rows = await self._archive.begin(self._events.maxlen or LIMIT)
        self._events.extend(Event(*row) for row in rows)
        self._archive.listen(self._hear)

    async def close(self) -> None:
        """Have everything written, in bounded time; what is added afterwards stays in memory."""
        if self._archive is not None:
            await self._archive.close()

    def add(
        self,
        type_: EventType,
        model: str | None,
        reason: str,
        message: str,
        data: Mapping[str, Any] | None = None,
    ) -> Event:
        """Append one event and wake whoever follows."""
        self._last += 1
        event = Event(self._last, self._wall(), type_, model, reason, message, data or {})
        self._events.append(event)
        self.tally.note(type_, model, reason, event.data)
        if self._archive is not None:
            self._archive.append(event.as_row())
        if self._sink is not None:
            self._sink(event)
        self._arrived.set()
        self._arrived = asyncio.Event()
        return event

    @property
    def last(self) -> int:
        """The number of the newest event, or one that was skipped; 0 when there never was one."""
        return self._last

    @property
    def trouble(self) -> str:
        """Why events are kept in memory only; empty while they reach the disk."""
        return self._trouble

    def since(self, seq: int = 0, model: str | None = None, limit: int | None = None) -> list[Event]:
        """Events in memory after number `seq`, of `model` alone if given; with `limit` the newest that many."""
        most = limit if limit is not None and limit > 0 else len(self._events)
        found: list[Event] = []
        for event in reversed(self._events):
            if event.seq <= seq or len(found) == most:
                break
            if model is None or event.model == model:
                found.append(event)
        found.reverse()
        return found

    async def pages(
        self, seq: int = 0, model: str | None = None, limit: int | None = None
    ) -> AsyncGenerator[list[Event], None]:
        """Yield what `since` would find if memory had no bound, oldest first, up to the newest event of now.

        In lists of at most PAGE, so that nobody has to hold, encode or send all of it at once.
        """
        until = self._last
        seq = await self._start(seq, until, model, limit)
        while page := await self._page(seq, until, model):
            yield page
            seq = page[-1].seq

    async def history(self, seq: int = 0, model: str | None = None, limit: int | None = None) -> list[Event]:
        """All `pages` in one list."""
        return [event async for page in self.pages(seq, model, limit) for event in page]

    async def follow(self, seq: int, model: str | None = None) -> AsyncGenerator[Event, None]:
        """Yield every event after `seq`, for ever; a reader that is too slow goes on from the archive."""
        while True:
            arrived, until = self._arrived, self._last
            while page := await self._page(seq, until, model):
                for event in page:
                    yield event
                seq = page[-1].seq
            seq = max(seq, until)
            if arrived is self._arrived:
                await arrived.wait()

    async def _start(self, seq: int, until: int, model: str | None, limit: int | None) -> int:
        """The number after which the newest `limit` events come, or `seq` where there are no more than that."""
        if limit is None:
            return seq
        if limit <= 0:
            return until
        found = self.since(seq, model, limit)
        if len(found) == limit:
            return found[0].seq - 1
        oldest = self._oldest()
        if self._archive is None or seq + 1 >= oldest:
            return seq
        return await self._archive.mark(seq, oldest, model, limit - len(found))

    async def _page(self, seq: int, until: int, model: str | None) -> list[Event]:
        """The first events after `seq` up to `until`, at most PAGE."""
        # Memory may let go of events while the archive is read: those are in the archive the next time round.
        while self._archive is not None and seq + 1 < (oldest := self._oldest()) and seq < until:
            before = min(oldest, until + 1)
            if rows := await self._archive.page(seq, before, model, PAGE):
                return [Event(*row) for row in rows]
            seq = before - 1
        return [event for event in self.since(seq, model) if event.seq <= until][:PAGE]

    def _oldest(self) -> int:
        return self._events[0].seq if self._events else self._last + 1

    def _hear(self, reason: str, message: str) -> None:
        if reason in {"Degraded", "Recovered"}:
            self._trouble = message if reason == "Degraded" else ""
        self.add("Journal", None, reason, message)
