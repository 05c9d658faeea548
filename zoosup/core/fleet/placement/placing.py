"""What is placed where while `assign` is at work: rooms and copies as they come to be, and where one more stands best.

A copy takes `spans` hosts. Decides nothing: who is placed next, and who leaves, is said by others.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from zoosup.core.fleet.placement.hosts import Host, may_run, obeys, passed_over
from zoosup.core.fleet.placement.room import HostRoom
from zoosup.core.fleet.words import FleetModel, FleetSpec, ModelNeed

Copy = tuple[str, ...]
"""The hosts of one copy; its command runs on the first."""


class Placing:
    """One call of `assign`. Hosts that are lost have no room, and nobody on them."""

    def __init__(self, spec: FleetSpec, hosts: Mapping[str, Host]) -> None:
        self.spec = spec
        self.active = active_models(spec)
        self.models = {model.name: model for model in self.active}
        self.rank = {model.name: rank for rank, model in enumerate(self.active)}
        self.hosts = {node: hosts[node] for node in sorted(hosts) if not hosts[node].lost}
        self.rooms = {node: HostRoom(host.report.pools) for node, host in self.hosts.items()}
        self.copies: dict[str, list[Copy]] = {model.name: [] for model in self.active}
        self.on: dict[str, list[str]] = {node: [] for node in self.hosts}
        self.stayed: set[tuple[str, str]] = set()
        """Model and host of those that are where they were before."""
        self.rather: dict[str, Copy] = {}
        """Hosts where a model is placed rather than elsewhere: what is left of a copy over several."""
        self._open: dict[str, list[str]] = {}
        self._elsewhere: dict[str, bool] = {}

    def wanted(self, model: FleetModel) -> int:
        """How many copies there should be."""
        if model.replicas is not None:
            return model.replicas
        return sum(may_run(model, host.report) and not host.drained for host in self.hosts.values())

    def need(self, model: str, node: str) -> ModelNeed:
        """What it needs on a host, by that host's own word."""
        return self.hosts[node].report.models[model].need

    def nodes(self, model: str) -> Copy:
        """All hosts that have it."""
        return flat(self.copies[model])

    def enter(self, model: str, copy: Copy) -> None:
        """Note a copy whose room is booked."""
        self.copies[model].append(copy)
        for node in copy:
            self.on[node].append(model)
        self._elsewhere = {name: False for name, found in self._elsewhere.items() if not found}

    def runs(self, model: str, copy: Copy, node: str) -> bool:
        """Whether a host runs this very copy: a run over other hosts, or in another order, ends and begins anew."""
        found = self.hosts[node].report.models[model]
        addresses = tuple(self.hosts[each].report.address for each in copy) if len(copy) > 1 else ()
        return bool(found.held) and (len(copy) == 1 or found.peers == addresses)

    def place(self, model: str, copy: Copy) -> None:
        """Book the room of a copy, and note it."""
        copy = self._out_of_the_way(model, copy)
        for node in copy:
            found = self.hosts[node].report.models[model]
            if self.runs(model, copy, node):
                self.rooms[node].keep(model, found.held)
            else:
                self.rooms[node].add(model, found.need)
        self.enter(model, copy)

    def leave(self, model: str, node: str) -> None:
        """Take away the copy that has to do with a host."""
        copy = next(each for each in self.copies[model] if node in each)
        self.copies[model].remove(copy)
        for each in copy:
            self.on[each].remove(model)
            self.rooms[each].remove(model)
            self.stayed.discard((model, each))
        self._elsewhere.clear()

    def open_to(self, model: FleetModel) -> Iterator[str]:
        """Hosts that may have it and don't, whatever their room."""
        if model.name not in self._open:
            self._open[model.name] = [
                node
                for node, host in self.hosts.items()
                if may_run(model, host.report)
                and passed_over(model.name, host) is None
                and obeys(model, self.spec, host)
                and (model.spans == 1 or host.report.address)
            ]
        taken = self.nodes(model.name)
        return (node for node in self._open[model.name] if node not in taken)

    def best(self, model: FleetModel) -> Copy:
        """The hosts where one more copy stands best; none where too few have room."""
        if self._elsewhere.get(model.name) is False:
            return ()
        found = self._running(model) or self._roomiest(model)
        self._elsewhere[model.name] = bool(found)
        return found

    def elsewhere(self, model: FleetModel) -> bool:
        """Whether there is room for one more copy, wherever."""
        if model.name not in self._elsewhere:
            fitting = (node for node in self.open_to(model) if self._fits(model, node) is not None)
            enough = len(list(islice(fitting, model.spans))) == model.spans
            self._elsewhere[model.name] = enough or bool(self._running(model))
        return self._elsewhere[model.name]

    def _out_of_the_way(self, model: str, copy: Copy) -> Copy:
        """The same hosts in another order where its run stands where others are to: it begins anew beside them."""
        for at in range(len(copy)):
            turned = (*copy[at:], *copy[:at])
            if all(self._may_stay(model, turned, node) for node in turned):
                return turned
        return copy

    def _may_stay(self, model: str, copy: Copy, node: str) -> bool:
        held = self.hosts[node].report.models[model].held
        return not self.runs(model, copy, node) or self.rooms[node].may_keep(model, held)

    def _fits(self, model: FleetModel, node: str) -> float | None:
        """As `HostRoom.fits`; where it runs already it is in the way of others, or `best` has it there."""
        found = self.hosts[node].report.models[model.name]
        if found.held and model.spans == 1:
            return None
        return self.rooms[node].fits(model.name, found.need)

    def _running(self, model: FleetModel) -> Copy:
        """Where it runs though nobody has said so: as one on demand before it was `active`, or before it was lost."""
        if model.spans > 1:
            return ()
        taken = self.nodes(model.name)
        found = [
            (not host.report.models[model.name].ready, node)
            for node, host in self.hosts.items()
            if host.runs(model.name)
            and node not in taken
            and not host.drained
            and may_run(model, host.report)
        ]
        for _, node in sorted(found):
            if self.rooms[node].may_keep(model.name, self.hosts[node].report.models[model.name].held):
                return (node,)
        return ()

    def _roomiest(self, model: FleetModel) -> Copy:
        rather = self.rather.get(model.name, ())
        scores: list[tuple[bool, float, int, str]] = []
        for node in self.open_to(model):
            score = self._fits(model, node)
            if score is not None:
                scores.append((node not in rather, -score, len(self.on[node]), node))
        if len(scores) < model.spans:
            return ()
        if model.spans == 1:
            return (min(scores)[3],)
        return tuple(each[3] for each in sorted(scores)[: model.spans])


def active_models(spec: FleetSpec) -> tuple[FleetModel, ...]:
    """Those that run without anyone asking, in order of priority."""
    active = [model for model in spec.models if model.priority is not None]
    return tuple(sorted(active, key=lambda model: (model.priority, model.name)))


def flat(copies: Iterable[Copy]) -> Copy:
    """The hosts of all copies."""
    return tuple(node for copy in copies for node in copy)
