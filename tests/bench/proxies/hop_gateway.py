"""A gateway of a fleet without the rest of zoosup: its models run, or all of them on another host's gateway.

    hop_gateway.py PORT LIVEZ_PORT MODEL=PORT…              they run here
    hop_gateway.py PORT LIVEZ_PORT --over GATEWAY MODEL…    the gateway at that port has them

Who answers is decided by what decides it in zoosup, by a view of the fleet in which nothing changes.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))  # a script, so that the repository is no package path yet

import uvloop

from tests.bench.proxies.gateway_alone import Fixed, Livez
from zoosup.core.fleet.words import FleetView, HostReport, HostView, ModelReport
from zoosup.runtime.clock import Clock
from zoosup.runtime.events.journal import Journal
from zoosup.runtime.leasing.fleet_routing import FleetRouting
from zoosup.runtime.leasing.leases import Leases
from zoosup.runtime.state.applied import Applied
from zoosup.runtime.state.zoo import Zoo
from zoosup.spec.model.gateway import GatewaySpec as Settings
from zoosup.spec.parse import parse
from zoosup.web.gateway.server import Fleet, Gateway

TOKEN = "a-token-of-the-length-that-tokens-have-0123456789"


def zoo_of(models: list[str], gateway: int | None) -> Zoo:
    """A zoo of these models, which "b" has, at the gateway on that port."""
    clock = Clock(time.monotonic, time.time, "")
    zoo = Zoo("a", "bench", "mark-", clock, Journal(clock.wall), Applied("zoo.yaml"))
    fleet = {"head": "127.0.0.2:6379", "node": "a", "address": "127.0.0.1"}
    each = {"command": "serve", "on_demand": True}
    text = json.dumps({"fleet": fleet, "active": [], "models": dict.fromkeys(models, each)})
    zoo.take_over(parse(text, path="zoo.yaml", environ={}), text)
    if gateway is not None:
        ready = dict.fromkeys(models, ModelReport("ready", ready=True))
        report = HostReport("b", gateway=f"127.0.0.1:{gateway}", models=ready)
        zoo.fleet.view = FleetView(hosts={"a": HostView(HostReport("a")), "b": HostView(report)})
    return zoo


async def main() -> None:
    port, livez, *models = sys.argv[1:]
    over = int(models[1]) if models[0] == "--over" else None
    named = dict(each.split("=") for each in models) if over is None else dict.fromkeys(models[2:], "0")
    zoo = zoo_of(list(named), over)
    leases = Leases(zoo, lambda: None)
    gateway = Gateway(Fixed({name: int(at) for name, at in named.items()}))
    await gateway.start()
    routing = FleetRouting(zoo, leases, None)
    await gateway.configure(Settings(listen=f"127.0.0.1:{port}"), (), Fleet(routing, TOKEN))
    server = await asyncio.get_running_loop().create_server(Livez, "127.0.0.1", int(livez))
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
