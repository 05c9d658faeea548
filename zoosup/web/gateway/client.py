"""One client's connection: reads requests, has them answered one after the other, and sees it when nobody listens.

llhttp reads heads and bodies; a long body of known length is only counted. While a request is being answered the next
may arrive, and no more: reading pauses then. Refuses to know models and what an answer says.
"""

import asyncio
import contextlib
import ipaddress
import logging
import socket
import struct
from collections import deque
from typing import TYPE_CHECKING, cast

import httptools

from zoosup.web.gateway import heads
from zoosup.web.gateway.answers import Answer, denied_answer
from zoosup.web.gateway.denial import DeniedError
from zoosup.web.gateway.request import RejectedError, Request

if TYPE_CHECKING:
    from zoosup.web.gateway.exchange import Exchange
    from zoosup.web.gateway.front import Reading
    from zoosup.web.gateway.hall import Hall
    from zoosup.web.gateway.tunnel import Tunnel

log = logging.getLogger(__name__)

_RESET = struct.pack("ii", 1, 0)
_OVERHEAD = 16
"""Bytes of framing for each byte in chunks; a chunk of one byte has five around it, without extensions."""


class Client(asyncio.Protocol):
    """`exchange` is the request under way; `congested`: the client takes more slowly than it is given."""

    __slots__ = (
        "_early",
        "_ending",
        "_fault",
        "_framing",
        "_fresh",
        "_hall",
        "_head_size",
        "_headers",
        "_held",
        "_in_head",
        "_incoming",
        "_large",
        "_parser",
        "_paused",
        "_pumping",
        "_queue",
        "_remaining",
        "_since",
        "_tunnel",
        "_upgrading",
        "_url",
        "congested",
        "exchange",
        "transport",
    )

    def __init__(self, hall: "Hall") -> None:
        self._hall = hall
        self._parser = httptools.HttpRequestParser(self)
        self.transport: asyncio.Transport
        self.exchange: Exchange | Reading | None = None
        self.congested = False
        self._tunnel: Tunnel | None = None
        self._queue: deque[Request] = deque()
        self._incoming: Request | None = None  # its head has been read, its body has not
        self._in_head = False
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_size = 0
        self._large = False  # what has come may be more than a head may have
        self._fresh = False  # the head began with what has just come
        self._framing = 0  # bytes of a chunked request's body, framing included
        self._remaining = 0  # bytes of a body that passes by the parser
        self._early = b""  # what has come after a request for another protocol
        self._upgrading = False
        self._fault: Answer | None = None  # nothing more can be read; to be said when all before is answered
        self._ending = False  # all is said; what still comes is of no interest
        self._held = self._paused = self._pumping = False
        self._since = 0.0  # when what is going on began, or last went on

    @property
    def is_local(self) -> bool:
        """Whether the client is on this host."""
        peer = self.transport.get_extra_info("peername")
        return bool(peer) and ipaddress.ip_address(peer[0].partition("%")[0]).is_loopback

    @property
    def is_tunnel(self) -> bool:
        """Whether another protocol is spoken."""
        return self._tunnel is not None

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)
        hall = self._hall
        if hall.closing or len(hall.clients) >= hall.limits.connections:
            self._ending = True
            self.transport.abort()
            return
        self._since = hall.now
        hall.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - gone is gone
        """End, whoever has ended it."""
        self._hall.left(self)
        self._ending = True
        self._queue.clear()
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.abandon()

    def eof_received(self) -> bool:
        """A client that sends no more is taken for gone: the only sign of a hang-up there is."""
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.abandon()
        self._ending = True
        return False

    def pause_writing(self) -> None:
        """The other side takes less than it is given."""
        self.congested = True
        self._since = self._hall.now
        if self.exchange is not None:
            self.exchange.pause(True)

    def resume_writing(self) -> None:
        """The other side takes more again."""
        self.congested = False
        self._since = self._hall.now
        if self.exchange is not None:
            self.exchange.pause(False)
        self._pump()

    def tick(self, now: float) -> None:
        """End it where it has taken too long."""
        limits, since = self._hall.limits, self._since
        if self._tunnel is not None:
            return
        if self._ending:
            patience = limits.farewell if self.congested else limits.linger
        elif self.congested:
            patience = limits.stall
        elif self.exchange is not None and (self._incoming is None or self._paused):
            return
        elif self._in_head:
            patience = limits.arrival
        elif self._incoming is not None:
            patience = limits.silence
        else:
            patience = limits.idle
        if now - since < patience:
            return
        if self._in_head or self._incoming is not None:
            self._too_slow()
        else:
            self.transport.abort()

    def _too_slow(self) -> None:
        if self._ending or self.exchange is not None:
            self.transport.abort()
        else:
            self._give_up(_fault(408, "the request does not come to its end"))

    # Reading

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        self._hall.counters.received += len(data)
        if self._ending or self._fault is not None:
            return
        if not self._in_head:
            self._since = self._hall.now
        if self._upgrading:
            self._early += data
            self._regulate()
            return
        self._large = self._in_head or len(data) > self._hall.limits.head
        while data:
            if self._remaining:
                data = self._count(data)
                continue
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = self._after_upgrade(data[upgrade.args[0] :])
            except httptools.HttpParserError as error:
                self._give_up(self._reason(error))
                return
            else:
                if self._in_head or self._incoming is not None:
                    self._unfinished(len(data))
                break
        self._pump()

    def _count(self, data: bytes) -> bytes:
        """Take of a body that is counted; what is left comes after it."""
        piece = data if len(data) <= self._remaining else data[: self._remaining]
        self._remaining -= len(piece)
        self.on_body(piece)
        if not self._remaining:
            self._whole()
        return data[len(piece) :]

    def _unfinished(self, size: int) -> None:
        limits, request = self._hall.limits, self._incoming
        if self._in_head:
            self._head_size += 0 if self._fresh else size  # at first, other requests may have come with it
            self._fresh = False
            if self._head_size > limits.head:
                self._give_up(_fault(431, f"a head has at most {limits.head} bytes"))
        elif request is not None and request.length is not None:
            self._remaining = request.length - request.size
            self._parser = httptools.HttpRequestParser(self)  # for what comes after
        elif request is not None:
            self._framing += size
            if self._framing > limits.head + limits.headers + _OVERHEAD * request.size:
                self._give_up(_fault(400, "its chunks are hardly more than their framing"))

    def _after_upgrade(self, rest: bytes) -> bytes:
        """What follows a head that asks for another protocol, where llhttp stops."""
        request = self._incoming
        if (
            request is not None
        ):  # with a body, so that the wish can't be granted (RFC 9110, 7.8: it is ignored)
            self._remaining = request.length or 0
            self._parser = httptools.HttpRequestParser(self)
            return rest
        if self._queue and self._queue[-1].upgrade:
            self._upgrading = True
            self._early = rest
            return b""
        return rest

    def _reason(self, error: httptools.HttpParserError) -> Answer:
        cause = error.__context__
        if isinstance(cause, RejectedError):
            return _fault(cause.status, str(cause))
        if cause is not None and isinstance(error, httptools.HttpParserCallbackError):
            log.error("internal error: reading a request", exc_info=cause)
            return _fault(500, "internal error")
        return _fault(400, f"the request is no HTTP/1.1: {error}")

    # What llhttp calls

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._in_head = True
        self._since = self._hall.now
        self._url = b""
        self._headers = []
        self._head_size = self._framing = 0
        self._fresh = True

    def on_url(self, url: bytes) -> None:
        """Take a piece of the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer, which nobody reads."""
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Read the head."""
        headers, limits, parser = self._headers, self._hall.limits, self._parser
        self._headers = []
        if len(headers) > limits.headers:
            raise RejectedError(431, f"a head has at most {limits.headers} headers")
        if self._large and sum(len(name) + len(value) for name, value in headers) > limits.head:
            raise RejectedError(431, f"a head has at most {limits.head} bytes")
        request = Request(parser.get_method(), self._url, parser.get_http_version(), headers)
        if request.chunked and parser.should_upgrade():
            raise RejectedError(400, "a request for another protocol has no chunked body")
        self._in_head = False
        self._hall.front.admit(request)
        self._incoming = request
        self._queue.append(request)

    def on_body(self, data: bytes) -> None:
        """Take a piece of the body."""
        request = cast("Request", self._incoming)
        request.size += len(data)
        if request.size > self._hall.max_body:
            request.denied = request.denied or self._hall.front.too_large(request)
        if request.denied is not None:
            return
        exchange = self.exchange
        if request.streamed and exchange is not None and exchange.request is request:
            cast("Exchange", exchange).upload(data)
        else:
            request.parts.append(data)

    def on_message_complete(self) -> None:
        """End a request, unless it is one whose body llhttp has not looked for."""
        if not (self._parser.should_upgrade() and cast("Request", self._incoming).length):
            self._whole()

    def _whole(self) -> None:
        request = cast("Request", self._incoming)
        self._incoming = None
        request.complete = True
        exchange = self.exchange
        if request.streamed and exchange is not None and exchange.request is request:
            cast("Exchange", exchange).uploaded()

    # Answering

    def _pump(self) -> None:
        """Have answered what is here, one after the other."""
        if self._pumping:
            return
        self._pumping = True
        queue = self._queue
        while queue and self.exchange is None and not self.congested and not self._ending:
            request = queue[0]
            if not (request.complete or request.streamed or request.denied):
                self._encourage(request)
                break
            queue.popleft()
            self._hall.front.dispatch(self, request)
        self._pumping = False
        if self._fault is not None and self.exchange is None and not queue and not self._ending:
            self._say_and_end(self._fault)
        elif queue or self._paused:
            self._regulate()

    def _encourage(self, request: Request) -> None:
        if request.expects_continue and not request.size:
            request.found[b"expect"] = b""
            self.transport.write(heads.CONTINUE)

    def answer(self, answer: Answer, request: Request, model: str = "") -> None:
        """Give an answer that comes from no model, and go on."""
        keep = self._may_keep(request)
        self._hall.counters.answered(model, answer.status)
        self.transport.write(answer.serialised(close=not keep, head_only=request.method == b"HEAD"))
        self.over(keep=keep)

    def _may_keep(self, request: Request) -> bool:
        return (
            request.keep_alive
            and request.modern
            and request.complete
            and not self._early
            and not self._hall.closing
        )

    def over(self, *, keep: bool) -> None:
        """The request under way has been answered; `keep`: the client was told that there may be more."""
        self.exchange = None
        self._held = False
        self._since = self._hall.now
        if self._upgrading and not self._early:
            self._upgrading = False
        if not keep or self._upgrading:
            self._end()
        else:
            self._pump()

    def break_off(self, last: bytes | None) -> None:
        """End an answer short of its end, so that the client sees it; `last` is what it is still told."""
        self.exchange = None
        self._ending = True
        self._since = self._hall.now
        if last is None:
            self._reset()
        else:
            self.transport.write(last)
            self.transport.close()

    def switched(self, tunnel: "Tunnel") -> bytes:
        """Another protocol is spoken from here on; what has come of it already is given back."""
        self._tunnel = tunnel
        early, self._early = self._early, b""
        if self._paused:
            self._paused = False
            self.transport.resume_reading()
        return early

    def tunnel_over(self) -> None:
        """That has ended."""
        self._tunnel = self.exchange = None
        self._hall.left(self)

    def hold(self, held: bool) -> None:
        """Read no more of the body until the model takes it; or go on."""
        if held != self._held:
            self._held = held
            self._regulate()

    def dismiss(self) -> None:
        """The gateway closes: end it if nothing is under way."""
        if self.exchange is None and self._incoming is None and not self._queue and not self._ending:
            self.transport.close()

    def cut(self, message: str) -> None:
        """The gateway's patience is over: say so where something can still be said."""
        if self.exchange is not None and self._tunnel is None:
            self.exchange.cut(message)

    def abort(self) -> None:
        """End it, whatever is under way."""
        if self._tunnel is not None:
            self._tunnel.abort()
        else:
            self.transport.abort()

    def _regulate(self) -> None:
        limit = self._hall.limits.head
        wanted = bool(self._held or (self.exchange is not None and self._queue) or len(self._early) > limit)
        if wanted == self._paused or self.transport.is_closing():
            return
        self._paused = wanted
        if wanted:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def _give_up(self, fault: Answer) -> None:
        """Read nothing any more: where a request ends can't be said."""
        self._fault = fault
        unfinished, self._incoming = self._incoming, None
        self._in_head = False
        exchange = self.exchange
        if unfinished is not None and exchange is not None and exchange.request is unfinished:
            self._reset()
            return
        if unfinished is not None and self._queue and self._queue[-1] is unfinished:
            self._queue.pop()
        self._pump()

    def _say_and_end(self, fault: Answer) -> None:
        self._hall.counters.answered("", fault.status)
        self.transport.write(fault.serialised(close=True))
        self._end(unread=True)

    def _end(self, *, unread: bool = False) -> None:
        """Close; where the client is still sending, a while later: a reset would take the answer from it."""
        if self._ending:
            return
        self._ending = True
        self._since = self._hall.now
        if (unread or self._incoming is not None or self._early) and self.transport.can_write_eof():
            self._resume()
            self.transport.write_eof()
        else:
            self.transport.close()

    def _resume(self) -> None:
        if self._paused and not self.transport.is_closing():
            self._paused = False
            self.transport.resume_reading()

    def _reset(self) -> None:
        """Close so that nobody takes it for the end of an answer."""
        sock = self.transport.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()


def _fault(status: int, message: str) -> Answer:
    return denied_answer(DeniedError(status, "invalid_request", message))
