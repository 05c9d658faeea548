"""Which host runs which model: one pure function, `assign`.

    1  whoever runs stays, and whoever was to run there, where there is still room for it
    2  each model once, in the order of `active`: where it runs anyhow, else where there is room, best where most is
       left of the fullest pool that it would use
    3  one for which there is no room pushes lower ones off the host where that costs least, if there is such a host
    4  further replicas, where there is room without that

Who is pushed off is placed anew in its own turn, elsewhere or not at all. A host is passed over for a model that its
`hosts` leave out, that the host itself refuses or lacks the weights of, and for everything new while it is drained,
lost or shutting down. The host's own admission has the last word: it says `refused`, and the model moves on.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from zoosup.core.fleet.placement.hosts import NOT_ACTIVE, Host, in_question, may_run, obeys, passed_over, told
from zoosup.core.fleet.placement.keep import keep
from zoosup.core.fleet.placement.placing import Copy, Placing, flat
from zoosup.core.fleet.placement.push import make_room
from zoosup.core.fleet.words import FleetModel, FleetSpec

Placements = Mapping[str, Copy]
"""The hosts of each model, in groups of `spans`; the first of a group is where its command runs."""


@dataclass(frozen=True, slots=True)
class Assigned:
    """Who is to run where, and why what isn't placed, or not as often as it should be, isn't."""

    placements: Placements
    refusals: Mapping[str, str]


def assign(spec: FleetSpec, hosts: Mapping[str, Host], before: Placements) -> Assigned:
    """Place all models that are `active`; `before` is the last answer, or what the hosts say that they obey."""
    placing = Placing(spec, hosts)
    keep(placing, before)
    for _ in range(len(placing.active) + 1):
        if not _place_once(placing):
            break
    for model in placing.active:
        while len(placing.copies[model.name]) < placing.wanted(model) and (copy := placing.best(model)):
            placing.place(model.name, copy)
    placements = {name: flat(sorted(copies)) for name, copies in placing.copies.items() if copies}
    refusals = {
        model.name: _why(placing, model, hosts)
        for model in placing.active
        if len(placing.copies[model.name]) < max(1, placing.wanted(model))
    }
    return Assigned(placements, refusals)


def _place_once(placing: Placing) -> bool:
    """Place each model that is nowhere; returns whether a higher one has moved, which may be of use to others."""
    moved = False
    for model in placing.active:
        if not placing.copies[model.name]:
            copy, again = placing.best(model), list[str]()
            if not copy:
                copy, again = make_room(placing, model)
            if copy:
                placing.place(model.name, copy)
            for name in again:
                if elsewhere := placing.best(placing.models[name]):
                    placing.place(name, elsewhere)
            moved = moved or bool(again)
    return moved


def _why(placing: Placing, model: FleetModel, hosts: Mapping[str, Host]) -> str:
    had, wanted = len(placing.copies[model.name]), placing.wanted(model)
    taken = placing.nodes(model.name)
    others = [node for node in sorted(hosts) if node not in taken and may_run(model, hosts[node].report)]
    others += [node for node in model.hosts if node not in hosts]
    text = told((f"{node}: {_sum(placing, model, hosts.get(node), node)}" for node in others), len(others))
    if not text:
        text = f"no other host is {in_question(model)}" if had else f"no host is {in_question(model)}"
    return f"runs {had} times of {wanted}; {text}" if had else text


def _sum(placing: Placing, model: FleetModel, host: Host | None, node: str) -> str:
    """Why it does not run there."""
    if host is None:
        return "is not known"
    text = passed_over(model.name, host)
    if text is None and not obeys(model, placing.spec, host):
        return NOT_ACTIVE
    if text is None and model.spans > 1 and not host.report.address:
        return "has not said yet by which address others reach it"
    if text is None and host.runs(model.name) and model.spans == 1:
        return "makes room there for others"
    if text is None:
        text = placing.rooms[node].shortage(model.name, placing.need(model.name, node))
    return text or f"has room, and {model.spans} hosts are needed"
