"""One HTTP request to a model's server, over a connection of its own, and the beginning of the answer.

A protocol of asyncio with llhttp as its parser, and no client library: at rest nothing costs zoosup as much as asking
a hundred servers how they are, and three quarters of that were aiohttp's. No redirect is followed: it leads to another
server's health. Refuses to know what an answer means, and how long one may wait for it.
"""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from string import ascii_letters, digits, punctuation
from typing import Any, cast
from urllib.parse import quote

import httptools

from zoosup.host.ports.probes import Endpoint
from zoosup.spec.syntax.addresses import join_address

BODY_LIMIT = 65536
"""Bytes of a body after which no more of it is waited for."""

BODY_PATIENCE = 0.1
"""Seconds for which a body is waited for: the status has been read by then, the rest is politeness."""

_HEAD_LIMIT = 65536  # bytes, with those of interim answers before it
_WRITTEN = ascii_letters + digits + punctuation  # of a path, as it is; else percent-encoded
_INTERIM = range(100, 200)
_SWITCHED = 101


class NotHttpError(Exception):
    """Whatever it is that came."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`location` is where it redirects to, "" for nowhere; `body` is its beginning."""

    status: int
    location: str
    body: bytes


async def ask(endpoint: Endpoint, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
    """Ask once, `body` as JSON. OSError where nothing is answered, NotHttpError where that is none.

    A small body is read whole, else the server would see a broken pipe.
    """
    sent = _written(endpoint, method, path, body)
    loop = asyncio.get_running_loop()
    transport, answering = await loop.create_connection(
        lambda: _Answering(sent), endpoint.host, endpoint.port
    )
    try:
        await answering.head
        if not answering.end.done():
            with suppress(TimeoutError):
                async with asyncio.timeout(BODY_PATIENCE):
                    await answering.end
        return Answer(answering.status, answering.location.decode(errors="replace"), bytes(answering.body))
    finally:
        transport.abort()


def _written(endpoint: Endpoint, method: str, path: str, body: Mapping[str, Any] | None) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    typed = "" if body is None else "Content-Type: application/json\r\n"
    sized = "" if method == "GET" and body is None else f"Content-Length: {len(content)}\r\n"
    head = (
        f"{method} {quote(path, safe=_WRITTEN)} HTTP/1.1\r\nHost: {join_address(endpoint.host, endpoint.port)}\r\n"
        "User-Agent: zoosup\r\nAccept: */*\r\nAccept-Encoding: identity\r\n"
        f"{typed}{sized}Connection: close\r\n\r\n"
    )
    return head.encode("ascii") + content


class _Answering(asyncio.Protocol):
    """What has come of an answer: `head` is done when its status is known, `end` when no more of it is needed."""

    def __init__(self, sent: bytes) -> None:
        loop = asyncio.get_running_loop()
        self.head: asyncio.Future[None] = loop.create_future()
        self.end: asyncio.Future[None] = loop.create_future()
        self.status = 0
        self.location = b""
        self.body = bytearray()
        self._sent = sent
        self._received = 0
        self._parser = httptools.HttpResponseParser(self)
        # As browsers and client libraries are: a script that ends its lines with \n alone is a server, too.
        self._parser.set_dangerous_leniencies(lenient_headers=True, lenient_optional_cr_before_lf=True)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask at once."""
        cast("asyncio.Transport", transport).write(self._sent)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        """Take in some of the answer."""
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._done(self.end)  # what follows is no HTTP
        except httptools.HttpParserError:
            self._failed(NotHttpError())
        if self._received > _HEAD_LIMIT:
            self._failed(NotHttpError())

    def connection_lost(self, exc: Exception | None) -> None:
        """Of a body without a length this is the end; without a head it is no answer."""
        self._failed(exc if isinstance(exc, OSError) else ConnectionResetError())

    # what llhttp finds

    def on_header(self, name: bytes, value: bytes) -> None:
        """Of either kind of answer."""
        if name.lower() == b"location":
            self.location = value

    def on_headers_complete(self) -> None:
        """An interim answer is followed by the answer."""
        status = self._parser.get_status_code()
        if self.head.done() or (status in _INTERIM and status != _SWITCHED):
            return
        self.status = status
        self._done(self.head)

    def on_body(self, piece: bytes) -> None:
        """Some of it; not of what nobody has asked for."""
        if self.end.done():
            return
        self.body += piece
        if len(self.body) > BODY_LIMIT:
            self._done(self.end)

    def on_message_complete(self) -> None:
        """Of an interim answer as well."""
        if self.head.done():
            self._done(self.end)

    @staticmethod
    def _done(which: "asyncio.Future[None]") -> None:
        if not which.done():
            which.set_result(None)

    def _failed(self, error: Exception) -> None:
        """Once the head is there that is no more than the end."""
        if not self.head.done():
            self.head.set_exception(error)
        self._done(self.end)
