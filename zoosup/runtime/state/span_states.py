"""Models over several hosts, as this one sees them on the others: by their own reports in the last view of the fleet.

    waits    the first starts its command once all others have their part
    broken   a host of its run is lost, or has no part of it any more: what answers has nobody to compute with
    needed   a part stays as long as the first, which may be answering somebody, still runs

Only what a host itself has said since it was told so counts; of one that is not heard, and while the fleet does not
answer, all stays as it is. What was known before this zoosup began starts nothing: the others may have been given to
somebody else meanwhile. Pure. Imported only where zoo.yaml has a `fleet`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from zoosup.core.fleet.words import Assignment, FleetView, HostView
from zoosup.core.state.observed import Model, Span
from zoosup.spec.model.zoo import ZooSpec
from zoosup.spec.span_forms import hosts_of, is_part


@dataclass(frozen=True, slots=True)
class OtherHosts:
    """What a host was told last, and what it knows of the others.

    `connected`: the fleet answers it; `heard`: it has since this zoosup began.
    """

    assignment: Assignment | None
    view: FleetView | None
    connected: bool
    heard: bool


def span_states(here: OtherHosts, declared: ZooSpec, models: Mapping[str, Model]) -> dict[str, Span]:
    """Of each model over several hosts that is to run here, or does."""
    found = {name: _waits(here, name, spec.spans) for name, spec in declared.models.items() if spec.spans > 1}
    states = {name: Span(waits=text) for name, text in found.items()}
    for model in models.values():
        if model.run is not None and (hosts := hosts_of(model.run.spec)):
            part = is_part(model.run.spec)
            states[model.name] = Span(
                waits=found.get(model.name, ""),
                broken="" if part else _broken(here, model.name, hosts),
                needed=_needed(here, model.name, hosts) if part else "",
            )
    return states


def _waits(here: OtherHosts, model: str, spans: int) -> str:
    told = here.assignment
    if told is None or model not in told.ranks:
        return f"it takes {spans} hosts at once, and the fleet has given it none here"
    if told.ranks[model]:
        return ""
    if not here.heard:
        return "waits for the fleet to say what its other hosts have of it"
    hosts, by_address = told.peers[model], _by_address(here)
    late = [by_address[each][0] if each in by_address else each for each in hosts[1:]]
    late = [
        name
        for name, each in zip(late, hosts[1:], strict=True)
        if not _has_part(by_address, each, model, hosts)
    ]
    return f"waits for {', '.join(late)} to have their part" if late else ""


def _broken(here: OtherHosts, model: str, hosts: Sequence[str]) -> str:
    view = here.view
    if view is None or not here.connected or view.partitioned or view.settling:
        return ""
    return "; ".join(_missing(_by_address(here), model, hosts))


def _missing(known: Mapping[str, tuple[str, HostView]], model: str, hosts: Sequence[str]) -> Iterator[str]:
    for address in hosts[1:]:
        node, host = known.get(address, (address, None))
        if host is None or host.lost:
            yield f"{node} is lost"
        elif host.report.assignment.peers.get(model) == tuple(hosts) and not _runs(host, model, hosts):
            yield f"{node} has its part no longer"


def _needed(here: OtherHosts, model: str, hosts: Sequence[str]) -> str:
    node, host = _by_address(here).get(hosts[0], ("", None))
    if host is None or host.lost or not here.connected or not _runs(host, model, hosts):
        return ""
    return f"its first host {node} still runs it"


def _has_part(
    known: Mapping[str, tuple[str, HostView]], address: str, model: str, hosts: Sequence[str]
) -> bool:
    _, host = known.get(address, ("", None))
    return (
        host is not None and not host.lost and _runs(host, model, hosts) and host.report.models[model].ready
    )


def _runs(host: HostView, model: str, hosts: Sequence[str]) -> bool:
    found = host.report.models.get(model)
    return found is not None and bool(found.held) and found.peers == tuple(hosts)


def _by_address(here: OtherHosts) -> dict[str, tuple[str, HostView]]:
    """Name and view of each host, by the address that it says it has."""
    hosts = {} if here.view is None else here.view.hosts
    return {host.report.address: (node, host) for node, host in hosts.items() if host.report.address}
