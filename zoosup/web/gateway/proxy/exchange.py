"""One request from the question for its model to the end of its answer: asked, waiting, sent, answered, over.

It ends once, in one of three ways: answered (a refusal is an answer), broken off where all can see, cancelled by its
client; its lease goes back in each. Refuses to know how heads are read and who decides on leases.
"""

import time
from typing import Any

from zoosup.core.state.refusal import Code, Refusal, RefusedError
from zoosup.runtime.api import Lease
from zoosup.web.gateway.context import Context
from zoosup.web.gateway.http1 import response_head
from zoosup.web.gateway.http1.client_connection import ClientConnection
from zoosup.web.gateway.http1.handlers import BODY, NO_BODY, SWITCH
from zoosup.web.gateway.http1.pool import ConnectionPool, ConnectionPools
from zoosup.web.gateway.http1.request_head import Request
from zoosup.web.gateway.http1.server_connection import ServerConnection
from zoosup.web.gateway.proxy import rendering
from zoosup.web.gateway.proxy.keepalive_comments import KeepaliveComments
from zoosup.web.gateway.proxy.tunnel import Tunnel
from zoosup.web.gateway.proxy.wait import Wait

_OK = 200
_IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT"})

AT_ONCE = 0.25
"""Seconds after which a server may have begun to do what it was asked; nothing but a look is asked of it twice."""


class Exchange:
    """A Holder of at most one lease, a ResponseHandler of at most one connection, and its client's BodySink."""

    __slots__ = (
        "_client",
        "_comments",
        "_context",
        "_ended",
        "_head",
        "_keep",
        "_lease",
        "_model",
        "_pool",
        "_pools",
        "_request",
        "_sent",
        "_started_at",
        "_torn",
        "_tries",
        "_upstream",
        "_wait",
    )

    def __init__(
        self, context: Context, pools: ConnectionPools, client: ServerConnection, request: Request, model: str
    ) -> None:
        self._context = context
        self._pools = pools
        self._client = client
        self._request = request
        self._model = model
        self._comments: KeepaliveComments | None = None
        self._lease: Lease | None = None
        self._wait: Wait | None = None
        self._pool: ConnectionPool
        self._upstream: ClientConnection | None = None
        self._head: bytes | None = None  # of the model's answer, once the client has it
        self._keep = request.head.keep_alive
        self._sent = False  # the request's body began to go out and is not at hand any more
        self._torn = False  # the answer's last chunk never came to its end
        self._tries = 0
        self._ended = False

    # Asking for the model

    @property
    def client(self) -> str:
        """The address it comes from, which many may share."""
        peer = self._client.transport.get_extra_info("peername")
        return str(peer[0]) if peer else ""

    def begin(self) -> None:
        """Ask for the model; from here on, everything else is told to this exchange."""
        try:
            got: Any = self._context.leasing.ask(self._model, self)  # a lease or a ticket
        except RefusedError as error:
            self.refused(error.refusal)
            return
        if hasattr(got, "release"):
            self._lease = got
            self._context.counters.in_flight += 1
            self._send(got)
        elif self._lease is None and not self._ended:
            self._wait = Wait(self._context, self._client, self._request, self._model, got)

    def granted(self, lease: Lease) -> None:
        """The model is there, perhaps in the very tick in which the client went."""
        if self._ended:
            lease.release()
            return
        self._wait_is_over()
        self._lease = lease
        self._context.counters.in_flight += 1
        self._send(lease)

    def refused(self, refusal: Refusal) -> None:
        """The model can't be had."""
        if not self._ended:
            self._wait_is_over()
            self._refuse(refusal)

    def cut(self, message: str) -> None:
        """The model is being ended, or the gateway is."""
        if self._ended:
            return
        self._cancel_the_wait()
        if self._lease is not None:
            self._pools.over(self._lease.run_id)
        self._break(Refusal(Code.SHUTTING_DOWN, message))

    def _wait_is_over(self) -> None:
        wait, self._wait = self._wait, None
        if wait is not None:
            wait.over()
            self._go_on_after(wait)

    def _cancel_the_wait(self) -> None:
        wait, self._wait = self._wait, None
        if wait is not None:
            wait.cancel()
            self._go_on_after(wait)

    def _go_on_after(self, wait: Wait) -> None:
        if wait.comments is not None:
            self._comments, self._keep = wait.comments, wait.keep

    # Sending

    def _send(self, lease: Lease) -> None:
        self._pool = pool = self._pools.by_run.get(lease.run_id) or self._pools.of(lease)
        self._tries += 1
        upstream = pool.take() if self._tries == 1 else None
        if upstream is None:
            pool.open(self._connected, self._unreachable)
        else:
            self._start(upstream)

    def _connected(self, upstream: ClientConnection) -> None:
        if self._ended:
            upstream.transport.close()
        else:
            self._start(upstream)

    def _unreachable(self, message: str) -> None:
        if not self._ended:
            self._fail(message)

    def _start(self, upstream: ClientConnection) -> None:
        request, comments = self._request, self._comments
        self._upstream = upstream
        self._started_at = time.monotonic()
        if comments is None:
            upstream.sink = self._client.transport
            if not request.head.modern:
                upstream.decode()  # HTTP/1.0 knows no chunks
            if request.head.pattern is not None:
                upstream.ask(self, self._pool.opening_of(request), request.body())
                return
        else:
            upstream.sink = comments
            upstream.decode()
            request.head = request.head.without(b"accept-encoding")  # the head said before is silent on it
        self._start_as_it_is(upstream)

    def _start_as_it_is(self, upstream: ClientConnection) -> None:
        request, head = self._request, self._pool.head_of(self._request)
        expect = SWITCH if request.head.upgrade else NO_BODY if request.head.method == b"HEAD" else BODY
        if request.head.streamed:
            self._client.invite(request)
            self._client.hold(False)
        parts = self._streamed_parts() if request.head.streamed else request.parts
        upstream.start(self, expect, head, parts, whole=request.complete)

    def _streamed_parts(self) -> list[bytes]:
        request = self._request
        parts = (
            [response_head.chunk(part) for part in request.parts] if request.head.chunked else request.parts
        )
        request.parts = []
        self._sent = self._sent or bool(parts)
        if request.complete and request.head.chunked:
            parts.append(response_head.LAST_CHUNK)
            self._sent = True
        return parts

    def data(self, piece: bytes) -> None:
        """A piece of the body of a request that is passed on as it comes."""
        if self._upstream is None:
            self._request.parts.append(piece)
            self._client.hold(True)
            return
        self._sent = True
        self._upstream.transport.write(response_head.chunk(piece) if self._request.head.chunked else piece)

    def end(self) -> None:
        """That body has ended."""
        if self._upstream is None:
            return
        self._upstream.sent_whole = True
        if self._request.head.chunked:
            self._upstream.transport.write(response_head.LAST_CHUNK)

    def on_backpressure(self, held: bool) -> None:
        """The model takes the body more slowly than it comes, or no longer does."""
        if self._request.head.streamed:
            self._client.hold(held)

    # The answer

    def on_head(self, head: bytes, rest: bytes) -> None:
        """The model's head, and what of the body came with it."""
        request, upstream = self._request, self._upstream
        assert upstream is not None  # noqa: S101 - it is whom we hear this from
        self._head = head
        request.let_go(self._context.state)
        self._context.counters.answered(self._model, upstream.status)
        if self._comments is not None:
            self._comments.answered(upstream.status)
            if rest:
                self._comments.write(rest)
            return
        self._keep = keep = (
            request.head.keep_alive
            and request.complete
            and not (upstream.until_close or self._context.state.closing)
        )
        connection = b""
        if not keep or request.head.pattern is None or request.events:
            head, connection = self._unusual(head)
        told = request.head.told
        self._client.transport.write(response_head.passed_on(head, told, connection, rest))

    def _unusual(self, head: bytes) -> tuple[bytes, bytes]:
        """A head as it suits its client, and what is said of the connection."""
        asked = self._request.head
        if not asked.modern and response_head.is_chunked(head):
            head, self._keep = response_head.unframed(head), False
        connection = response_head.connection_line(keep=self._keep, modern=asked.modern)
        if self._request.events and response_head.is_events(head):
            connection += response_head.UNBUFFERED
        return head, connection

    def on_switched(self, head: bytes, early: bytes) -> None:
        """The model speaks another protocol from here on: both directions pass raw, and the lease stays."""
        client, upstream = self._client, self._upstream
        assert upstream is not None  # noqa: S101 - it is whom we hear this from
        self._context.counters.answered(self._model, upstream.status)
        upstream.leave()
        tunnel = Tunnel(client.transport, upstream.transport, self._context.limits, self._tunnel_over)
        tunnel.open(response_head.switched(head) + early, client.switched(tunnel))

    def _tunnel_over(self) -> None:
        self._end()
        self._client.tunnel_over()

    def on_complete(self) -> None:
        """The answer is complete."""
        self._upstream = None
        if self._comments is not None:
            self._comments.finish()
        self._end()
        self._client.over(keep=self._keep and self._request.complete)

    def on_lost(self, message: str) -> None:
        """The model's connection is gone before the answer was complete."""
        upstream, self._upstream = self._upstream, None
        assert upstream is not None  # noqa: S101 - it is whom we hear this from
        self._torn = upstream.mid_chunk
        stale = upstream.used > 0 and upstream.silent and self._tries == 1
        harmless = self._request.head.method in _IDEMPOTENT or time.monotonic() - self._started_at <= AT_ONCE
        if stale and harmless and not self._sent and self._lease is not None:
            self._context.counters.retries += 1  # the server closed it unread: it was idle for too long
            self._send(self._lease)
            return
        self._fail(message)

    def pause(self, paused: bool) -> None:
        """The client takes its answer more slowly than it comes, or no longer does."""
        if self._upstream is not None:
            self._upstream.pause(paused)

    # The other ends

    def gone(self) -> None:
        """The client has hung up: no demand is left, and the model sees that nobody listens."""
        if self._ended:
            return
        self._cancel_the_wait()
        self._drop_upstream()
        self._context.counters.cancel(self._model)
        self._end()

    def _fail(self, message: str) -> None:
        self._break(f"{self._model}: {message}")

    def _break(self, why: Refusal | str) -> None:
        """End an answer that can't be completed: by a refusal where nothing was said, else so that it is seen."""
        self._drop_upstream()
        if self._client.is_tunnel:
            self._client.abort()
            return
        if self._head is None:
            self._refuse(why)
            return
        self._context.counters.break_off(self._model)
        self._end()
        if self._comments is not None:
            self._client.break_off(response_head.chunk(self._event(why)))
        elif self._can_speak():
            self._client.break_off(response_head.chunk(b"\n\n" + self._event(why)))
        else:
            self._client.break_off(None)

    def _event(self, why: Refusal | str) -> bytes:
        return rendering.event(
            why, self._request.head.route.dialect, local=self._client.is_local(self._request)
        )

    def _can_speak(self) -> bool:
        """Whether an event put in now is one to the client."""
        head = self._head or b""
        return response_head.is_chunked(head) and response_head.is_events(head) and not self._torn

    def _refuse(self, why: Refusal | str) -> None:
        self._end()
        if self._comments is not None:
            self._comments.refuse(self._event(why))
            self._context.counters.answered(self._model, _OK)
            self._client.over(keep=self._keep)
        else:
            dialect = self._request.head.route.dialect
            answer = rendering.refused(why, dialect, local=self._client.is_local(self._request))
            self._client.answer(answer, self._request, self._model)

    def _drop_upstream(self) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            self._torn = upstream.mid_chunk
            upstream.let_go()

    def _end(self) -> None:
        self._ended = True
        if self._request.buffered:
            self._request.let_go(self._context.state)
        lease, self._lease = self._lease, None
        if lease is not None:
            self._context.counters.in_flight -= 1
            lease.release()
