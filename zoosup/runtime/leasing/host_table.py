"""Who has which model on which other host, as one view of the fleet says: prepared once, and asked for every request.

Pure. Refuses to know what this host itself runs, and which requests are under way.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass, field, replace

from zoosup.core.fleet.words import FleetView, HostReport, HostView, ModelReport
from zoosup.core.state.phases import Phase
from zoosup.runtime.api.upstream import Upstream
from zoosup.spec.syntax.addresses import split_address

_COMING = frozenset({Phase.STARTING.value, Phase.UNREADY.value})


@dataclass(frozen=True, slots=True, eq=False)
class Peer:
    """The gateway of another host. To those who keep connections it is a server of the name `key`."""

    node: str
    host: str
    port: int
    upstream: Upstream

    key: str
    run_id: str

    @classmethod
    def of(cls, node: str, gateway: str, upstream: Upstream) -> "Peer":
        """`gateway` is HOST:PORT."""
        host, port = split_address(gateway)
        return cls(node, host, port, upstream, f"gateway of {node}", f"gateway of {node} at {gateway}")


@dataclass(frozen=True, slots=True)
class Row:
    """One model. `ready`: who answers for it now, with what they have to do, the least first.

    `answering` are the same without it. `coming`: where it is being started, or waited for; `placed`: hosts that are to
    run it, this one perhaps among them.
    Of a model over several hosts it is the first that counts: the others answer nobody.
    """

    ready: tuple[tuple[int, Peer], ...] = ()
    answering: tuple[Peer, ...] = ()
    coming: tuple[Peer, ...] = ()
    placed: tuple[str, ...] = ()


@dataclass(slots=True)
class HostTable:
    """Of one view, without the host whose it is. `peers`: those that can be asked, by name."""

    view: FleetView
    peers: dict[str, Peer] = field(default_factory=dict)
    _rows: dict[str, Row] = field(default_factory=dict)

    @classmethod
    def of(cls, view: FleetView, me: str, upstreams: dict[str, Upstream]) -> "HostTable":
        """`upstreams`: what each host's gateway is sent, the same object as long as that is the same."""
        asked = {n: host.report.gateway for n, host in view.hosts.items() if n != me and _can_be_asked(host)}
        return cls(view, {n: Peer.of(n, gateway, upstreams[n]) for n, gateway in asked.items()})

    def row(self, model: str) -> Row:
        """What is known of one model."""
        found = self._rows.get(model)
        if found is None:
            found = self._rows[model] = self._made(model)
        return found

    def there(self, nodes: Iterable[str]) -> frozenset[str]:
        """Those of these hosts that are not lost; a zoosup that begins is there before its gateway is."""
        hosts = self.view.hosts
        return frozenset(node for node in nodes if node in hosts and not hosts[node].lost)

    def without(self, nodes: Container[str]) -> FleetView:
        """The view as if these hosts were not in it."""
        return replace(self.view, hosts={n: host for n, host in self.view.hosts.items() if n not in nodes})

    def running(self, model: str) -> frozenset[str]:
        """The hosts that are not lost and have it, or are starting it, whether or not they can be asked."""
        reports = ((node, host.report.models.get(model)) for node, host in self.view.hosts.items())
        return self.there(
            node for node, said in reports if said is not None and (said.ready or said.phase in _COMING)
        )

    def _made(self, model: str) -> Row:
        known = [
            (peer, report)
            for node, peer in self.peers.items()
            if (report := self.view.hosts[node].report.models.get(model)) is not None
            and not is_part(self.view.hosts[node].report, report)
        ]
        ready = sorted(
            ((report.inflight + report.waiting, peer) for peer, report in known if report.ready),
            key=lambda each: (each[0], each[1].node),
        )
        coming = tuple(peer for peer, report in known if report.phase in _COMING or report.waiting)
        answering = tuple(peer for _, peer in ready)
        return Row(tuple(ready), answering, coming, self._placed(model))

    def _placed(self, model: str) -> tuple[str, ...]:
        placed = self.view.placements.get(model, ())
        return (
            placed[:1]
            if any(each.name == model and each.spans > 1 for each in self.view.spec.models)
            else placed
        )


def is_part(report: HostReport, model: ModelReport) -> bool:
    """Whether what runs there is a part of a model over several hosts, and not its first."""
    return bool(model.peers) and model.peers[0] != report.address


def _can_be_asked(host: HostView) -> bool:
    return bool(host.report.gateway) and not host.lost
