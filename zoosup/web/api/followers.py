"""Answers without an end: followers of events and logs, bounded in number and in patience.

Knows how long a client may leave its data lying and how all of them are sent home when the server stops.
Refuses to know what they are sent.
"""

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass

from aiohttp import web

from zoosup.web.api.errors import RefusalError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """What clients may take at most; counts and seconds."""

    followers: int = 64
    connections: int = 512
    stall: float = 10.0  # what a follower may leave unread, once the buffers are full
    heartbeat: float = 15.0  # silence after which an event follower is sent a comment
    idle: float = 60.0  # a connection without a complete request
    body: float = 10.0  # the arrival of a request's body
    closing: float = 0.5  # what a follower may leave unread when the server stops
    grace: float = 2.0  # what a request under way may still take then


class Followers:
    """Those who are being streamed to. Each face has as many places of its own: TCP takes none from the socket."""

    def __init__(self, limits: StreamLimits) -> None:
        self._limits = limits
        self._served: dict[int, web.Request] = {}  # by id, for requests are mappings and can't be hashed
        self._closing = asyncio.Event()

    def dismiss(self) -> None:
        """End every stream cleanly, those of clients that don't read a little later; admit nobody any more."""
        self._closing.set()
        asyncio.get_running_loop().call_later(self._limits.closing, self._abort_all)

    def _abort_all(self) -> None:
        for request in self._served.values():
            _abort(request)

    async def serve(
        self,
        request: web.Request,
        headers: Mapping[str, str],
        feed: AsyncGenerator[bytes, None],
        heartbeat: bytes | None = None,
    ) -> web.StreamResponse:
        """Send what `feed` yields until it ends, the client goes or stalls, or the server stops."""
        async with aclosing(feed):
            self._admit(request)
            self._served[id(request)] = request
            try:
                response = web.StreamResponse(headers=headers)
                await response.prepare(request)
                await self._stream(request, response, feed, heartbeat)
            finally:
                del self._served[id(request)]
        return response

    def _admit(self, request: web.Request) -> None:
        there = sum(_is_local(each) == _is_local(request) for each in self._served.values())
        if there >= self._limits.followers or self._closing.is_set():
            message = f"{there} clients follow already, as many as may"
            raise RefusalError(503, "too_many_followers", message, {"Retry-After": "30"})

    async def _stream(
        self,
        request: web.Request,
        response: web.StreamResponse,
        feed: AsyncGenerator[bytes, None],
        heartbeat: bytes | None,
    ) -> None:
        try:
            await self._pump(response, feed, heartbeat)
        except TimeoutError:
            _abort(request)  # a close would wait for the buffer that nobody reads
        except ConnectionError:
            pass  # the client went away, as clients do
        except Exception:
            # The head is sent, so that no refusal can follow: the client must at least see that it is not the end.
            log.exception("internal error: %s %s", request.method, request.path)
            _abort(request)

    async def _pump(
        self, response: web.StreamResponse, feed: AsyncGenerator[bytes, None], heartbeat: bytes | None
    ) -> None:
        closing = asyncio.ensure_future(self._closing.wait())
        arrival = asyncio.ensure_future(_next(feed))
        try:
            while True:
                await asyncio.wait(
                    {arrival, closing}, timeout=self._limits.heartbeat, return_when=asyncio.FIRST_COMPLETED
                )
                chunk = arrival.result() if arrival.done() else heartbeat
                if closing.done() or (arrival.done() and chunk is None):
                    return
                if arrival.done():
                    arrival = asyncio.ensure_future(_next(feed))
                if chunk:
                    async with asyncio.timeout(self._limits.stall):
                        await response.write(chunk)
        finally:
            closing.cancel()
            arrival.cancel()
            await asyncio.wait({closing, arrival})


async def _next(feed: AsyncGenerator[bytes, None]) -> bytes | None:
    return await anext(feed, None)


def _is_local(request: web.Request) -> bool:
    """Whether it came by the control socket."""
    sock = request.get_extra_info("socket")
    return sock is not None and sock.family == socket.AF_UNIX


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
