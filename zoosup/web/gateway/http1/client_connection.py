"""One connection to a model's server: reads heads of answers, and hands on what follows as it comes.

llhttp walks over the body only to find its end; nothing of it is copied. Refuses to know clients, leases and
whether to try again: it tells its exchange what happened.
"""

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, cast

import httptools

from zoosup.web.gateway.http1.head_cache import Answers
from zoosup.web.gateway.metrics import Counters

if TYPE_CHECKING:
    from zoosup.web.gateway.proxy.exchange import Exchange

MAX_HEAD = 256 * 1024
_JOINED = 32 * 1024


class Home(Protocol):
    """Where a connection belongs."""

    def joined(self, upstream: "Upstream") -> None:
        """It is connected."""

    def left(self, upstream: "Upstream") -> None:
        """It is gone."""

    def give_back(self, upstream: "Upstream") -> None:
        """It may be used again."""


class Sink(Protocol):
    """Where a body goes."""

    def write(self, data: bytes, /) -> None:
        """Take the next piece."""


class Upstream(asyncio.Protocol):
    """`exchange` is whom it works for, None while unused; `used` counts the answers it has given before."""

    __slots__ = (
        "_answers",
        "_buffer",
        "_complete",
        "_counters",
        "_decoded",
        "_home",
        "_informational",
        "_parser",
        "_paused",
        "_surplus",
        "_whole",
        "exchange",
        "headed",
        "mid_chunk",
        "reusable",
        "silent",
        "sink",
        "status",
        "transport",
        "unused_since",
        "used",
    )

    def __init__(self, home: Home, counters: Counters, answers: Answers) -> None:
        self._home = home
        self._counters = counters
        self._answers = answers
        self._parser = httptools.HttpResponseParser(self)
        self._decoded: list[bytes] | None = None
        self.transport: asyncio.Transport
        self.exchange: Exchange | None = None
        self.sink: Sink
        self.used = 0
        self.unused_since = 0.0
        self._paused = False
        self._whole = False  # the answer is wanted at once, should it be familiar
        self._expect()

    def _expect(self) -> None:
        """Of the next answer nothing is known."""
        self._buffer = b""
        self._complete = self._surplus = False
        self._informational = self.status = 0
        self.headed = False  # the head of the final answer has been handed on
        self.silent = True  # nothing was received yet
        self.reusable = False
        self.mid_chunk = False

    def ask(self, exchange: "Exchange", opening: bytes, body: bytes) -> None:
        """Send a request whose head ends with the body's length. Its answer is wanted at once where it is familiar."""
        self.exchange = exchange
        self._whole = True
        if len(body) < _JOINED:
            self.transport.write(b"%b%d\r\n\r\n%b" % (opening, len(body), body))
        else:
            self.transport.writelines([b"%b%d\r\n\r\n" % (opening, len(body)), body])

    def start(self, exchange: "Exchange", head: bytes, parts: list[bytes], *, decode: bool = False) -> None:
        """Send a request, as much of it as is here. `decode`: its answer's body is wanted without chunks."""
        self.exchange = exchange
        self._whole = False
        if decode:
            self._decoded = []
            self._parser = httptools.HttpResponseParser(_Decoding(self, self._decoded))
        if not parts:
            self.transport.write(head)
        elif len(parts) == 1 and len(parts[0]) < _JOINED:
            self.transport.write(head + parts[0])  # one short write costs less than a gathering one
        else:
            self.transport.writelines([head, *parts])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)
        self._home.joined(self)

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        exchange = self.exchange
        if exchange is None:  # nobody has asked: whatever it is, the next answer would be mistaken for it
            self.transport.abort()
            return
        self._counters.sent += len(data)
        at_once = self._whole and self.silent and not self._paused
        answer = self._answers.passed_on(data) if at_once else None
        if answer is not None:
            self.exchange = None
            self.used += 1
            self._home.give_back(self)
            exchange.answered_at_once(answer)
            return
        self.silent = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._switch(exchange, data, upgrade.args[0])
            return
        except httptools.HttpParserError as error:
            self.fail(f"its answer is no HTTP: {error}")
            return
        if self._surplus:
            self.fail("its answer is longer than it says")
            return
        if self.headed:
            self._pass_on(data)
        elif self.status:
            self._begin(exchange, data)
        else:
            self._buffer += data
            if len(self._buffer) > MAX_HEAD:
                self.fail("the head of its answer does not end")
        if self._complete and self.exchange is not None:
            self._finish(exchange)

    def _pass_on(self, data: bytes) -> None:
        if self._decoded is not None:
            data = b"".join(self._decoded)
            self._decoded.clear()
        if data:
            self.sink.write(data)

    def _begin(self, exchange: "Exchange", data: bytes) -> None:
        if self._buffer or self._informational:
            head, rest = self._cut(data)
        else:
            end = data.find(b"\r\n\r\n")
            head, rest = data[:end], data[end + 4 :]
            if self._whole and self._complete and self.reusable and self.status == 200:  # noqa: PLR2004 - OK
                self._answers.learn(data)
        if not head.startswith(b"HTTP/1."):
            self.fail("its answer does not begin with HTTP/1")
            return
        if exchange.request.head.method == b"HEAD":
            self._complete = True
            self._parser = httptools.HttpResponseParser(self)  # this one waits for a body that never comes
            if rest:
                self.reusable, rest = False, b""
        self.headed = True
        if self._decoded is not None:
            rest = b"".join(self._decoded)
            self._decoded.clear()
        exchange.answered(self, head, rest)

    def _cut(self, data: bytes) -> tuple[bytes, bytes]:
        """The final head without its last line ends, and what follows it."""
        whole = self._buffer + data
        self._buffer = b""
        begin, end = 0, whole.find(b"\r\n\r\n")
        for _ in range(self._informational):
            begin, end = end + 4, whole.find(b"\r\n\r\n", end + 4)
        return whole[begin:end], whole[end + 4 :]

    def _switch(self, exchange: "Exchange", data: bytes, offset: int) -> None:
        head, _ = self._cut(data[:offset])
        if self.status != 101 or not exchange.request.head.upgrade:  # noqa: PLR2004 - Switching Protocols
            self.fail("it switches protocols unasked")
            return
        exchange.switched(self, head, data[offset:])

    def _finish(self, exchange: "Exchange") -> None:
        self.exchange = None
        self.used += 1
        if self._paused:
            self.pause(False)
        if self._decoded is not None:
            self._decoded = None
            self._parser = httptools.HttpResponseParser(self)
        if self.reusable and exchange.request.complete:
            self._expect()
            self._home.give_back(self)
        else:
            self.transport.close()
        exchange.finished()

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
        """Give this connection up; its exchange hears why."""
        exchange, self.exchange = self.exchange, None
        self.transport.abort()
        if exchange is not None:
            exchange.lost(self, message)

    def let_go(self) -> None:
        """Nobody wants the answer any more: the model sees its client hang up."""
        self.exchange = None
        self.transport.abort()

    def leave(self) -> None:
        """Its transport is somebody else's from here on."""
        self.exchange = None
        self._home.left(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End, whoever has ended it."""
        exchange = self.exchange
        self._home.left(self)
        if exchange is None:
            return
        if exc is None and self.headed and exchange.until_close:
            self.reusable = False
            self._finish(exchange)
            return
        self.exchange = None
        exchange.lost(self, "it closed the connection" if exc is None else f"the connection broke: {exc}")

    def pause_writing(self) -> None:
        """The other side takes less than it is given."""
        if self.exchange is not None and self.exchange.request.head.streamed:
            self.exchange.client.hold(True)

    def resume_writing(self) -> None:
        """The other side takes more again."""
        if self.exchange is not None and self.exchange.request.head.streamed:
            self.exchange.client.hold(False)

    # What llhttp calls. Each only notes what it has seen: an exception would be swallowed by it.

    def on_message_begin(self) -> None:
        """Note an answer to nothing."""
        self._surplus = self._complete

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
        self._complete = self.status != 0


class _Decoding:
    """Listens for the pieces of a body as well; llhttp copies each for that."""

    def __init__(self, upstream: Upstream, pieces: list[bytes]) -> None:
        self.on_message_begin = upstream.on_message_begin
        self.on_headers_complete = upstream.on_headers_complete
        self.on_message_complete = upstream.on_message_complete
        self.on_body: Any = pieces.append
