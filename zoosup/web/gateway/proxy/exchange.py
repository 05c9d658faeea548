"""One request from the question for its model to the end of its answer: asked, waiting, sent, answered, over.

It ends once, in one of three ways: answered (a refusal is an answer), broken off where all can see, cancelled by its
client; its lease goes back in each. Refuses to know how heads are read and who decides on leases.
"""

from typing import TYPE_CHECKING, Any

from zoosup.core.state.refusal import Code, Refusal, RefusedError
from zoosup.runtime.api import Lease, Ticket
from zoosup.web.gateway.http1 import response_head
from zoosup.web.gateway.http1.request_head import Request
from zoosup.web.gateway.proxy.tunnel import Tunnel

if TYPE_CHECKING:
    from zoosup.web.gateway.context import Hall
    from zoosup.web.gateway.http1.client_connection import Upstream
    from zoosup.web.gateway.http1.pool import Pool
    from zoosup.web.gateway.http1.server_connection import Client
    from zoosup.web.gateway.proxy.keepalive_comments import Loading

_OK = 200


class Exchange:
    """A Holder of at most one lease. `until_close`: the answer's end is the end of the model's connection."""

    __slots__ = (
        "_asked_at",
        "_ended",
        "_hall",
        "_head",
        "_keep",
        "_lease",
        "_pool",
        "_sent",
        "_ticket",
        "_torn",
        "_tries",
        "_upstream",
        "client",
        "loading",
        "model",
        "request",
        "until_close",
    )

    def __init__(self, hall: "Hall", client: "Client", request: Request, model: str) -> None:
        self._hall = hall
        self.client = client
        self.request = request
        self.model = model
        self.loading: Loading | None = None
        self.until_close = False
        self._lease: Lease | None = None
        self._ticket: Ticket | None = None
        self._asked_at = 0.0
        self._pool: Pool
        self._upstream: Upstream | None = None
        self._head: bytes | None = None  # of the model's answer, once the client has it
        self._keep = request.head.keep_alive
        self._sent = False  # the request's body began to go out and is not at hand any more
        self._torn = False  # the answer's last chunk never came to its end
        self._tries = 0
        self._ended = False

    # Asking for the model

    def begin(self) -> None:
        """Ask for the model; from here on, everything else is told to this exchange."""
        try:
            got: Any = self._hall.leasing.ask(self.model, self)  # a lease or a ticket
        except RefusedError as error:
            self.refused(error.refusal)
            return
        if hasattr(got, "release"):
            self._lease = got
            self._hall.counters.in_flight += 1
            self._send(got)
        elif self._lease is None and not self._ended:
            self._ticket = got
            self._hall.wait(self)
            self._asked_at = self._hall.time()

    def granted(self, lease: Lease) -> None:
        """The model is there, perhaps in the very tick in which the client went."""
        if self._ended:
            lease.release()
            return
        if self._ticket is not None:
            self._waited()
        self._lease = lease
        self._hall.counters.in_flight += 1
        self._send(lease)

    def refused(self, refusal: Refusal) -> None:
        """The model can't be had."""
        if self._ended:
            return
        if self._ticket is not None:
            self._waited()
        self._refuse(refusal)

    def cut(self, message: str) -> None:
        """The model is being ended, or the gateway is."""
        if self._ended:
            return
        if self._ticket is not None:
            self._ticket.cancel()
            self._waited()
        if self._lease is not None:
            self._hall.pools.over(self._lease.run_id)
        self._break(Refusal(Code.SHUTTING_DOWN, message))

    def tick(self, now: float) -> None:
        """Called again and again while it waits."""
        if self.loading is None and now - self._asked_at >= self._hall.limits.quiet:
            self._begin_to_speak()
        if self.loading is not None and self._ticket is not None:
            self.loading.tick(now, self._ticket.why())

    def _begin_to_speak(self) -> None:
        self.loading = self._hall.front.loading(self)
        if self.loading is None:
            return
        self._keep = self._keep and not self._hall.closing
        connection = response_head.connection_line(keep=self._keep, modern=True)
        self.loading.open(self.request.head.told + connection)

    def _waited(self) -> None:
        self._ticket = None
        self._hall.waited(self, self.model, self._hall.time() - self._asked_at)

    # Sending

    def _send(self, lease: Lease) -> None:
        pools = self._hall.pools
        self._pool = pool = pools.by_run.get(lease.run_id) or pools.of(lease)
        self._tries += 1
        upstream = pool.take() if self._tries == 1 else None
        if upstream is None:
            pool.open(self._connected, self._unreachable)
        else:
            self._start(upstream)

    def _connected(self, upstream: "Upstream") -> None:
        if self._ended:
            upstream.transport.close()
        else:
            self._start(upstream)

    def _unreachable(self, message: str) -> None:
        if not self._ended:
            self._fail(message)

    def _start(self, upstream: "Upstream") -> None:
        request, loading = self.request, self.loading
        self._upstream = upstream
        if loading is None:
            upstream.sink = self.client.transport
            if request.head.familiar is not None:
                upstream.ask(self, self._pool.opening_of(request), request.body())
                return
        else:
            upstream.sink = loading
            request.head = request.head.without(b"accept-encoding")  # the head said before is silent on it
        head = self._pool.head_of(request)
        if request.head.streamed:
            self.client.hold(False)
            upstream.start(self, head, self._streamed_parts())
        else:
            upstream.start(self, head, request.parts, decode=loading is not None)

    def _streamed_parts(self) -> list[bytes]:
        request = self.request
        parts = (
            [response_head.chunk(part) for part in request.parts] if request.head.chunked else request.parts
        )
        request.parts = []
        self._sent = self._sent or bool(parts)
        if request.complete and request.head.chunked:
            parts.append(response_head.LAST_CHUNK)
            self._sent = True
        return parts

    def upload(self, data: bytes) -> None:
        """A piece of the body of a request that is passed on as it comes."""
        request = self.request
        if self._upstream is None:
            request.parts.append(data)
            self.client.hold(True)
            return
        self._sent = True
        self._upstream.transport.write(response_head.chunk(data) if request.head.chunked else data)

    def uploaded(self) -> None:
        """That body has ended."""
        if self._upstream is not None and self.request.head.chunked:
            self._upstream.transport.write(response_head.LAST_CHUNK)

    # The answer

    def answered(self, upstream: "Upstream", head: bytes, rest: bytes) -> None:
        """The model's head, and what of the body came with it."""
        request, client = self.request, self.client
        if not upstream.reusable:
            bodiless = request.head.method == b"HEAD" or upstream.status in (204, 304)
            self.until_close = not (bodiless or response_head.is_measured(head))
        self._head = head
        request.parts = []
        if self.loading is not None:
            self._hall.counters.answered(self.model, upstream.status)
            self.loading.answered(upstream.status)
            if rest:
                self.loading.write(rest)
            return
        self._keep = (
            request.head.keep_alive and request.complete and not (self.until_close or self._hall.closing)
        )
        plain = self._keep and request.head.modern
        connection = (
            b"" if plain else response_head.connection_line(keep=self._keep, modern=request.head.modern)
        )
        client.transport.write(response_head.passed_on(head, request.head.told, connection) + rest)
        self._hall.counters.answered(self.model, upstream.status)

    def answered_at_once(self, answer: bytes) -> None:
        """The model's whole answer to a request with a familiar head, as the client gets it: 200."""
        hall, client = self._hall, self.client
        keep = not hall.closing
        client.transport.write(answer if keep else response_head.last(answer))
        hall.counters.answered(self.model, _OK)
        self._upstream = None
        self._end()
        client.over(keep=keep)

    def switched(self, upstream: "Upstream", head: bytes, early: bytes) -> None:
        """The model speaks another protocol from here on: both directions pass raw, and the lease stays."""
        client = self.client
        self._hall.counters.answered(self.model, upstream.status)
        upstream.leave()
        tunnel = Tunnel(client.transport, upstream.transport, self._hall.limits.farewell, self._tunnel_over)
        tunnel.open(response_head.switched(head) + early, client.switched(tunnel))

    def _tunnel_over(self) -> None:
        self._end()
        self.client.tunnel_over()

    def finished(self) -> None:
        """The answer is complete."""
        self._upstream = None
        if self.loading is not None:
            self.loading.finish()
        self._end()
        self.client.over(keep=self._keep and self.request.complete)

    def lost(self, upstream: "Upstream", message: str) -> None:
        """The model's connection is gone before the answer was complete."""
        self._upstream = None
        self._torn = upstream.mid_chunk
        stale = upstream.used > 0 and upstream.silent and self._tries == 1
        if stale and not self._sent and self._lease is not None:
            self._hall.counters.retries += 1  # the server closed it unread: it was idle for too long
            self._send(self._lease)
            return
        self._fail(message)

    def pause(self, paused: bool) -> None:
        """The client takes its answer more slowly than it comes, or no longer does."""
        if self._upstream is not None:
            self._upstream.pause(paused)

    # The other ends

    def abandon(self) -> None:
        """The client has hung up: no demand is left, and the model sees that nobody listens."""
        if self._ended:
            return
        if self._ticket is not None:
            self._ticket.cancel()
            self._waited()
        self._drop_upstream()
        cancelled = self._hall.counters.cancelled
        cancelled[self.model] = cancelled.get(self.model, 0) + 1
        self._end()

    def _fail(self, message: str) -> None:
        self._break(f"{self.model}: {message}")

    def _break(self, why: Refusal | str) -> None:
        """End an answer that can't be completed: by a refusal where nothing was said, else so that it is seen."""
        self._drop_upstream()
        if self.client.is_tunnel:
            self.client.abort()
            return
        if self._head is None:
            self._refuse(why)
            return
        broken = self._hall.counters.broken
        broken[self.model] = broken.get(self.model, 0) + 1
        self._end()
        event = self._hall.front.event(why, self.request, self.client)
        if self.loading is not None:
            self.client.break_off(response_head.chunk(event))
        elif self._can_speak():
            self.client.break_off(response_head.chunk(b"\n\n" + event))
        else:
            self.client.break_off(None)

    def _can_speak(self) -> bool:
        """Whether an event put in now is one to the client."""
        head = self._head or b""
        return response_head.is_chunked(head) and response_head.is_events(head) and not self._torn

    def _refuse(self, why: Refusal | str) -> None:
        self._end()
        if self.loading is not None:
            self.loading.refuse(self._hall.front.event(why, self.request, self.client))
            self._hall.counters.answered(self.model, _OK)
            self.client.over(keep=self._keep)
        else:
            answer = self._hall.front.refused(why, self.request, self.client)
            self.client.answer(answer, self.request, self.model)

    def _drop_upstream(self) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            self._torn = upstream.mid_chunk
            upstream.let_go()

    def _end(self) -> None:
        self._ended = True
        lease, self._lease = self._lease, None
        if lease is not None:
            self._hall.counters.in_flight -= 1
            lease.release()
