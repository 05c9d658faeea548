"""Who keeps the other hosts of a model waiting: they hold their part of it, and this one has no memory for its own.

The fleet's sums had room on all of them, so that this should pass. Where it does not, the host is said to refuse the
model: memory is held nowhere for what can't be whole. Times are seconds. Refuses to know what follows from it.
"""

from collections.abc import Iterator, Mapping

from zoosup.core.fleet.leases import Lease
from zoosup.core.fleet.placement.placing import Copy
from zoosup.core.fleet.words import FleetSpec
from zoosup.core.state.phases import Phase, Reason

PATIENCE = 30.0
"""Seconds for which parts of a model are held, at most, while one of its hosts waits for memory."""

_SHORT = frozenset(
    {Reason.MEMORY, Reason.MEMORY_UNKNOWN, Reason.COOL_DOWN, Reason.EVICTION, Reason.TURN, Reason.PORT}
)
"""What a host waits for that others can't be asked to wait for as well."""


class Stalled:
    """Since when each host of a model has kept the others waiting."""

    def __init__(self) -> None:
        self._since: dict[tuple[str, str], float] = {}

    def look(
        self, spec: FleetSpec, placements: Mapping[str, Copy], leases: Mapping[str, Lease], now: float
    ) -> list[tuple[str, str, str]]:
        """Host, model and words of those who have done so for too long."""
        wide = [model.name for model in spec.models if model.spans > 1]
        found = {
            (node, model): now
            for model in wide
            for node in _waiting(model, placements.get(model, ()), leases)
        }
        self._since = {key: self._since.get(key, at) for key, at in found.items()}
        why = f"has had no memory for its part for {PATIENCE:g} s, while others held theirs"
        return [(*key, why) for key, since in self._since.items() if now - since > PATIENCE]


def _waiting(model: str, nodes: Copy, leases: Mapping[str, Lease]) -> Iterator[str]:
    found = {node: leases[node].report.models.get(model) for node in nodes if node in leases}
    if any(each is not None and each.held for each in found.values()):
        for node, each in found.items():
            if each is not None and not each.held and each.phase == Phase.PENDING and each.reason in _SHORT:
                yield node
