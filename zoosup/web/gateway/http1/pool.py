"""Connections to the models' servers, kept and used again: those of a run, and all of them.

A pool belongs to one run, so that no connection outlives the process it was made to, to one server elsewhere, to
which connections may be encrypted, or to the gateway of another host. Refuses to know what is sent over a connection.
"""

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from zoosup.host.system.tls import Authorities, in_words
from zoosup.runtime.api.leasing import Lease
from zoosup.runtime.api.upstream import Upstream
from zoosup.web.gateway.context.context import Context
from zoosup.web.gateway.http1.client_connection import ClientConnection
from zoosup.web.gateway.http1.heads.request_head import Head, Request
from zoosup.web.gateway.http1.heads.upstream_head import Addressee
from zoosup.web.gateway.http1.socket_options import GATEWAY, have_the_kernel_look

_T = TypeVar("_T")

_REMEMBERED = 512


class ConnectionPool:
    """The connections to one run. The last one to be given back is the first to be taken: the others may age."""

    def __init__(self, lease: Lease, pools: "ConnectionPools") -> None:
        self.run_id = lease.run_id
        self.model = lease.model
        self._over = False
        self.address = f"{lease.host}:{lease.port}"
        self._host, self._port = lease.host, lease.port
        self.upstream = lease.upstream
        self._addressee = Addressee.of(self.upstream, self.address)
        self.tells_id = self._addressee.tells_id
        self._pools = pools
        self._idle: list[ClientConnection] = []
        self._all: set[ClientConnection] = set()
        self._opening = 0
        self._openings: dict[Head, bytes] = {}
        self._looking: asyncio.Task[bool] | None = None  # for a sign of life

    def follow(self, upstream: Upstream) -> None:
        """The file says something else of what the server is sent."""
        self.upstream = upstream
        self._addressee = Addressee.of(upstream, self.address)
        self._openings.clear()
        self.tells_id = self._addressee.tells_id

    def head_of(self, request: Request) -> bytes:
        """The head of a request to this run. Where its body isn't streamed, all of it must be here."""
        return self._addressee.whole(request, credentials=self._pools.context.state.rules.passes_credentials)

    def opening_of(self, request: Request) -> bytes:
        """The same of one with a familiar head, up to the number of its Content-Length."""
        head = request.head
        opening = self._openings.get(head)
        if opening is None:
            if len(self._openings) >= _REMEMBERED:
                self._openings.clear()
            opening = self._addressee.opening(
                request, credentials=self._pools.context.state.rules.passes_credentials
            )
            opening += b"Content-Length: "
            self._openings[head] = opening
        return opening

    def take(self) -> ClientConnection | None:
        """A connection that is open and unused, as far as anybody knows."""
        idle = self._idle
        while idle:
            connection = idle.pop()
            if not connection.transport.is_closing():
                return connection
        return None

    def open(self, opened: Callable[[ClientConnection], None], failed: Callable[[str], None]) -> None:
        """Connect anew; one of the two is called later, on the loop."""
        self._opening += 1
        self._pools.work(self._connect(opened, failed))

    async def _connect(
        self, opened: Callable[[ClientConnection], None], failed: Callable[[str], None]
    ) -> None:
        loop = asyncio.get_running_loop()
        pools, limits = self._pools, self._pools.context.limits
        try:
            async with asyncio.timeout(limits.hop if self.upstream.node else limits.connect):
                _, connection = await loop.create_connection(
                    lambda: ClientConnection(self, pools.context.counters),
                    self._host,
                    self._port,
                    ssl=await self._tls(),
                )
        except OSError as error:  # TimeoutError is one
            self._opening -= 1
            self.close_idle()
            self._pools.forget_if_empty(self)
            failed(f"can't connect to {self.address}: {in_words(error)}")
            return
        self._opening -= 1
        if self.upstream.node:
            have_the_kernel_look(connection.transport, GATEWAY)
        opened(connection)

    async def shows_life(self) -> bool:
        """Whether whoever listens there says anything within `Limits.sign_of_life`; asked once for all who ask."""
        if self._looking is None or self._looking.done():
            self._looking = self._pools.work(self._look_for_life())
        return await asyncio.shield(self._looking)

    async def _look_for_life(self) -> bool:
        writer = None
        try:
            async with asyncio.timeout(self._pools.context.limits.sign_of_life):
                reader, writer = await asyncio.open_connection(self._host, self._port)
                writer.write(f"GET /health HTTP/1.1\r\nHost: {self.address}\r\n\r\n".encode())
                return bool(await reader.read(1))
        except OSError:  # TimeoutError is one
            return False
        finally:
            if writer is not None:
                writer.transport.abort()

    async def _tls(self) -> ssl.SSLContext | None:
        url = self.upstream.url
        if url is None or not url.tls:
            return None
        return await self._pools.authorities.context(self.upstream.ca_file)

    def joined(self, connection: ClientConnection) -> None:
        """A connection was made."""
        self._all.add(connection)
        self._pools.context.counters.upstream_connections_total += 1

    def left(self, connection: ClientConnection) -> None:
        """A connection is gone."""
        self._all.discard(connection)
        if connection.handler is None and connection in self._idle:
            self._idle.remove(connection)
        self._pools.forget_if_empty(self)

    def give_back(self, connection: ClientConnection) -> None:
        """Keep a connection whose answer has ended, unless its run is over."""
        if self._over:
            connection.transport.close()
            return
        connection.unused_since = self._pools.context.state.now
        self._idle.append(connection)

    def trim(self, before: float) -> None:
        """Close what has not been used since `before`; the oldest stand first."""
        idle = self._idle
        old = 0
        while old < len(idle) and idle[old].unused_since < before:
            old += 1
        for connection in idle[:old]:
            connection.transport.close()
        del idle[:old]

    def close_idle(self) -> None:
        """Close what is unused: one of its kind has just failed."""
        for connection in self._idle:
            connection.transport.close()
        self._idle.clear()

    def retire(self) -> None:
        """The run is over or about to be: close what is unused, and what is used once its answer has ended."""
        self._over = True
        self.close_idle()

    def close(self) -> None:
        """Close everything, answers under way included."""
        self.close_idle()
        for connection in tuple(self._all):
            connection.transport.abort()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is lost by forgetting it."""
        return not self._all and not self._opening


class ConnectionPools:
    """All pools, by run."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.by_run: dict[str, ConnectionPool] = {}
        self.authorities = Authorities()
        self._tasks: set[asyncio.Task[Any]] = set()

    def of(self, lease: Lease) -> ConnectionPool:
        """The pool of the run that a lease is for."""
        pool = self.by_run.get(lease.run_id)
        if pool is None:
            for other in tuple(self.by_run.values()):
                if other.model == lease.model:
                    self.over(other.run_id)
            pool = self.by_run[lease.run_id] = ConnectionPool(lease, self)
        return pool

    def over(self, run_id: str) -> None:
        """A run ends: no connection to it is kept."""
        pool = self.by_run.pop(run_id, None)
        if pool is not None:
            pool.retire()

    def tick(self, now: float) -> None:
        """Close what has been unused for too long."""
        for pool in tuple(self.by_run.values()):
            pool.trim(now - self.context.limits.kept)

    def work(self, working: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Run it to its end, or to that of all pools; a task that nobody holds may be collected."""
        task = asyncio.get_running_loop().create_task(working)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def forget_if_empty(self, pool: ConnectionPool) -> None:
        """Drop a pool without connections; the run may be over."""
        if pool.is_empty and self.by_run.get(pool.run_id) is pool:
            del self.by_run[pool.run_id]

    async def close(self) -> None:
        """Close every connection."""
        for pool in tuple(self.by_run.values()):
            pool.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
