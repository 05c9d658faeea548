"""The gateway as a whole: begins, moves, changes its settings and ends.

Refuses to know what a request is.
"""

import asyncio
import socket

from zoosup.core.state.refusal import Code, Refusal
from zoosup.errors import ZoosupError
from zoosup.runtime.api import Leasing
from zoosup.spec.model.gateway import GatewaySpec
from zoosup.spec.model.values import split_address
from zoosup.web.gateway.context import Context, Rules, State
from zoosup.web.gateway.http1.pool import ConnectionPools
from zoosup.web.gateway.http1.server_connection import ServerConnection
from zoosup.web.gateway.limits import Limits
from zoosup.web.gateway.metrics import Counters
from zoosup.web.gateway.routing.access import Policy
from zoosup.web.gateway.routing.router import Router
from zoosup.web.sockets import Listener

_BACKLOG = 1024
_GLANCE = 0.02
_ENDING = Refusal(Code.SHUTTING_DOWN, "zoosup is shutting down")


class Gateway:
    """The address of all models. `configure` settles what is asked of clients, `rebind` where they connect."""

    def __init__(self, leasing: Leasing, *, limits: Limits | None = None) -> None:
        limits = limits or Limits()
        self._spec = GatewaySpec()
        self._keys: tuple[str, ...] = ()
        self._state = State(Rules.of(self._spec, limits, keys=False))
        self._context = Context(leasing, limits, self._state)
        self._pools = ConnectionPools(self._context)
        self._router = Router(self._context, self._pools)
        self._listener = Listener("gateway.listen", self._serve, _BACKLOG)
        self._ticking: asyncio.TimerHandle | None = None

    @property
    def address(self) -> str | None:
        """Where it listens, with the port it was given for port 0; None when it does not."""
        return self._listener.address

    @property
    def counters(self) -> Counters:
        """What it has counted; read only."""
        return self._context.counters

    async def start(self) -> None:
        """Begin; nobody can connect before `configure` or `rebind`."""
        self._state.closing = False
        self._tick()

    async def configure(self, spec: GatewaySpec | None, keys: tuple[str, ...]) -> None:
        """Put a spec in force, None: no gateway. `keys` are all that count, those of the key file too.

        ZoosupError when the address can't be had; everything is then as it was.
        """
        before = self._spec, self._keys
        self._put_in_force(spec or GatewaySpec(), keys)  # first: a new address is never open without its keys
        try:
            await self.rebind(spec.listen if spec is not None else None)
        except ZoosupError:
            self._put_in_force(*before)
            raise

    def _put_in_force(self, spec: GatewaySpec, keys: tuple[str, ...]) -> None:
        self._spec, self._keys = spec, keys
        self._state.rules = Rules.of(spec, self._context.limits, keys=bool(keys))
        policy = Policy(
            keys=tuple(key.encode() for key in keys),
            origins=spec.cors,
            listen_host=split_address(spec.listen)[0],
            hostname=socket.gethostname(),
            open=spec.open,
        )
        self._router.enforce(policy)

    async def rebind(self, listen: str | None) -> None:
        """Move to another address, None for nowhere; connections that exist live on.

        ZoosupError when the address can't be had; the gateway then stays where it is.
        """
        await self._listener.move(listen)

    async def stop(self, grace: float) -> None:
        """Accept nobody any more, let answers end within `grace` seconds, then break off what is left."""
        await self._listener.move(None)
        self._state.closing = True
        clients = self._context.connections.clients
        for client in tuple(clients):
            client.dismiss()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + grace
        while clients and loop.time() < deadline:  # noqa: ASYNC110 - rarely, and for seconds
            await asyncio.sleep(_GLANCE)
        await self._break_off()
        if self._ticking is not None:
            self._ticking.cancel()

    async def _break_off(self) -> None:
        clients = self._context.connections.clients
        for client in tuple(clients):
            client.cut(_ENDING)
        await asyncio.sleep(_GLANCE)  # for the last words to go out
        for client in tuple(clients):
            client.abort()
        await self._pools.close()
        self._router.close()
        await asyncio.sleep(0)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        self._state.now = now = loop.time()
        self._pools.tick(now)
        self._context.connections.tick(now)
        self._ticking = loop.call_later(self._context.limits.tick, self._tick)

    async def _serve(self, sock: socket.socket) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_server(
            lambda: ServerConnection(self._context, self._router), sock=sock, backlog=_BACKLOG
        )
