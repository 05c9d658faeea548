"""Who goes on running a model that others are to run: nobody gives it up before one of those has it ready.

A host that comes back, one that is drained, and one from which the file takes a model are such. What they see of the
others must be fresher than their own part: a report that came before says nothing of now. Where the memory is needed
for what the host is to run instead, the model leaves all the same. A model over several hosts has no such copy: what
one of its hosts holds is of no use without the others. Knows no time.
"""

from collections.abc import Mapping

from zoosup.core.fleet.leases import Lease
from zoosup.core.fleet.placement.assign import Assigned
from zoosup.core.fleet.placement.room import HostRoom
from zoosup.core.fleet.words import HostReport
from zoosup.core.state.phases import Phase

_LEAVING = frozenset({Phase.DRAINING, Phase.STOPPING})


class Surplus:
    """The copies that are one too many, and since which report (`Lease.turn`); which of them were let go.

    A host that has been told to stop one may be about to, whatever its last report says: told to keep it after all, it
    would begin it anew, be told to stop that, and so on.
    """

    def __init__(self) -> None:
        self._since: dict[tuple[str, str], int] = {}
        self._let_go: set[tuple[str, str]] = set()

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._since)

    def stays(
        self, assigned: Assigned, active: list[str], alive: Mapping[str, Lease], turn: int
    ) -> dict[str, list[str]]:
        """The models that each host keeps besides those that it is to run."""
        since: dict[tuple[str, str], int] = {}
        rooms: dict[str, HostRoom] = {}
        kept: dict[str, list[str]] = {}
        for model in active:
            nodes = assigned.placements.get(model, ())
            extra = [node for node in sorted(alive) if node not in nodes and _runs(alive[node].report, model)]
            for node in extra:
                since[model, node] = self._since.get((model, node), turn)
            extra.sort(key=lambda node: not alive[node].report.models[model].ready)
            held_on = [node for node in extra if (model, node) not in self._let_go]
            wanted = sum(not _has_it(alive.get(n), model, [since[model, e] for e in extra]) for n in nodes)
            for node in held_on[: wanted if nodes else len(held_on)]:
                room = rooms.get(node) or rooms.setdefault(node, _room(assigned, alive[node].report))
                held = alive[node].report.models[model].held
                if room.may_keep(model, held):
                    room.keep(model, held)
                    kept.setdefault(node, []).append(model)
        self._since = since
        self._let_go = {(model, node) for model, node in since if model not in kept.get(node, ())}
        return kept


def _runs(report: HostReport, model: str) -> bool:
    """Whether it has it, and has not begun to stop it: to have it stay then would begin it anew."""
    found = report.models.get(model)
    return found is not None and bool(found.held) and found.phase not in _LEAVING


def _has_it(lease: Lease | None, model: str, since: list[int]) -> bool:
    """Whether a host that is to run it says, later than all of `since`, that it obeys and that the model is ready."""
    if lease is None or model not in lease.report.assignment.models:
        return False
    found = lease.report.models.get(model)
    return found is not None and found.ready and all(lease.turn > turn for turn in since)


def _room(assigned: Assigned, report: HostReport) -> HostRoom:
    """What is left on a host beside those that it is to run."""
    room = HostRoom(report.pools)
    for model, nodes in assigned.placements.items():
        found = report.models.get(model)
        if report.node in nodes and found is not None:
            if found.held:
                room.keep(model, found.held)
            else:
                room.add(model, found.need)
    return room


def with_kept(assigned: Assigned, kept: Mapping[str, list[str]]) -> dict[str, str]:
    """Refusals, and of models that run where they should not any more, that they do."""
    refusals = dict(assigned.refusals)
    for node, models in kept.items():
        for model in models:
            if model not in assigned.placements:
                refusals[model] = f"stays on {node} until another host has it; {refusals.get(model, '')}"
    return refusals
