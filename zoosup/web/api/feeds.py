"""What followers are sent: events and log lines as chunks of bytes, from a point in the past on and for ever.

Knows journal and logs; refuses to know who reads, and how fast.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from zoosup.host.ports.host import Logs
from zoosup.runtime.events.journal import Event, Journal
from zoosup.web import wire

NEWEST = 1000
"""Events that somebody gets who names neither a number to begin after nor how many."""


async def select(journal: Journal, query: wire.EventQuery) -> list[Event]:
    """The events that a query asks for, oldest first, from the archive too; the newest ones where it asks for all."""
    everything = query.limit is None and query.since == 0
    return await journal.history(query.since, query.model, NEWEST if everything else query.limit)


async def events(journal: Journal, query: wire.EventQuery) -> AsyncGenerator[bytes, None]:
    """Yield what the query asks for as server-sent events, then every later one."""
    newest = journal.last
    async for page in journal.pages(query.since, query.model, query.limit):
        yield _framed(page)
    async with aclosing(journal.follow(newest, query.model)) as following:
        async for event in following:
            yield _framed([event])


async def log_lines(logs: Logs, model: str, lines: int) -> AsyncGenerator[bytes, None]:
    """Yield the last lines of a model's log, then what is appended.

    The follower takes its place before the tail is read: what is written between the two may come twice, but is
    not lost.
    """
    async with aclosing(logs.follow(model)) as following:
        upcoming = asyncio.ensure_future(anext(following, None))
        try:
            if past := as_text(await logs.tail(model, lines)):
                yield past
            while (chunk := await upcoming) is not None:
                yield chunk
                upcoming = asyncio.ensure_future(anext(following, None))
        finally:
            upcoming.cancel()
            await asyncio.wait({upcoming})


def as_text(lines: Sequence[str]) -> bytes:
    """Log lines as they stand in the file."""
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def _framed(events: Sequence[Event]) -> bytes:
    return b"".join(wire.sse(event.seq, event.as_dict()) for event in events)
