"""What happened, in order: a bounded list of events that can be read from any point and followed.

Knows nothing of who writes or why; an event is data with a number, a wall-clock time and a sentence.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

LIMIT = 5000
"""Events kept: some days of an ordinary host, under 5 MB."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `seq` grows by one each time; `at` is wall time; `data` holds the figures."""

    seq: int
    at: float
    type: str
    model: str | None
    reason: str
    message: str
    data: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The event as JSON shows it."""
        return asdict(self)


class Journal:
    """The events, newest last. One writer, any number of readers, none of which can hold it up."""

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        limit: int = LIMIT,
        sink: Callable[[Event], None] | None = None,
    ) -> None:
        self._wall = wall
        self._sink = sink
        self._events: deque[Event] = deque(maxlen=limit)
        self._last = 0
        self._arrived = asyncio.Event()

    def add(
        self, type_: str, model: str | None, reason: str, message: str, data: Mapping[str, Any] | None = None
    ) -> Event:
        """Append one event and wake whoever follows."""
        self._last += 1
        event = Event(self._last, self._wall(), type_, model, reason, message, data or {})
        self._events.append(event)
        if self._sink is not None:
            self._sink(event)
        self._arrived.set()
        self._arrived = asyncio.Event()
        return event

    @property
    def last(self) -> int:
        """The number of the newest event; 0 when there is none."""
        return self._last

    def since(self, seq: int = 0, model: str | None = None, limit: int | None = None) -> list[Event]:
        """Events after number `seq`, of `model` alone if given; with `limit` the newest that many."""
        found = [e for e in self._events if e.seq > seq and (model is None or e.model == model)]
        return found[-limit:] if limit is not None and limit > 0 else found

    async def follow(self, seq: int, model: str | None = None) -> AsyncIterator[Event]:
        """Yield every event after `seq`, for ever; a reader slower than the bound misses the oldest."""
        while True:
            arrived = self._arrived
            for event in self.since(seq, model):
                seq = event.seq
                yield event
            if arrived is self._arrived:
                await arrived.wait()
