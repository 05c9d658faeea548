"""Which host is to run a model that a request asks for and that runs nowhere: one pure function of the view, `choose`.

    1  where it runs or is being started already, or others wait for it: one more joins them
    2  the host that is asked, where it has room
    3  another that has room, best where most is left of the fullest pool that it would use
    4  where others make room for it at the least cost: fewest bytes, then the longest idle
    5  nowhere, with the sum of each host

The same view gives the same answer on every host, so that gateways do without a controller while there is none.
"""

from collections.abc import Collection, Iterable, Mapping

from zoosup.core.fleet.placement.hosts import Host, in_question, may_run, out_of_question, passed_over, told
from zoosup.core.fleet.placement.room import HostRoom
from zoosup.core.fleet.words import Choice, FleetModel, FleetView, HostReport, HostView, ModelReport

_NOBODY: Mapping[str, str] = {}


def choose(
    view: FleetView,
    model: str,
    node: str,
    *,
    promised: Mapping[str, str] = _NOBODY,
    drained: Collection[str] = (),
) -> Choice:
    """The host for a request at `node`.

    `promised`: hosts that were chosen for models a moment ago, of which no report tells yet. `drained`: likewise hosts
    that are to get empty.
    """
    shared = _shared(view, model)
    if shared is None:
        return Choice(refusal="the zoo.yaml of the fleet has no such model")
    if shared.spans > 1:
        return Choice(refusal=f"it takes {shared.spans} hosts at once, which no request starts")
    hosts = {name: _host(host, drained=name in drained) for name, host in sorted(view.hosts.items())}
    if joined := _joined(hosts, model, promised):
        return Choice(joined)
    open_hosts = {
        name: host
        for name, host in hosts.items()
        if may_run(shared, host.report) and passed_over(model, host) is None
    }
    rooms = {name: _room(view, host.report, promised) for name, host in open_hosts.items()}
    chosen = _roomiest(rooms, open_hosts, model, node) or _cheapest(rooms, open_hosts, model, node)
    return Choice(chosen) if chosen else Choice(refusal=_why(shared, hosts, rooms))


def is_weighed(view: FleetView, model: str) -> bool:
    """Whether any host comes into question for it: then it is room that it lacks, if it can't be had."""
    shared = _shared(view, model)
    return shared is not None and any(
        may_run(shared, host.report)
        and out_of_question(model, _host(host)) is None
        and not host.report.models[model].missing
        for host in view.hosts.values()
    )


def _shared(view: FleetView, model: str) -> FleetModel | None:
    return next((each for each in view.spec.models if each.name == model), None)


def _host(view: HostView, *, drained: bool = False) -> Host:
    return Host(view.report, view.lost, drained or view.report.assignment.drained)


def _joined(hosts: Mapping[str, Host], model: str, promised: Mapping[str, str]) -> str:
    """Where it runs, the ready first, or is about to; "" where that is nowhere."""
    found = []
    for name, host in hosts.items():
        report = host.report.models.get(model)
        if report is None or host.lost or host.report.leaving:
            continue
        waited_for = report.waiting > 0 and report.refused is None and not host.drained
        if report.held or waited_for or promised.get(model) == name:
            found.append((not report.ready, not report.held, name))
    return min(found)[2] if found else ""


def _room(view: FleetView, report: HostReport, promised: Mapping[str, str]) -> HostRoom:
    """What is left beside all that runs there, and all that is to."""
    room = HostRoom(report.pools)
    for name, each in report.models.items():
        if each.held:
            room.keep(name, each.held)
        elif report.node in view.placements.get(name, ()) or promised.get(name) == report.node:
            room.add(name, each.need)
    return room


def _roomiest(rooms: Mapping[str, HostRoom], hosts: Mapping[str, Host], model: str, node: str) -> str:
    """The host that is asked before all others."""
    scores = [
        (name != node, -score, name)
        for name, room in rooms.items()
        if (score := room.fits(model, hosts[name].report.models[model].need)) is not None
    ]
    return min(scores)[2] if scores else ""


def _cheapest(rooms: Mapping[str, HostRoom], hosts: Mapping[str, Host], model: str, node: str) -> str:
    costs = [
        (*cost, name != node, name)
        for name, room in rooms.items()
        if (cost := _cost(room, hosts[name].report, model)) is not None
    ]
    return min(costs)[3] if costs else ""


def _cost(room: HostRoom, report: HostReport, model: str) -> tuple[int, float] | None:
    """Bytes of those that would make room there, and how recently the last of them was used; None: it can't be."""
    need = report.models[model].need
    leaves = [name for name, each in report.models.items() if each.held and each.yields]
    leaves.sort(key=lambda name: (-_idle(report.models[name]), name))
    trial = room.copy()
    for count, name in enumerate(leaves, 1):
        trial.remove(name)
        if trial.fits(model, need) is not None:
            gone = _spared(room, report, model, leaves[:count])
            bytes_ = sum(sum(report.models[each].held.values()) for each in gone)
            return bytes_, -min(_idle(report.models[each]) for each in gone)
    return None


def _spared(room: HostRoom, report: HostReport, model: str, leaves: Iterable[str]) -> list[str]:
    """Without those who need not leave, the last used first."""
    gone = list(leaves)
    for name in reversed(tuple(gone)):
        trial = room.copy()
        for other in gone:
            if other != name:
                trial.remove(other)
        if trial.fits(model, report.models[model].need) is not None:
            gone.remove(name)
    return gone


def _idle(model: ModelReport) -> float:
    """Seconds without use; one that was never used has been idle for ever."""
    return float("inf") if model.idle is None else model.idle


def _why(model: FleetModel, hosts: Mapping[str, Host], rooms: Mapping[str, HostRoom]) -> str:
    able = [name for name, host in hosts.items() if may_run(model, host.report)]
    sums = (f"{name}: {_sum(model, hosts[name], rooms.get(name))}" for name in able)
    return told(sums, len(able)) or f"no host is {in_question(model)}"


def _sum(model: FleetModel, host: Host, room: HostRoom | None) -> str:
    if room is None:
        return passed_over(model.name, host) or "is not known"
    return room.shortage(model.name, host.report.models[model.name].need)
