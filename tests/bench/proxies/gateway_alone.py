"""The gateway without the rest of zoosup: models that always run, and a lease for whoever asks.

    gateway_alone.py PORT LIVEZ_PORT MODEL=PORT…

LIVEZ_PORT is answered on by the same loop, as zoosup's /livez is: how long that takes is how long a pass would wait.
"""

import asyncio
import sys
import time
from dataclasses import dataclass, field

import uvloop

from zoosup.core.state.phases import Phase
from zoosup.runtime.api.leasing import Holder
from zoosup.runtime.api.listing import ModelCard, Served
from zoosup.runtime.api.upstream import HERE, Upstream
from zoosup.spec.model.gateway import GatewaySpec as Settings
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.served import names_of_model
from zoosup.web.gateway.server import Gateway

SPEC = ModelSpec(command=("server",))
WELL = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"


@dataclass(slots=True)
class Lease:
    model: str
    port: int
    host: str = "127.0.0.1"
    run_id: str = "run"
    upstream: Upstream = HERE
    held: bool = True

    def release(self) -> None:
        self.held = False


@dataclass
class Fixed:
    """Every model runs, and nobody waits."""

    ports: dict[str, int]
    since: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        self.served = {name: Served.of(names_of_model(name, SPEC)[name]) for name in self.ports}

    def find(self, name: str) -> Served | None:
        return self.served.get(name)

    def cards(self) -> tuple[ModelCard, ...]:
        return tuple(
            ModelCard(name, SPEC, Phase.READY, active=True, created=self.since) for name in self.ports
        )

    def ask(self, model: str, _holder: Holder) -> Lease:
        return Lease(model, self.ports[model], run_id=model)


class Livez(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, _data: bytes) -> None:
        self._transport.write(WELL)


async def main() -> None:
    port, livez, *models = sys.argv[1:]
    named = (model.split("=") for model in models)
    gateway = Gateway(Fixed({name: int(at) for name, at in named}))
    await gateway.start()
    await gateway.configure(Settings(listen=f"127.0.0.1:{port}"), ())
    server = await asyncio.get_running_loop().create_server(Livez, "127.0.0.1", int(livez))
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
