"""One request from the question for its model to the end of its answer: asked, waiting, sent, answered, over.

It ends once, in one of three ways: answered (a refusal is an answer), broken off where all can see, cancelled by its
client; its lease goes back in each. Refuses to know how heads are read and who decides on leases.
"""

import time

from zoosup.core.state.refusal import Code, Refusal
from zoosup.runtime.api.leasing import Lease
from zoosup.web.gateway.context.context import Context
from zoosup.web.gateway.http1.client_connection import ClientConnection
from zoosup.web.gateway.http1.handlers import BODY, NO_BODY, SWITCH
from zoosup.web.gateway.http1.heads import response_head
from zoosup.web.gateway.http1.heads.request_head import Request
from zoosup.web.gateway.http1.pool import ConnectionPool, ConnectionPools
from zoosup.web.gateway.http1.server_connection import ServerConnection
from zoosup.web.gateway.proxy import rendering
from zoosup.web.gateway.proxy.tunnel import Tunnel
from zoosup.web.gateway.proxy.upload import Upload
from zoosup.web.gateway.telemetry.access_log.record import Ending
from zoosup.web.gateway.telemetry.usage import NOTHING_SAID

_OK = 200
_IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT"})

AT_ONCE = 0.25
"""Seconds after which a server may have begun to do what it was asked; nothing but a look is asked of it twice."""


class Exchange(Upload):
    """A Holder of at most one lease, a ResponseHandler of at most one connection, and its client's BodySink."""

    __slots__ = ("_head", "_pool", "_pools", "_started_at", "_torn", "_tries")
    _own_lines = b""  # of the head that a server is sent, for this client alone

    def __init__(
        self, context: Context, pools: ConnectionPools, client: ServerConnection, request: Request, model: str
    ) -> None:
        Upload.__init__(self, context, client, request, model)  # super() takes more steps
        self._pools = pools
        self._pool: ConnectionPool
        self._upstream, self._sent = None, False
        self._head: bytes | None = None  # of the model's answer, once the client has it
        self._started_at = 0.0
        self._torn = False  # the answer's last chunk never came to its end
        self._tries = 0

    # Sending

    def _send(self, lease: Lease) -> None:
        self._pool = pool = self._pools.by_run.get(lease.run_id) or self._pools.of(lease)
        if pool.upstream is not lease.upstream:
            pool.follow(lease.upstream)
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
        if not self._ended and self._may_start_over():
            self._try_again()
        elif not self._ended:
            self._fail(message)

    def _start(self, upstream: ClientConnection) -> None:
        request, comments = self._request, self._comments
        self._upstream = upstream
        self._started_at = time.monotonic()
        if request.record is not None:
            request.more_lines = self._own_lines + request.record.asked(self._model)
        if comments is None:
            if not request.head.modern:
                upstream.decode()  # HTTP/1.0 knows no chunks
            if request.head.pattern is not None:
                pool = self._pool
                more = request.id_line if pool.tells_id else b""
                upstream.ask(self, pool.opening_of(request), request.body(), more + request.more_lines)
                return
        else:
            upstream.sink = comments
            upstream.decode()
            request.head = request.head.without(b"accept-encoding")  # the head said before is silent on it
        self._start_as_it_is(upstream)

    def _start_as_it_is(self, upstream: ClientConnection) -> None:
        request, head = self._request, self._pool.head_of(self._request)
        expect = SWITCH if request.head.upgrade else NO_BODY if request.head.method == b"HEAD" else BODY
        upstream.start(self, expect, head, self._parts(), whole=request.complete)

    # The answer

    def on_head(self, head: bytes, rest: bytes) -> None:
        """The model's head, and what of the body came with it."""
        request, upstream = self._request, self._upstream
        assert upstream is not None  # noqa: S101 - it is whom we hear this from
        self._head = head
        request.let_go(self._context.state)
        counters = self._context.counters
        counters.answered(self._model, request.head.caller.name, upstream.status)
        counters.first_bytes[self._model].observe(time.monotonic() - self._started_at)
        if request.record is not None:
            request.record.headed(upstream.status)
        if self._comments is not None:
            self._told(_OK)
            self._comments.answered(upstream.status, streams=response_head.is_events(head))
            if rest:
                self._comments.write(rest)
            return
        self._keep = keep = (
            request.head.keep_alive
            and request.complete
            and not (upstream.until_close or self._context.state.closing)
        )
        own = request.id_line
        if not keep or request.head.pattern is None or request.events:
            head, connection = self._unusual(head)
            own = connection + own
        answer = response_head.passed_on(head, request.head.told, own, rest)
        if upstream.complete and request.record is None:
            self._client.transport.write(answer)
            request.answer = answer  # nothing follows for a meter to see; without one it takes 1 us less
        else:
            upstream.sink = request.through(self._client.transport)
            upstream.sink.write(answer)
            self._told(upstream.status)

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
        self._context.counters.answered(self._model, self._request.head.caller.name, upstream.status)
        self._told(upstream.status)
        if self._request.record is not None:
            self._request.record.headed(upstream.status)
        upstream.leave()
        tunnel = Tunnel(client.transport, upstream.transport, self._context.limits, self._tunnel_over)
        tunnel.open(response_head.switched(head, self._request.id_line) + early, client.switched(tunnel))

    def _tunnel_over(self) -> None:
        self._end()
        self._note(Ending.ANSWERED)
        self._client.tunnel_over()

    def on_complete(self) -> None:
        """The answer is complete."""
        self._upstream = None
        if self._comments is not None:
            self._comments.finish()
        self._end()
        self._count()
        if self._request.record is not None:
            self._request.record.end(Ending.ANSWERED)
        self._client.over(keep=self._keep and self._request.complete)

    def _count(self) -> None:
        """Count a complete answer: how long it took, and how many tokens it says."""
        model, request, counters = self._model, self._request, self._context.counters
        counters.answers[model].observe(time.monotonic() - self._started_at)
        if (tokens := request.tokens()) is not NOTHING_SAID:
            counters.took(model, request.head.caller.name, tokens)

    def on_lost(self, message: str) -> None:
        """The model's connection is gone before the answer was complete."""
        upstream, self._upstream = self._upstream, None
        assert upstream is not None  # noqa: S101 - it is whom we hear this from
        self._torn = upstream.mid_chunk
        stale = upstream.used > 0 and upstream.silent and self._tries == 1
        if stale and self._was_unread() and not self._sent and self._lease is not None:
            self._context.counters.retries += 1  # the server closed it unread: it was idle for too long
            self._send(self._lease)
        elif self._is_harmless() and self._may_start_over():
            self._try_again()
        else:
            self._fail(message)

    def _was_unread(self) -> bool:
        """Whether a server that has closed without a word can't have begun, or does no harm by beginning twice."""
        return self._is_harmless() or time.monotonic() - self._started_at <= AT_ONCE

    def pause(self, paused: bool) -> None:
        """The client takes its answer more slowly than it comes, or no longer does."""
        if self._upstream is not None:
            self._upstream.pause(paused)

    # The other ends

    def tick(self) -> None:
        """End what takes longer than the file allows."""
        limit = 0.0 if self._client.is_tunnel else self._context.state.rules.request_timeout
        if limit and self._upstream is not None and time.monotonic() - self._started_at >= limit:
            said = f"{self._model}: the answer took longer than gateway.request_timeout, {limit:g} s"
            self._break(Refusal(Code.REQUEST_TIMEOUT, said, final=True))

    def _try_again(self) -> None:
        self._tries = 0
        self._start_over()

    def _may_start_over(self) -> bool:
        """Whether nothing that was sent does harm when it is sent again, nothing was said, and the server is ours."""
        unsent = self._upstream is None and not self._sent
        here = self._lease is not None and self._lease.upstream.url is None
        silent = here and self._head is None and not self._client.is_tunnel
        return silent and (unsent or self._is_harmless())

    def _is_harmless(self) -> bool:
        return self._request.head.method in _IDEMPOTENT and not self._sent

    def cut(self, refusal: Refusal) -> None:
        """The model is being ended, or the gateway is."""
        if self._ended:
            return
        self._cancel_the_wait()
        if self._lease is not None:
            self._pools.over(self._lease.run_id)
        if refusal.code is not Code.SHUTTING_DOWN and self._may_start_over():
            self._drop_upstream()
            self._try_again()
        else:
            self._break(refusal)

    def gone(self) -> None:
        """The client has hung up: no demand is left, and the model sees that nobody listens."""
        if self._ended:
            return
        self._cancel_the_wait()
        self._drop_upstream()
        self._context.counters.cancelled[self._model] += 1
        self._end()
        self._note(Ending.CANCELLED)

    def _fail(self, message: str) -> None:
        self._break(Refusal(Code.UPSTREAM_ERROR, f"{self._model}: {message}"))

    def _break(self, why: Refusal) -> None:
        """End an answer that can't be completed: by a refusal where nothing was said, else so that it is seen."""
        self._drop_upstream()
        if self._client.is_tunnel:
            self._note(Ending.CUT, why.code)
            self._client.abort()
            return
        if self._head is None:
            self._refuse(why)
            return
        self._context.counters.broken[self._model] += 1
        self._end()
        self._note(Ending.CUT, why.code)
        if self._comments is not None:
            self._client.break_off(self._comments.event(self._event(why)))
        elif self._can_speak():
            self._client.break_off(response_head.chunk(b"\n\n" + self._event(why)))
        else:
            self._client.break_off(None)

    def _event(self, why: Refusal) -> bytes:
        request = self._request
        return rendering.event(why, request.head.route.dialect, local=self._client.is_local(request))

    def _can_speak(self) -> bool:
        """Whether an event put in now is one to the client."""
        head = self._head or b""
        return response_head.is_chunked(head) and response_head.is_events(head) and not self._torn

    def _refuse(self, why: Refusal) -> None:
        self._end()
        if self._comments is not None:
            self._comments.refuse(self._event(why))
            self._context.counters.answered(self._model, self._request.head.caller.name, _OK)
            self._context.counters.refusals[self._model, why.code] += 1
            self._note(Ending.REFUSED, why.code)
            self._client.over(keep=self._keep)
        else:
            head, local = self._request.head, self._client.is_local(self._request)
            may_go_on = head.hop is not None and (not self._started_at or self._is_harmless())
            answer = rendering.refused(why, head.route.dialect, local=local, passed_on=may_go_on)
            self._client.answer(answer, self._request, self._model)

    def _drop_upstream(self) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            self._torn = upstream.mid_chunk
            upstream.let_go()
