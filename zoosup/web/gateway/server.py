"""The gateway as a whole: begins, moves, changes its settings and ends.

Refuses to know what a request is.
"""

import asyncio
import socket

from zoosup.errors import ZoosupError
from zoosup.runtime.api import Leasing
from zoosup.spec.model.gateway import GatewaySpec as Settings
from zoosup.web.gateway.context import Hall
from zoosup.web.gateway.http1.server_connection import Client
from zoosup.web.gateway.limits import Limits
from zoosup.web.gateway.metrics import Counters
from zoosup.web.gateway.routing.router import Front
from zoosup.web.sockets import Listener

_BACKLOG = 1024
_GLANCE = 0.02


class Gateway:
    """The address of all models. `configure` settles what is asked of clients, `rebind` where they connect."""

    def __init__(self, leasing: Leasing, *, limits: Limits | None = None) -> None:
        self._hall = Hall(leasing, limits or Limits())
        self._hall.front = Front(self._hall)
        self._listener = Listener("gateway.listen", self._serve, _BACKLOG)
        self._ticking: asyncio.TimerHandle | None = None

    @property
    def address(self) -> str | None:
        """Where it listens, with the port it was given for port 0; None when it does not."""
        return self._listener.address

    @property
    def counters(self) -> Counters:
        """What it has counted; read only."""
        return self._hall.counters

    async def start(self) -> None:
        """Begin; nobody can connect before `configure` or `rebind`."""
        self._hall.closing = False
        self._tick()

    async def configure(self, settings: Settings | None, keys: tuple[str, ...]) -> None:
        """Put a spec in force, None: no gateway. `keys` are all that count, those of the key file too.

        ZoosupError when the address can't be had; everything is then as it was.
        """
        before = self._hall.settings, self._hall.keys
        self._hall.configure(
            settings or Settings(), keys
        )  # first: a new address is never open without its keys
        try:
            await self.rebind(settings.listen if settings is not None else None)
        except ZoosupError:
            self._hall.configure(*before)
            raise

    async def rebind(self, listen: str | None) -> None:
        """Move to another address, None for nowhere; connections that exist live on.

        ZoosupError when the address can't be had; the gateway then stays where it is.
        """
        await self._listener.move(listen)

    async def stop(self, grace: float) -> None:
        """Accept nobody any more, let answers end within `grace` seconds, then break off what is left."""
        await self._listener.move(None)
        hall = self._hall
        hall.closing = True
        for client in tuple(hall.clients):
            client.dismiss()
        deadline = hall.time() + grace
        while hall.clients and hall.time() < deadline:  # noqa: ASYNC110 - rarely, and for seconds
            await asyncio.sleep(_GLANCE)
        await self._break_off()
        if self._ticking is not None:
            self._ticking.cancel()

    async def _break_off(self) -> None:
        hall = self._hall
        for client in tuple(hall.clients):
            client.cut("zoosup is shutting down")
        await asyncio.sleep(_GLANCE)  # for the last words to go out
        for client in tuple(hall.clients):
            client.abort()
        await hall.pools.close()
        await asyncio.sleep(0)

    def _tick(self) -> None:
        self._hall.tick()
        loop = asyncio.get_running_loop()
        self._ticking = loop.call_later(self._hall.limits.tick, self._tick)

    async def _serve(self, sock: socket.socket) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: Client(self._hall), sock=sock, backlog=_BACKLOG)
