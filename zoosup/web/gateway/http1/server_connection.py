"""One client's connection: how it begins and ends, what it is told, and how it is seen that nobody listens.

Refuses to know models and what an answer says; how its requests are read stands in `request_reader`.
"""

import asyncio
import ipaddress
from typing import Protocol, cast

from zoosup.core.state.refusal import Refusal
from zoosup.web.gateway.context.context import Context
from zoosup.web.gateway.errors import DeniedError
from zoosup.web.gateway.hop import FAREWELL
from zoosup.web.gateway.http1.handlers import Takeover
from zoosup.web.gateway.http1.heads.request_head import Request
from zoosup.web.gateway.http1.heads.request_id import id_in, new_line
from zoosup.web.gateway.http1.request_reader import RequestReader
from zoosup.web.gateway.http1.response import Response
from zoosup.web.gateway.http1.socket_options import have_the_kernel_look, reset
from zoosup.web.gateway.telemetry.access_log.record import Record


class RequestHandler(Protocol):
    """Who answers what clients ask."""

    def request(self, head: bytes) -> Request:
        """A request by its head, without the empty line: admitted or `denied`.

        RejectedError or HttpParserError where it is none.
        """

    def on_request(self, connection: "ServerConnection", request: Request) -> None:
        """Answer it, or have the connection's `sink` do so. Its body is here, unless its head says `streamed`."""

    def denied(self, error: DeniedError, request: Request) -> Response:
        """What is answered to one that is refused for its own sake."""

    def unreadable(self, status: int, message: str) -> Response:
        """What is answered where no request can be made out."""


class ServerConnection(RequestReader):
    """Its requests go to `handler`, one after the other."""

    __slots__ = ("_handler", "_of_gateway", "_takeover", "peer")

    def __init__(self, context: Context, handler: RequestHandler) -> None:
        super().__init__(context)
        self._handler = handler
        self.peer = ""  # the client's address
        self._takeover: Takeover | None = None
        self._of_gateway: bool | None = None  # whether its last request has come from another host's

    def is_local(self, request: Request) -> bool:
        """Whether the client is on this host, and asks for itself."""
        if request.head.forwarded or request.head.hop is not None or not self.peer:
            return False
        return ipaddress.ip_address(self.peer.partition("%")[0]).is_loopback

    @property
    def is_tunnel(self) -> bool:
        """Whether another protocol is spoken."""
        return self._takeover is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self.peer = str(peer[0]) if peer else ""
        context = self._context
        clients = context.connections.clients
        if len(clients) >= context.limits.connections:
            self._ending = True
            self.transport.abort()
            return
        self._since = context.state.now
        have_the_kernel_look(self.transport)
        clients.add(self)
        context.counters.connections += 1
        context.counters.connections_total += 1

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - gone is gone
        """End, whoever has ended it."""
        self._leave_the_others()
        self._hang_up()
        if self._incoming is not None:
            self._incoming.let_go(self._context.state)

    def _leave_the_others(self) -> None:
        if self in self._context.connections.clients:
            self._context.connections.clients.remove(self)
            self._context.counters.connections -= 1

    def eof_received(self) -> bool:
        """A client that sends no more is taken for gone: the only sign of a hang-up there is."""
        self._hang_up()
        return False

    def _hang_up(self) -> None:
        self._ending = True
        sink, self.sink = self.sink, None
        if sink is not None:
            sink.gone()

    def pause_writing(self) -> None:
        """The client takes less than it is given."""
        self.congested = True
        self._known = None
        self._since = self._context.state.now
        if self.sink is not None:
            self.sink.pause(True)

    def resume_writing(self) -> None:
        """It takes more again."""
        self.congested = False
        self._since = self._context.state.now
        if self.sink is not None:
            self.sink.pause(False)
        self._advance()

    def data_received(self, data: bytes) -> None:
        """Take what has come: most often a whole request whose head is like that of the one before."""
        known, self._known = self._known, None
        if known is not None and (pattern := known.pattern) and (body := pattern.body_in(data)) is not None:
            self._context.counters.received += len(data)
            self._handler.on_request(self, Request(known, len(body), body, pattern.id_line))
            return
        RequestReader.data_received(self, data)  # super() takes more steps

    def forget(self) -> None:
        """Settings have changed: whatever its next request looks like, it is looked at."""
        self._last = self._known = None

    def tick(self, now: float) -> None:
        """End it where it has taken too long."""
        limits = self._context.limits
        if self.sink is not None:
            self.sink.tick()
        if self._takeover is not None:
            self._takeover.tick(now)
            return
        if self._ending:
            patience = limits.farewell if self.congested else limits.linger
        elif self.congested:
            patience = limits.stall
        elif self.sink is not None and (self._incoming is None or self._paused):
            return
        elif self._incoming is not None:
            patience = limits.silence
        else:
            patience = limits.arrival if self._data else limits.idle
        if now - (self._farewell_since() if self._ending else self._since) >= patience:
            self._too_slow()

    def _too_slow(self) -> None:
        reading = self._incoming is not None or self._data
        if reading and not self._ending and not self.congested:
            self._refuse(408, "the request does not come to its end")
        else:
            self.transport.abort()

    # Requests

    def _request_of(self, head: bytes) -> Request:
        request = self._handler.request(head)
        self._of_gateway = request.head.hop is not None
        return request

    def _dispatch(self, request: Request) -> None:
        self._handler.on_request(self, request)

    def _deny(self, request: Request, error: DeniedError) -> None:
        request.let_go(self._context.state)
        request.denied = self._handler.denied(error, request)

    # Answering

    def answer(self, response: Response, request: Request, model: str = "") -> None:
        """Give an answer that comes from no model, and go on."""
        head, context = request.head, self._context
        request.let_go(context.state)
        keep = head.keep_alive and head.modern and request.complete and not context.state.closing
        context.counters.answered(model, head.caller.name, response.status)
        if response.code:
            context.counters.refusals[model, response.code] += 1
        told = head.told + request.id_line
        answer = response.serialised(told, close=not keep, head_only=head.method == b"HEAD")
        self.transport.write(answer)
        if request.record is not None:
            request.record.answer(model, response.status, response.code, answer)
        self.over(keep=keep)

    def over(self, *, keep: bool) -> None:
        """The request under way has been answered; `keep`: the client was told that there may be more."""
        self.sink = None
        self._held = False
        self._since = self._context.state.now
        if not keep:
            self._end()
        elif self._data or self._paused:
            self._advance()
        elif not self.congested and self._incoming is None:
            self._known = self._last

    def break_off(self, last: bytes | None) -> None:
        """End an answer short of its end, so that the client sees it; `last` is what it is still told."""
        self.sink = None
        self._ending = True
        self._since = self._context.state.now
        if last is None:
            reset(self.transport)
        else:
            self.transport.write(last)
            self.transport.close()

    def switched(self, takeover: Takeover) -> bytes:
        """Another protocol is spoken from here on; what has come of it already is given back."""
        self._takeover = takeover
        early, self._data, self._at = self._data[self._at :], b"", 0
        self._resume()
        return early

    def tunnel_over(self) -> None:
        """That has ended."""
        self._takeover = self.sink = None
        self._leave_the_others()

    def invite(self, request: Request) -> None:
        """Tell a client to send the body, if it waits for that."""
        self._encourage(request)

    @property
    def is_new(self) -> bool:
        """Whether it has not asked for anything yet."""
        return self._of_gateway is None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return self.sink is None and self._incoming is None and not self._data and not self._ending

    def dismiss(self) -> None:
        """The gateway closes: end it if nothing is under way any more.

        Another gateway may just be sending a request, and could not know whether it was read: it is told.
        """
        if not self.is_idle:
            return
        if self._of_gateway:
            self.transport.write(FAREWELL)
            self._end(unread=True)
        else:
            self.transport.close()

    def cut(self, refusal: Refusal) -> None:
        """The gateway's patience is over: say so where something can still be said."""
        if self.sink is not None and not self.is_tunnel:
            self.sink.cut(refusal)

    def abort(self) -> None:
        """End it, whatever is under way."""
        if self._takeover is not None:
            self._takeover.abort()
        else:
            self.transport.abort()

    def _refuse(self, status: int, message: str) -> None:
        """Read nothing any more: where the next request begins can't be said."""
        if self.sink is not None:
            reset(self.transport)
            return
        self._context.counters.answered("", "", status)
        line = new_line() if self._incoming is None else self._incoming.id_line
        response = self._handler.unreadable(status, message)
        self._context.counters.refusals["", response.code] += 1
        answer = response.serialised(line, close=True)
        self.transport.write(answer)
        log = self._context.state.access_log
        if log is not None:
            Record(log.add, id_in(line), "", self.peer).answer("", status, response.code, answer)
        self._end(unread=True)

    def _end(self, *, unread: bool = False) -> None:
        """Close; where the client is still sending, a while later: a reset would take the answer from it."""
        if self._ending:
            return
        self._ending = True
        self._since = self._context.state.now
        if (unread or self._incoming is not None) and self.transport.can_write_eof():
            self._resume()
            self.transport.write_eof()
        else:
            self.transport.close()
