"""Several gateways in one process, each a host of a fleet with a scripted server of its own.

Who has what, and who knows that, is as a test says.
"""

from dataclasses import dataclass, field
from typing import Any

from tests.web.gateway.backend import Backend, saying
from tests.web.gateway.conftest import OK, GatewayHarness
from tests.web.gateway.fake_leasing import FakeLeasing
from zoosup.core.state.refusal import RefusedError
from zoosup.runtime.api.upstream import Upstream
from zoosup.spec.model.gateway import GatewaySpec
from zoosup.spec.model.model import ModelSpec
from zoosup.web.gateway.context.limits import Limits
from zoosup.web.gateway.server import Fleet, Gateway

TOKEN = "the-token-of-the-fleet"


@dataclass
class FakeHostLease:
    routing: "FakeRouting"
    of: str
    holder: Any
    left: list[str]
    model: str
    host: str
    port: int
    upstream: Upstream
    released: int = 0

    @property
    def run_id(self) -> str:
        return f"{self.model}:{self.port}"

    def release(self) -> None:
        self.released += 1
        self.routing.out.remove(self)

    def stay(self, seconds: float) -> None:
        raise AssertionError

    def unreachable(self) -> Any:
        self.release()
        return self.routing.next(self.of, self.holder, self.left)


@dataclass
class FakeTicket:
    holder: Any
    cancelled: bool = False
    load_time = None

    def cancel(self) -> None:
        self.cancelled = True

    def why(self) -> str:
        return "a host is being chosen"


@dataclass
class FakeRouting:
    """`hosts` says in which order which are asked for a model, as far as this one knows; "here" is itself."""

    leasing: FakeLeasing
    addresses: dict[str, int]
    hosts: dict[str, list[str]] = field(default_factory=dict)
    refusals: dict[str, Any] = field(default_factory=dict)
    choosing: set[str] = field(default_factory=set)
    tickets: list[FakeTicket] = field(default_factory=list)
    out: list[FakeHostLease] = field(default_factory=list)
    upstreams: dict[str, Upstream] = field(default_factory=dict)
    headers: Any = ()
    gone: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.find, self.cards = self.leasing.find, self.leasing.cards

    def present(self, headers: Any) -> None:
        self.headers = headers
        self.upstreams.clear()

    def may_be_gone(self, node: str) -> bool:
        return node in self.gone

    def is_here(self, model: str) -> bool:
        return model in self.leasing.ports

    def ask(self, model: str, holder: Any) -> Any:
        if model in self.choosing:
            self.tickets.append(FakeTicket(holder))
            return self.tickets[-1]
        return self.next(model, holder, self.hosts.get(model, ["here"]))

    def look(self, model: str, holder: Any) -> Any:
        return None if self.is_here(model) else self.next(model, holder, self.hosts.get(model, ["here"]))

    def next(self, model: str, holder: Any, nodes: list[str]) -> Any:
        if not nodes and model in self.refusals:
            raise RefusedError(self.refusals[model])
        if not nodes or nodes[0] == "here":
            return None
        return self.lease(model, holder, nodes)

    def lease(self, model: str, holder: Any, nodes: list[str]) -> FakeHostLease:
        node, left = nodes[0], nodes[1:]
        upstream = self.upstreams.setdefault(node, Upstream(self.headers, node=node))
        lease = FakeHostLease(
            self, model, holder, left, f"gateway of {node}", "127.0.0.1", self.addresses[node], upstream
        )
        self.out.append(lease)
        return lease

    def accepts(self, model: str) -> str:
        return "" if self.is_here(model) or model in self.leasing.queued else f"nobody has {model} here"


@dataclass
class Host(GatewayHarness):
    routing: Any = None


class Hosts:
    """Begun as they are asked for by name; all are stopped, and looked at, at the end."""

    def __init__(self, models: dict[str, ModelSpec], limits: Limits) -> None:
        self._models, self._limits = models, limits
        self._all: dict[str, Host] = {}
        self.addresses: dict[str, int] = {}

    async def start(
        self, name: str, *running: str, keys: tuple[str, ...] = (), token: str = TOKEN, **settings: Any
    ) -> Host:
        """A host on which models run: `running`."""
        backend = Backend(saying(OK))
        await backend.start()
        leasing = FakeLeasing(self._models, dict.fromkeys(running, backend.port))
        gateway = Gateway(leasing, limits=self._limits)
        routing = FakeRouting(leasing, self.addresses)
        await gateway.start()
        spec = GatewaySpec(**{"listen": "127.0.0.1:0"} | settings)
        await gateway.configure(spec, keys, Fleet(routing, token))
        self.addresses[name] = int(str(gateway.address).rpartition(":")[2])
        made = self._all[name] = Host(gateway, leasing, backend, routing=routing)
        return made

    async def pair(self, **settings) -> "tuple[Host, Host]":
        """a has nothing, b has qwen, and a knows."""
        a, b = await self.start("a", **settings), await self.start("b", "qwen", **settings)
        a.routing.hosts["qwen"] = ["b"]
        return a, b

    async def stop(self) -> None:
        for host in self._all.values():
            for wire in host.wires:
                wire.writer.transport.abort()
        for host in self._all.values():
            await host.gateway.stop(0.0)
            await host.backend.stop()
            assert [] == host.routing.out, "a lease of another host was never given back"
            assert [] == host.leasing.out, "a lease was never given back"
            assert 0 == host.gateway.counters.in_flight
            assert 0 == host.gateway.counters.waiting
