"""What each host is told of a decision, and what hosts say that they were told. Decides nothing."""

from collections.abc import Iterable, Mapping, Sequence

from zoosup.core.fleet.placement.placing import Copy
from zoosup.core.fleet.words import Assignment, FleetSpec, HostReport


def rank(told: Assignment) -> tuple[int, int, int]:
    """By which of two assignments the later is known."""
    return told.generation, told.epoch, told.number


def is_same(said: Assignment, told: Assignment) -> bool:
    """Whether a host says back what it was told, as far as it can: one of an older release does not know all of it."""
    known = rank(said) == rank(told) and said.models == told.models
    return known and said.peers in ({}, told.peers)


def is_anothers(obeyed: Assignment, told: Assignment) -> bool:
    """Whether a host obeys another controller, which has told it no less than this one has."""
    return rank(obeyed) >= rank(told) and not is_same(obeyed, told)


def claims(spec: FleetSpec, reports: Iterable[HostReport]) -> dict[str, Copy]:
    """Who runs what by what the hosts were told last: of two hosts, the later told has the better claim."""
    found: dict[str, Copy] = {}
    told = sorted(reports, key=lambda report: (*rank(report.assignment), report.node), reverse=True)
    spans = {model.name: model.spans for model in spec.models}
    addresses = {report.address: report.node for report in told}
    for report in told:
        for model in report.assignment.models:
            if spans.get(model, 1) == 1:
                found[model] = (*found.get(model, ()), report.node)
    for report in told:
        for model, peers in report.assignment.peers.items():
            nodes = tuple(addresses.get(address, "") for address in peers)
            if spans.get(model, 1) > 1 and nodes not in _groups(found.get(model, ()), len(nodes)):
                found[model] = (*found.get(model, ()), *nodes)
    return found


def models_of(node: str, active: Sequence[str], placements: Mapping[str, Copy], kept: Sequence[str]) -> Copy:
    """What one host is to run: what is placed there and what it keeps, the first of `active` first."""
    return tuple(name for name in active if node in placements.get(name, ()) or name in kept)


def peers_of(
    node: str,
    models: Iterable[str],
    spec: FleetSpec,
    placements: Mapping[str, Copy],
    addresses: Mapping[str, str],
) -> dict[str, tuple[str, ...]]:
    """Of models over several hosts the addresses of those that run the copy in which the host has a part."""
    spans = {model.name: model.spans for model in spec.models}
    found: dict[str, tuple[str, ...]] = {}
    for name in models:
        for group in _groups(placements.get(name, ()), spans[name]):
            if spans[name] > 1 and node in group:
                found[name] = tuple(addresses[each] for each in group)
    return found


def _groups(nodes: Copy, size: int) -> list[Copy]:
    return [nodes[at : at + size] for at in range(0, len(nodes), max(1, size))]
