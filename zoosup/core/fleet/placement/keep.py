"""Whoever runs stays, and whoever was to run somewhere, where there is still room for it.

One that runs is not asked for room: a host that is short of memory looks after that itself. What else is held there is
in the way of nobody who would rather have it leave (idle models on demand, such as nobody wants any more, copies that
are one too many), and of everybody else.
"""

from collections.abc import Mapping, Sequence, Set as AbstractSet

from zoosup.core.fleet.placement.hosts import Host, may_run, passed_over
from zoosup.core.fleet.placement.placing import Copy, Placing, flat
from zoosup.core.fleet.words import FleetModel, HostReport


def keep(placing: Placing, before: Mapping[str, Copy]) -> None:
    """Enter all copies of before that may stay, and book what runs on every host."""
    chosen = {model.name: _kept(placing, model, before.get(model.name, ())) for model in placing.active}
    stay: dict[str, set[str]] = {node: set() for node in placing.hosts}
    for name, copies in chosen.items():
        for node in (node for copy in copies for node in copy if placing.runs(name, copy, node)):
            stay[node].add(name)
    for node, host in placing.hosts.items():
        _book_running(placing, node, host, stay[node])
    left_out = _book_waiting(placing, chosen, stay)
    for name, copies in chosen.items():
        for copy in copies:
            _enter(placing, name, copy, left_out)


def _kept(placing: Placing, model: FleetModel, before: Copy) -> list[Copy]:
    """Its copies that may stay, those that run first; what is left of others is where it is placed again."""
    copies = [before[at : at + model.spans] for at in range(0, len(before), model.spans)]
    whole = [
        copy for copy in copies if len(copy) == model.spans and all(_stays(placing, model, n) for n in copy)
    ]
    rest = [node for copy in copies if copy not in whole for node in copy if _stays(placing, model, node)]
    if rest:
        placing.rather[model.name] = tuple(rest)
    whole.sort(key=lambda copy: not all(placing.runs(model.name, copy, node) for node in copy))
    return whole[: placing.wanted(model)]


def _stays(placing: Placing, model: FleetModel, node: str) -> bool:
    host = placing.hosts.get(node)
    if host is None or host.drained or not may_run(model, host.report):
        return False
    return host.runs(model.name) or passed_over(model.name, host, new=False) is None


def _book_running(placing: Placing, node: str, host: Host, stay: set[str]) -> None:
    room = placing.rooms[node]
    for name, model in host.report.models.items():
        if not model.held:
            continue
        leaves = model.yields or name in placing.models or _is_off(host.report, name)
        if name in stay or not leaves:
            room.keep(name, model.held)
        else:
            room.lend(name, model.held)


def _is_off(report: HostReport, name: str) -> bool:
    """Whether a model that runs there is only on its way out: neither active nor for requests, by the file there."""
    return not any(
        model.name == name and (model.priority is not None or model.on_demand) for model in report.spec.models
    )


def _book_waiting(
    placing: Placing, chosen: Mapping[str, Sequence[Copy]], stay: Mapping[str, AbstractSet[str]]
) -> set[tuple[str, str]]:
    """Those who are to run and don't, host by host; returns whom there is no room for any more."""
    waiting: dict[str, list[str]] = {}
    for name, copies in chosen.items():
        for node in flat(copies):
            if name not in stay[node]:
                waiting.setdefault(node, []).append(name)
    return {(name, node) for node, names in waiting.items() for name in _book(placing, node, names)}


def _book(placing: Placing, node: str, names: Sequence[str]) -> list[str]:
    """Book all of them, or the higher ones as far as they fit; returns the others."""
    together = placing.rooms[node].copy()
    for name in names:
        together.add(name, placing.need(name, node))
    if together.all_fit():
        placing.rooms[node] = together
        return []
    left_out = []
    for name in names:
        need = placing.need(name, node)
        if placing.rooms[node].fits(name, need) is None:
            left_out.append(name)
        else:
            placing.rooms[node].add(name, need)
    return left_out


def _enter(placing: Placing, name: str, copy: Copy, left_out: set[tuple[str, str]]) -> None:
    rest = tuple(node for node in copy if (name, node) not in left_out)
    if len(rest) == len(copy):
        placing.enter(name, copy)
        placing.stayed.update((name, node) for node in copy)
        return
    placing.rather[name] = (*placing.rather.get(name, ()), *rest)
    for node in rest:
        placing.rooms[node].remove(name)
