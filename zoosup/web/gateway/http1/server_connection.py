"""One client's connection: how it begins and ends, what it is told, and how it is seen that nobody listens.

Refuses to know models and what an answer says; how its requests are read stands in `intake`.
"""

import asyncio
import contextlib
import ipaddress
import socket
import struct
from typing import TYPE_CHECKING, cast

from zoosup.web.gateway.errors import DeniedError
from zoosup.web.gateway.http1.request_head import Request
from zoosup.web.gateway.http1.request_reader import Intake
from zoosup.web.gateway.proxy.rendering import Answer, denied_answer

if TYPE_CHECKING:
    from zoosup.web.gateway.context import Hall
    from zoosup.web.gateway.proxy.tunnel import Tunnel

_RESET = struct.pack("ii", 1, 0)


class Client(Intake):
    """`exchange` is the request under way; `congested`: the client takes more slowly than it is given."""

    __slots__ = ("_held", "_tunnel")

    def __init__(self, hall: "Hall") -> None:
        super().__init__(hall)
        self._tunnel: Tunnel | None = None
        self._held = False

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
        self._leave()

    def eof_received(self) -> bool:
        """A client that sends no more is taken for gone: the only sign of a hang-up there is."""
        self._leave()
        return False

    def _leave(self) -> None:
        self._ending = True
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.abandon()

    def pause_writing(self) -> None:
        """The client takes less than it is given."""
        self.congested = True
        self._expected = None
        self._since = self._hall.now
        if self.exchange is not None:
            self.exchange.pause(True)

    def resume_writing(self) -> None:
        """It takes more again."""
        self.congested = False
        self._since = self._hall.now
        if self.exchange is not None:
            self.exchange.pause(False)
        self._advance()

    def data_received(self, data: bytes) -> None:
        """Take what has come: most often a whole request whose head is like that of the one before."""
        familiar, self._expected = self._expected, None
        if familiar is not None:
            body = familiar.body_in(data)
            if body is not None:
                hall = self._hall
                hall.counters.received += len(data)
                hall.front.dispatch_usual(self, Request(familiar.head, len(body), body))
                return
        super().data_received(data)

    def forget(self) -> None:
        """Settings have changed: whatever its next request looks like, it is looked at."""
        self._familiar = self._expected = None

    def tick(self, now: float) -> None:
        """End it where it has taken too long."""
        limits = self._hall.limits
        if self._ending:
            patience = limits.farewell if self.congested else limits.linger
        elif self.congested:
            patience = limits.stall
        elif self.exchange is not None and (self._incoming is None or self._paused):
            return
        elif self._incoming is not None:
            patience = limits.silence
        else:
            patience = limits.arrival if self._data else limits.idle
        if now - self._since >= patience and self._tunnel is None:
            self._too_slow()

    def _too_slow(self) -> None:
        reading = self._incoming is not None or self._data
        if reading and not self._ending and not self.congested:
            self._refuse(408, "the request does not come to its end")
        else:
            self.transport.abort()

    # Answering

    def answer(self, answer: Answer, request: Request, model: str = "") -> None:
        """Give an answer that comes from no model, and go on."""
        keep = request.head.keep_alive and request.head.modern and request.complete and not self._hall.closing
        self._hall.counters.answered(model, answer.status)
        self.transport.write(answer.serialised(close=not keep, head_only=request.head.method == b"HEAD"))
        self.over(keep=keep)

    def over(self, *, keep: bool) -> None:
        """The request under way has been answered; `keep`: the client was told that there may be more."""
        self.exchange = None
        self._held = False
        self._since = self._hall.now
        if not keep:
            self._end()
        elif self._data or self._paused:
            self._advance()
        elif not self.congested and self._incoming is None:
            self._expected = self._familiar

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
        early, self._data, self._at = self._data[self._at :], b"", 0
        self._resume()
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
        if self.exchange is None and self._incoming is None and not self._data and not self._ending:
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
        unread = self.exchange is not None and self._incoming is None and bool(self._data)
        if (unread or self._held) and not self._paused and not self.transport.is_closing():
            self._paused = True
            self.transport.pause_reading()
        elif not (unread or self._held):
            self._resume()

    def _resume(self) -> None:
        if self._paused and not self.transport.is_closing():
            self._paused = False
            self.transport.resume_reading()

    def _refuse(self, status: int, message: str) -> None:
        """Read nothing any more: where the next request begins can't be said."""
        if self.exchange is not None:
            self._reset()
            return
        fault = denied_answer(DeniedError(status, "invalid_request", message))
        self._hall.counters.answered("", status)
        self.transport.write(fault.serialised(close=True))
        self._end(unread=True)

    def _end(self, *, unread: bool = False) -> None:
        """Close; where the client is still sending, a while later: a reset would take the answer from it."""
        if self._ending:
            return
        self._ending = True
        self._since = self._hall.now
        if (unread or self._incoming is not None) and self.transport.can_write_eof():
            self._resume()
            self.transport.write_eof()
        else:
            self.transport.close()

    def _reset(self) -> None:
        """Close so that nobody takes it for the end of an answer."""
        sock = self.transport.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()
