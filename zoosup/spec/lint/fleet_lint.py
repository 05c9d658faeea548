"""What a valid file says of several hosts that can't work, or probably won't: addresses, ports, hosts without a fleet.

Refuses to know where something stands in the file: it gives paths. Names of hosts can't be checked, for the file does
not say which there are.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from zoosup.spec.model.fleet import FleetSpec, is_local
from zoosup.spec.model.gateway import GatewaySpec
from zoosup.spec.model.values.kinds import is_loopback
from zoosup.spec.model.zoo import ZooSpec
from zoosup.spec.syntax.addresses import split_address

_REPLACED = frozenset({"127.0.0.1", "localhost"})
"""Addresses in place of which Ray takes that of the network card, without a word."""

_ONLY_OF_FLEETS = ("hosts", "replicas")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about what stands at a path of the document; `fatal`: it can never work."""

    path: tuple[str, ...]
    what: str
    expected: str
    fatal: bool = False


def fleet_findings(spec: ZooSpec) -> Iterator[Finding]:
    """Look at `fleet`, and at what models say of hosts."""
    if spec.fleet is None:
        yield from _without_fleet(spec)
        return
    yield from _addresses(spec.fleet)
    yield from _reach(spec, spec.fleet)
    yield from _ports(spec, spec.fleet)


def _without_fleet(spec: ZooSpec) -> Iterator[Finding]:
    for name, model in spec.models.items():
        for field in _ONLY_OF_FLEETS:
            if getattr(model, field) != type(model).model_fields[field].default:
                what = "has no effect without fleet, for there is one host"
                yield Finding(("models", name, field), what, "fleet, or it left out")


def _addresses(fleet: FleetSpec) -> Iterator[Finding]:
    for field, host in (("head", split_address(fleet.head)[0]), ("address", fleet.address)):
        if host in _REPLACED:
            what = f"Ray takes the address of the network card in place of {host}"
            yield Finding(("fleet", field), what, "an address such as 10.0.0.5, or 127.0.0.2 on one host")


def _reach(spec: ZooSpec, fleet: FleetSpec) -> Iterator[Finding]:
    """Other hosts ask this one's gateway."""
    gateway = spec.gateway
    alone = is_loopback(fleet.head) and (fleet.address is None or is_local(fleet.address))
    if isinstance(gateway, GatewaySpec) and is_loopback(gateway.listen) and not alone:
        what = f"{gateway.listen} can't be reached by the gateways of other hosts"
        yield Finding(("gateway", "listen"), what, "an address of this host, with api_keys")


def _ports(spec: ZooSpec, fleet: FleetSpec) -> Iterator[Finding]:
    """Ports that the fleet has, and somebody else would have too; on the head's host its own among them."""
    wanted: dict[tuple[str, ...], int] = {
        ("models", name, "port"): model.port for name, model in spec.models.items() if model.port != "auto"
    }
    if isinstance(spec.gateway, GatewaySpec):
        wanted["gateway", "listen"] = split_address(spec.gateway.listen)[1]
    if spec.status.listen is not None:
        wanted["status", "listen"] = split_address(spec.status.listen)[1]
    head = split_address(fleet.head)[1]
    for path, port in wanted.items():
        if port == head or port in fleet.ports:
            yield Finding(path, f"{port} is a port of the fleet", "another one", fatal=True)
