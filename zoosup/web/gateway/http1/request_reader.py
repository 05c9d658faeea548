"""Requests as they come: cut out of the bytes of a connection, one at a time.

What comes while a request is being answered stays unread, and reading pauses; a hang-up is then seen late. Refuses to
know how anything is answered, and how a connection ends.
"""

import asyncio
from abc import ABC, abstractmethod

import httptools

from zoosup.web.gateway.context.context import Context
from zoosup.web.gateway.errors import DeniedError
from zoosup.web.gateway.http1.chunked import ChunkError, Chunks
from zoosup.web.gateway.http1.handlers import BodySink
from zoosup.web.gateway.http1.heads import response_head
from zoosup.web.gateway.http1.heads.request_head import Head, RejectedError, Request

_LINE_ENDS = 64
"""Bytes behind a request that are no beginning of another where they are line ends; reading goes on."""

_TLS = b"\x16\x03"
"""How a TLS handshake begins: without an answer its client would wait until the time for a head is over."""


class RequestReader(asyncio.Protocol, ABC):
    """The reading half of a client's connection.

    `sink` answers the request under way, None where there is none; `congested`: the client takes more slowly than it
    is given.
    """

    __slots__ = (
        "_at",
        "_busy",
        "_chunks",
        "_context",
        "_data",
        "_ending",
        "_heard",
        "_held",
        "_incoming",
        "_known",
        "_last",
        "_paused",
        "_since",
        "congested",
        "sink",
        "transport",
    )

    def __init__(self, context: Context) -> None:
        self._context = context
        self.transport: asyncio.Transport
        self.sink: BodySink | None = None
        self._last: Head | None = None  # the last head that has a pattern: the next may well be like it
        self._known: Head | None = None  # the same, while nothing else is going on
        self.congested = False
        self._data = b""  # what has come and is not read yet: from `_at` on
        self._at = 0
        self._incoming: Request | None = None  # its head has been read, its body has not
        self._chunks = Chunks()
        self._ending = False  # all is said; what still comes is of no interest
        self._heard = 0.0  # when something has last come that is of no interest
        self._held = False  # the model takes no more of the body for now
        self._paused = self._busy = False
        self._since = 0.0  # when what is going on began, or last went on

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        self._context.counters.received += len(data)
        if self._ending:
            self._heard = self._context.state.now
            return
        if self._data:
            data = self._data[self._at :] + data
        if not self._data or self._incoming is not None:
            self._since = (
                self._context.state.now
            )  # a head has its time from its first byte, a body from its last
        self._data = data
        self._at = 0
        self._advance()

    def _advance(self) -> None:
        """Read on and have answered what is complete, one request after the other."""
        if self._busy:
            return
        self._busy = True
        try:
            while not self._ending and self._step():
                pass
        except RejectedError as error:
            self._refuse(error.status, str(error))
        except (httptools.HttpParserError, ChunkError) as error:
            self._refuse(400, f"this is no HTTP/1.1: {error}")
        finally:
            self._busy = False
        left = len(self._data) - self._at
        if left <= 0 or (left <= _LINE_ENDS and not self._data[self._at :].strip(b"\r\n")):
            self._data, self._at = b"", 0
        if self._data or self._paused:
            self._regulate()

    def _step(self) -> bool:
        """Do the next thing there is to do; False where something must happen first."""
        request = self._incoming
        if request is not None:
            self._take_body(request)
        elif self.sink is not None or self.congested:
            return False
        else:
            request = self._read_head()
        if request is None or self.sink is not None:
            return False
        if request.complete or request.head.streamed or request.denied is not None:
            self._dispatch(request)
            return self.sink is None or self._incoming is not None
        self._encourage(request)
        return False

    def _read_head(self) -> Request | None:
        data, at, limits = self._data, self._at, self._context.limits
        while data.startswith((b"\r", b"\n"), at):
            at += 1  # empty lines in front are none of its own (RFC 9112, 2.2)
        end = data.find(b"\r\n\r\n", at)
        if (end if end >= 0 else len(data)) - at > limits.head:
            raise RejectedError(431, f"a head has at most {limits.head} bytes")
        if end < 0:
            if data.startswith(_TLS, at):
                raise RejectedError(
                    400, "this is TLS, which is not spoken here; expected an address with http://"
                )
            if data.find(b"\n\n", at) >= 0:
                raise RejectedError(400, "the lines of a head end in CR LF")
            self._at = at
            return None
        request = self._incoming = self._request_of(data[at:end])
        self._last = request.head if request.head.pattern is not None else None
        at = self._at = end + 4
        length = request.length
        if length and at + length <= len(data) and request.denied is None:
            request.parts = [data[at : at + length]]  # most come in one piece
            request.size = length
            self._at += length
            self._whole(request)
            return request
        if request.head.chunked:
            self._chunks = Chunks()
        self._take_body(request)
        return request

    def _take_body(self, request: Request) -> None:
        data, at = self._data, self._at
        if request.head.chunked:
            pieces, self._at = self._chunks.feed(data, at)
            if pieces:
                # Together: a list of single bytes takes forty times their room.
                self._take(request, b"".join(pieces))
            complete = self._chunks.done
        else:
            missing = request.length - request.size
            if missing:
                piece = data[at : at + missing]
                self._at += len(piece)
                self._take(request, piece)
            complete = request.size == request.length
        if complete:
            self._whole(request)

    def _take(self, request: Request, piece: bytes) -> None:
        request.size += len(piece)
        if request.denied is not None:
            return
        state = self._context.state
        if request.size > state.rules.max_body:
            self._deny(request, DeniedError.too_large(state.rules.max_body))
            if self.sink is not None:
                raise RejectedError(413, "the body is too long")
        elif self.sink is not None:
            self.sink.data(piece)
        elif state.buffered + len(piece) > state.rules.max_buffered:
            self._deny(request, DeniedError.too_many_bodies(state.rules.max_buffered))
        else:
            request.keep(piece, state)

    def _whole(self, request: Request) -> None:
        self._incoming = None
        request.complete = True
        if self.sink is not None:
            self.sink.end()

    def _encourage(self, request: Request) -> None:
        if request.head.expects_continue and not (request.size or request.encouraged):
            request.encouraged = True
            self.transport.write(response_head.CONTINUE)

    def hold(self, held: bool) -> None:
        """Read no more of the body until the model takes it; or go on."""
        if held != self._held:
            self._held = held
            self._regulate()

    def _regulate(self) -> None:
        left = len(self._data) - self._at
        unread = self.sink is not None and self._incoming is None and left > self._context.limits.head
        if (unread or self._held) and not self._paused and not self.transport.is_closing():
            self._paused = True
            self.transport.pause_reading()
        elif not (unread or self._held):
            self._resume()

    def _resume(self) -> None:
        if self._paused and not self.transport.is_closing():
            self._paused = False
            self.transport.resume_reading()

    def _farewell_since(self) -> float:
        """When who was told all has last sent something: a reset would take the answer from it; but not for ever."""
        return min(max(self._since, self._heard), self._since + self._context.limits.silence)

    @abstractmethod
    def _request_of(self, head: bytes) -> Request:
        """A request by its head, admitted or denied; RejectedError or HttpParserError where it is none."""

    @abstractmethod
    def _dispatch(self, request: Request) -> None:
        """Have it answered."""

    @abstractmethod
    def _deny(self, request: Request, error: DeniedError) -> None:
        """It is not to be answered by a model, whatever else of it comes."""

    @abstractmethod
    def _refuse(self, status: int, message: str) -> None:
        """Read nothing any more: where the next request begins can't be said."""
