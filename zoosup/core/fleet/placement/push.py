"""How room is made for a model that finds none: who leaves a host for it, and on which host that costs least.

Only lower ones may be pushed out. One that has only just been placed costs nothing where it can go elsewhere, and then
even a higher one makes way: so that a model bound to one host is not kept out by one that came first and is not.
"""

from dataclasses import dataclass

from zoosup.core.fleet.placement.placing import Copy, Placing
from zoosup.core.fleet.placement.room import HostRoom
from zoosup.core.fleet.words import FleetModel

_CHEAPEST = (0, 0, 1)


@dataclass(frozen=True, slots=True)
class _Push:
    """One way to make room. `cost`: who finds no other host, who has run, who leaves at all."""

    node: str
    leaves: tuple[str, ...]
    cost: tuple[int, int, int]


def make_room(placing: Placing, model: FleetModel) -> tuple[Copy, list[str]]:
    """Have others leave for it; returns its hosts, none where that is no way, and higher ones to be placed again."""
    pushes = _pushes(placing, model)
    if len(pushes) < model.spans:
        return (), []
    pushes.sort(key=lambda push: (push.cost, push.node))
    chosen = pushes[: model.spans]
    left = [(name, push.node) for push in chosen for name in push.leaves]
    for name, node in left:
        if name in placing.on[node]:  # one over several hosts may have left with another
            placing.leave(name, node)
    rank = placing.rank[model.name]
    return tuple(push.node for push in chosen), [name for name, _ in left if placing.rank[name] < rank]


def _pushes(placing: Placing, model: FleetModel) -> list[_Push]:
    """The cheapest way on each host; on one alone where that costs nothing."""
    found = list[_Push]()
    for node in placing.open_to(model):
        push = _push(placing, model, node)
        if push is not None and push.cost == _CHEAPEST and model.spans == 1:
            return [push]
        found += [push] if push is not None else []
    return found


def _push(placing: Placing, model: FleetModel, node: str) -> _Push | None:
    if model.spans > 1 and _stands(placing, model, node, placing.rooms[node]):
        return _Push(node, (), (0, 0, 0))  # it is short of room on another of its hosts
    rank = placing.rank
    lower = [name for name in placing.on[node] if rank[name] > rank[model.name]]
    lower.sort(key=lambda name: (not _could_go(placing, name, node), -rank[name]))
    ways = [_leaving(placing, model, node, lower)]
    if model.spans == 1 and (ways[0] is None or ways[0].cost != _CHEAPEST):
        higher = [name for name in placing.on[node] if rank[name] < rank[model.name]]
        for name in higher:
            if (name, node) not in placing.stayed:
                way = _leaving(placing, model, node, [name, *lower])
                ways += (
                    [way] if way is None or name not in way.leaves or _could_go(placing, name, node) else []
                )
    return min((way for way in ways if way is not None), key=lambda push: push.cost, default=None)


def _could_go(placing: Placing, name: str, node: str) -> bool:
    """Whether it has only just been placed, and there is another host for it."""
    other = placing.models[name]
    return (name, node) not in placing.stayed and other.spans == 1 and placing.elsewhere(other)


def _leaving(placing: Placing, model: FleetModel, node: str, order: list[str]) -> _Push | None:
    """Who has to leave, the first of `order` first; None where that is not enough."""
    room, leaves = placing.rooms[node].copy(), list[str]()
    for name in order:
        room.remove(name)
        leaves.append(name)
        if _stands(placing, model, node, room):
            break
    else:
        return None
    for name in sorted(leaves[:-1], key=placing.rank.__getitem__):  # the higher ones first, who need not
        room = placing.rooms[node].copy()
        for other in leaves:
            if other != name:
                room.remove(other)
        if _stands(placing, model, node, room):
            leaves.remove(name)
    nowhere = sum(not placing.elsewhere(placing.models[name]) for name in leaves)
    stayed = sum((name, node) in placing.stayed for name in leaves)
    return _Push(node, tuple(leaves), (nowhere, stayed, len(leaves)))


def _stands(placing: Placing, model: FleetModel, node: str, room: HostRoom) -> bool:
    """Whether it can stand there; one that runs already, where it is."""
    found = placing.hosts[node].report.models[model.name]
    if found.held and model.spans == 1:
        return room.may_keep(model.name, found.held)
    return room.fits(model.name, found.need) is not None
