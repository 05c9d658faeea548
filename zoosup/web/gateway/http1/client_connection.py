"""One connection to a model's server: reads heads of answers, and hands on what follows as it comes.

llhttp walks over the body only to find its end; nothing of it is copied. Refuses to know clients, leases and
whether to try again: it tells its handler what happened.
"""

import asyncio
from typing import Protocol, cast

import httptools

from zoosup.web.gateway.http1.chunked import Pieces
from zoosup.web.gateway.http1.handlers import BODY, Expect, ResponseHandler, Sink
from zoosup.web.gateway.http1.heads import response_head
from zoosup.web.gateway.telemetry.metrics import Counters

MAX_HEAD = 256 * 1024
_JOINED = 32 * 1024
_WITHOUT_BODY = frozenset({204, 304})


class Home(Protocol):
    """Where a connection belongs."""

    def joined(self, connection: "ClientConnection") -> None:
        """It is connected."""

    def left(self, connection: "ClientConnection") -> None:
        """It is gone."""

    def give_back(self, connection: "ClientConnection") -> None:
        """It may be used again."""


class ClientConnection(asyncio.Protocol):
    """`handler` is whom it works for, None while unused; `used` counts the answers it has given before.

    `sent_whole`: all of the request has been sent; `complete`: the answer has come to its end; `until_close`: that is
    the end of the connection.
    """

    __slots__ = (
        "_buffer",
        "_counters",
        "_decoded",
        "_expect",
        "_home",
        "_informational",
        "_parser",
        "_paused",
        "_surplus",
        "complete",
        "handler",
        "headed",
        "mid_chunk",
        "reusable",
        "sent_whole",
        "silent",
        "sink",
        "status",
        "transport",
        "until_close",
        "unused_since",
        "used",
    )

    def __init__(self, home: Home, counters: Counters) -> None:
        self._home = home
        self._counters = counters
        self._parser = httptools.HttpResponseParser(self)
        self._decoded: list[bytes] | None = None
        self._expect = BODY
        self.transport: asyncio.Transport
        self.handler: ResponseHandler | None = None
        self.sink: Sink
        self.used = 0
        self.unused_since = 0.0
        self.sent_whole = True
        self._paused = False
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Of the next answer nothing is known."""
        self._buffer = b""
        self.complete = self._surplus = False
        self._informational = self.status = 0
        self.headed = False  # the head of the final answer has been handed on
        self.silent = True  # nothing was received yet
        self.reusable = self.until_close = False
        self.mid_chunk = False

    def ask(self, handler: ResponseHandler, opening: bytes, body: bytes, more: bytes) -> None:
        """Send a whole request whose head ends with the body's length, as most do, and with `more` lines."""
        self.handler = handler
        self._expect = BODY
        self.sent_whole = True
        if len(body) < _JOINED:
            self.transport.write(b"%b%d\r\n%b\r\n%b" % (opening, len(body), more, body))
        else:
            self.transport.writelines([b"%b%d\r\n%b\r\n" % (opening, len(body), more), body])

    def start(
        self, handler: ResponseHandler, expect: Expect, head: bytes, parts: list[bytes], *, whole: bool
    ) -> None:
        """Send a request, as much of it as is here; `whole`: that is all of it."""
        self.handler = handler
        self._expect = expect
        self.sent_whole = whole
        if not parts:
            self.transport.write(head)
        elif len(parts) == 1 and len(parts[0]) < _JOINED:
            self.transport.write(head + parts[0])  # one short write costs less than a gathering one
        else:
            self.transport.writelines([head, *parts])

    def decode(self) -> None:
        """Hand the body of the next answer on without its chunks."""
        self._decoded = []
        self._parser = httptools.HttpResponseParser(Pieces(self, self._decoded))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)
        self._home.joined(self)

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        handler = self.handler
        if handler is None:  # nobody has asked: whatever it is, the next answer would be mistaken for it
            self.transport.abort()
            return
        self._counters.sent += len(data)
        self.silent = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._switch(handler, data, upgrade.args[0])
            return
        except httptools.HttpParserError as error:
            self.fail(f"its answer is no HTTP: {error}")
            return
        if self._surplus:
            self.fail("its answer is longer than it says")
            return
        if self.headed:
            data = data if self._decoded is None else self._taken()
            if data:
                self.sink.write(data)
        elif self.status:
            self._begin(handler, data)
        else:
            self._buffer += data
            if len(self._buffer) > MAX_HEAD:
                self.fail("the head of its answer does not end")
        if self.complete and self.handler is not None:
            self._finish(handler)

    def _taken(self) -> bytes:
        pieces = self._decoded or []
        data = b"".join(pieces)
        pieces.clear()
        return data

    def _begin(self, handler: ResponseHandler, data: bytes) -> None:
        if self._buffer or self._informational:
            head, rest = self._cut(data)
        else:
            head, _, rest = data.partition(b"\r\n\r\n")
        if head[:7] != b"HTTP/1.":
            self.fail("its answer does not begin with HTTP/1")
            return
        if self._expect.bodiless:
            self.complete = True
            self._parser = httptools.HttpResponseParser(self)  # this one waits for a body that never comes
            if rest:
                self.reusable, rest = False, b""
        elif not self.reusable:
            self.until_close = self.status not in _WITHOUT_BODY and not response_head.is_measured(head)
        self.headed = True
        if self._decoded is not None:
            rest = self._taken()
        handler.on_head(head, rest)

    def _cut(self, data: bytes) -> tuple[bytes, bytes]:
        """The final head without its last line ends, and what follows it."""
        whole = self._buffer + data
        self._buffer = b""
        begin, end = 0, whole.find(b"\r\n\r\n")
        for _ in range(self._informational):
            begin, end = end + 4, whole.find(b"\r\n\r\n", end + 4)
        return whole[begin:end], whole[end + 4 :]

    def _switch(self, handler: ResponseHandler, data: bytes, offset: int) -> None:
        head, _ = self._cut(data[:offset])
        if self.status != 101 or not self._expect.may_switch:  # noqa: PLR2004 - Switching Protocols
            self.fail("it switches protocols unasked")
            return
        handler.on_switched(head, data[offset:])

    def _finish(self, handler: ResponseHandler) -> None:
        self.handler = None
        self.used += 1
        if self._paused:
            self.pause(False)
        if self._decoded is not None:
            self._decoded = None
            self._parser = httptools.HttpResponseParser(self)
        if self.reusable and self.sent_whole:
            self._begin_anew()
            self._home.give_back(self)
        else:
            self.transport.close()
        handler.on_complete()

    def pause(self, paused: bool) -> None:
        """Read no more of the answer until its client takes it; or go on."""
        if paused == self._paused or self.transport.is_closing():
            return
        self._paused = paused
        if paused:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def fail(self, message: str) -> None:
        """Give this connection up; its handler hears why."""
        handler, self.handler = self.handler, None
        self.transport.abort()
        if handler is not None:
            handler.on_lost(message)

    def let_go(self) -> None:
        """Nobody wants the answer any more: the model sees its client hang up."""
        self.handler = None
        self.transport.abort()

    def leave(self) -> None:
        """Its transport is somebody else's from here on."""
        self.handler = None
        self._home.left(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End, whoever has ended it."""
        handler = self.handler
        self._home.left(self)
        if handler is None:
            return
        if exc is None and self.headed and self.until_close:
            self.reusable = False
            self._finish(handler)
            return
        self.handler = None
        handler.on_lost("it closed the connection" if exc is None else f"the connection broke: {exc}")

    def pause_writing(self) -> None:
        """The other side takes less than it is given."""
        if self.handler is not None:
            self.handler.on_backpressure(True)

    def resume_writing(self) -> None:
        """The other side takes more again."""
        if self.handler is not None:
            self.handler.on_backpressure(False)

    # What llhttp calls. Each only notes what it has seen: an exception would be swallowed by it.

    def on_message_begin(self) -> None:
        """Note an answer to nothing."""
        self._surplus = self.complete

    def on_headers_complete(self) -> None:
        """Note the status, or that another head will follow."""
        status = self._parser.get_status_code()
        if status < 200 and status != 101:  # noqa: PLR2004 - informational
            self._informational += 1
            return
        self.status = status
        self.reusable = self._parser.should_keep_alive()

    def on_chunk_header(self) -> None:
        """Note that bytes of a chunk are to come."""
        self.mid_chunk = True

    def on_chunk_complete(self) -> None:
        """Note that between two chunks something may be said."""
        self.mid_chunk = False

    def on_message_complete(self) -> None:
        """Note the end of the final answer."""
        self.complete = self.status != 0
