"""What all connections of the gateway share: settings in force, limits, counts, the time, and who is there.

Refuses to know how a request is read, sent or answered.
"""

import asyncio
import socket
from typing import TYPE_CHECKING

from zoosup.runtime.api import Leasing
from zoosup.spec.model.gateway import GatewaySpec as Settings
from zoosup.spec.model.values import split_address
from zoosup.web.gateway.http1.pool import Pools
from zoosup.web.gateway.limits import Limits
from zoosup.web.gateway.metrics import Counters
from zoosup.web.gateway.routing.access import Policy

if TYPE_CHECKING:
    from zoosup.web.gateway.http1.server_connection import Client
    from zoosup.web.gateway.proxy.exchange import Exchange
    from zoosup.web.gateway.routing.router import Front


class Hall:
    """`now` is a clock that moves with each tick, for what need not be known better; `closing`: nobody may stay."""

    def __init__(self, leasing: Leasing, limits: Limits) -> None:
        self.leasing = leasing
        self.limits = limits
        self.counters = Counters()
        self.pools = Pools(limits, self.counters)
        self.clients: set[Client] = set()
        self.waiting: set[Exchange] = set()
        self.front: Front
        self.closing = False
        self.now = 0.0
        self._configure(Settings(), ())

    def configure(self, settings: Settings, keys: tuple[str, ...]) -> None:
        """Put other settings in force, for requests from now on."""
        self._configure(settings, keys)
        self.front.forget()

    def _configure(self, settings: Settings, keys: tuple[str, ...]) -> None:
        self.settings, self.keys = settings, keys
        self.max_body = settings.max_body
        self.short = min(settings.max_body, self.limits.in_line)  # bodies that are read at once
        self.pools.passes_credentials = not keys  # a key of ours is no business of a model's server
        self.policy = Policy(
            keys=tuple(key.encode() for key in keys),
            origins=settings.cors,
            listen_host=split_address(settings.listen)[0],
            hostname=socket.gethostname(),
            open=settings.open,
        )

    def time(self) -> float:
        """The time to the microsecond; seconds of the loop's clock."""
        return asyncio.get_running_loop().time()

    def tick(self) -> None:
        """Let time pass for everybody: those who wait are told something, those who take too long are ended."""
        self.now = now = self.time()
        self.pools.tick(now)
        for exchange in tuple(self.waiting):
            exchange.tick(now)
        for client in tuple(self.clients):
            client.tick(now)

    def joined(self, client: "Client") -> None:
        """A connection was accepted."""
        self.clients.add(client)
        self.counters.connections += 1
        self.counters.connections_total += 1

    def left(self, client: "Client") -> None:
        """A connection is gone; said twice does no harm."""
        if client in self.clients:
            self.clients.remove(client)
            self.counters.connections -= 1

    def wait(self, exchange: "Exchange") -> None:
        """A request waits for its model."""
        self.waiting.add(exchange)
        self.counters.waiting += 1

    def waited(self, exchange: "Exchange", model: str, seconds: float) -> None:
        """It waits no longer."""
        self.waiting.discard(exchange)
        self.counters.waiting -= 1
        self.counters.waited[model] = self.counters.waited.get(model, 0.0) + seconds
