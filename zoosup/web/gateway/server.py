"""The gateway as a whole: begins, moves, changes its settings and ends.

Refuses to know what a request is.
"""

import asyncio
import socket
from dataclasses import dataclass

from zoosup.core.state.refusal import Code, Refusal
from zoosup.errors import ZoosupError
from zoosup.host.system.listen_fds import HandedSockets
from zoosup.runtime.api.leasing import Leasing
from zoosup.runtime.api.routing import Routing
from zoosup.spec.model.gateway import AccessLogStyle, GatewaySpec
from zoosup.spec.model.values.kinds import is_loopback
from zoosup.spec.syntax.addresses import split_address
from zoosup.web.gateway.caller import Caller
from zoosup.web.gateway.context.connections import Connection
from zoosup.web.gateway.context.context import Context, Rules, State
from zoosup.web.gateway.context.limits import Limits
from zoosup.web.gateway.hop import own_lines
from zoosup.web.gateway.http1.pool import ConnectionPools
from zoosup.web.gateway.http1.server_connection import ServerConnection
from zoosup.web.gateway.routing.access import Policy
from zoosup.web.gateway.routing.router import Router
from zoosup.web.gateway.telemetry.access_log.writer import AccessLog
from zoosup.web.gateway.telemetry.metrics import Counters
from zoosup.web.gateway.telemetry.tracing.setup import Tracing
from zoosup.web.sockets import Listener

_BACKLOG = 1024
_GLANCE = 0.02
_FIRST_WORDS = 1.0  # seconds for who has connected and is about to ask
_TUNNELS = 3.0  # seconds for what may never end by itself
_ENDING = Refusal(Code.SHUTTING_DOWN, "zoosup is shutting down")


@dataclass(frozen=True, slots=True, repr=False)
class Fleet:
    """The other hosts, as a gateway knows them. `token` is what gateways present to each other, "" for none."""

    routing: Routing
    token: str = ""


class Gateway:
    """The address of all models. `configure` settles what is asked of clients, `rebind` where they connect."""

    def __init__(
        self,
        leasing: Leasing,
        *,
        limits: Limits | None = None,
        handed: HandedSockets | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        limits = limits or Limits()
        self._spec = GatewaySpec()
        self._keys: tuple[str, ...] = ()
        self._fleet: Fleet | None = None
        self._state = State(Rules.of(self._spec, limits, keys=False))
        self._context = Context(leasing, limits, self._state, tracing=tracing)
        self._pools = ConnectionPools(self._context)
        self._router = Router(self._context, self._pools)
        self._access_log = AccessLog()
        self._listener = Listener("gateway.listen", self._serve, _BACKLOG, handed)
        self._ticking: asyncio.TimerHandle | None = None
        self._begun = False
        self._in_use = False  # whether anybody was connected at the last tick

    @property
    def address(self) -> str | None:
        """Where it listens, with the port it was given for port 0; None when it does not."""
        return self._listener.address

    def filenos(self) -> list[int]:
        """The descriptors of the sockets that it listens on."""
        return self._listener.filenos()

    @property
    def counters(self) -> Counters:
        """What it has counted; read only."""
        return self._context.counters

    async def start(self) -> None:
        """Begin; nobody can connect before `configure` or `rebind`."""
        self._begun, self._state.closing = True, False

    async def configure(
        self, spec: GatewaySpec | None, keys: tuple[str, ...], fleet: Fleet | None = None
    ) -> None:
        """Put a spec in force, None: no gateway. `keys` are all that count, those of the key file too.

        `fleet`: the other hosts. ZoosupError when the address can't be had: then the rest is in force where it is.
        """
        before = self._spec, self._keys, self._fleet
        self._put_in_force(
            spec or GatewaySpec(), keys, fleet
        )  # first: a new address is never open without its keys
        try:
            await self.rebind(spec.listen if spec is not None else None)
        except ZoosupError:
            where = before[0].listen
            # A key that is taken back counts no more, wherever clients connect.
            if keys or is_loopback(where):
                self._put_in_force((spec or GatewaySpec()).model_copy(update={"listen": where}), keys, fleet)
            else:  # what needs no key on the new address would be open to other hosts on this one
                self._put_in_force(*before)
            raise

    def _put_in_force(self, spec: GatewaySpec, keys: tuple[str, ...], fleet: Fleet | None) -> None:
        self._spec, self._keys, self._fleet = spec, keys, fleet
        self._state.routing = None
        if fleet is not None:
            self._state.routing = fleet.routing
            fleet.routing.present(own_lines(fleet.token))
        self._state.rules = Rules.of(spec, self._context.limits, keys=bool(keys))
        self._access_log.style = spec.access_log
        self._state.access_log = None if spec.access_log is AccessLogStyle.OFF else self._access_log
        policy = Policy(
            keys=tuple(key.encode() for key in keys),
            callers={
                each.key.get_secret_value().encode(): Caller(each.name, each.models)
                for each in spec.api_keys
                if each.name
            },
            origins=spec.cors,
            listen_host=split_address(spec.listen)[0],
            hostname=socket.gethostname(),
            open=spec.open,
            fleet_token=None if fleet is None else fleet.token.encode(),
        )
        self._router.enforce(policy)

    async def rebind(self, listen: str | None) -> None:
        """Move to another address, None for nowhere; connections that exist live on.

        ZoosupError when the address can't be had; the gateway then stays where it is.
        """
        await self._listener.move(listen)

    async def stop(self, grace: float) -> None:
        """Accept nobody any more, let answers end within `grace` seconds, then break off what is left.

        Connections over which another protocol is spoken have three seconds at most. A second call ends the first.
        """
        await self._listener.move(None)
        self._state.closing = True
        loop = asyncio.get_running_loop()
        began, idle = loop.time(), set[Connection]()
        await asyncio.sleep(0)  # for those who were accepted last
        while (clients := self._context.connections.clients) and (now := loop.time() - began) < grace:
            for client in tuple(clients):
                if client in idle and (now > _FIRST_WORDS or not client.is_new):
                    client.dismiss()
                elif client.is_tunnel and now > _TUNNELS:
                    client.abort()
            idle = {client for client in clients if client.is_idle}
            await asyncio.sleep(_GLANCE)
        await self._break_off()
        await self._access_log.close()
        if self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None
        if self._begun and self._context.tracing is not None:
            await self._context.tracing.close()
        self._begun = False

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
        """Let time pass, for as long as anybody is connected, and once more."""
        loop = asyncio.get_running_loop()
        self._state.now = now = loop.time()
        self._pools.tick(now)
        self._context.connections.tick(now)
        was_in_use = self._in_use
        self._in_use = bool(self._context.connections.clients or self._pools.by_run)
        again = self._in_use or was_in_use
        self._ticking = loop.call_later(self._context.limits.tick, self._tick) if again else None

    async def _serve(self, sock: socket.socket) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_server(self._accepted, sock=sock, backlog=_BACKLOG)

    def _accepted(self) -> ServerConnection:
        if self._ticking is None:
            self._in_use = True
            self._tick()
        self._in_use = True  # the next tick may come before it is among the clients
        return ServerConnection(self._context, self._router)
