"""Fleets that were placed, have obeyed as far as they have come, and to which something has happened since."""

from dataclasses import replace

from hypothesis import strategies as st

from tests.core.fleet.placement.layouts import layouts
from tests.core.fleet.worlds import fleets, pools, with_model
from zoosup.core.fleet.placement.assign import assign


def copies_of(spec, name, nodes):
    """The hosts of a model, those of each copy together."""
    spans = next(model.spans for model in spec.models if model.name == name)
    return [nodes[at : at + spans] for at in range(0, len(nodes), spans)]


def obeyed(found, placements, spec, draw):
    """The hosts once they have done as they were told, as far as they have come."""
    result = dict(found)
    for name, nodes in placements.items():
        for copy in copies_of(spec, name, nodes):
            for node in copy:
                if draw(st.booleans()):
                    result[node] = started(result[node], name, peers=copy if len(copy) > 1 else ())
    return {node: replace(each, report=replace(each.report, spec=spec)) for node, each in result.items()}


def started(host, name, **changes):
    """It runs, in the first way in which it can beside those that do."""
    capacity = {pool.id: pool.capacity for pool in host.report.pools}
    free = dict(capacity)
    for each in host.report.models.values():
        for pool, amount in each.held.items():
            free[pool] -= amount
    for way in layouts(host.report.models[name].need, free, capacity):
        if all(free.get(pool, 0) >= amount for pool, amount in way.items()):
            return with_model(host, name, held=way, phase="ready", ready=True, **changes)
    return host


@st.composite
def events(draw, spec, found):
    """Something happens to some of the hosts."""
    alone = [model.name for model in spec.models if model.spans == 1]
    result = dict(found)
    for node in draw(st.lists(st.sampled_from(sorted(found)), unique=True, max_size=2)):
        host, name = result[node], draw(st.sampled_from(sorted(result[node].report.models)))
        kinds = {
            "lost": lambda h=host: replace(h, lost=True),
            "drained": lambda h=host: replace(h, drained=True),
            "refused": lambda h=host, n=name: with_model(h, n, refused="no"),
            "missing": lambda h=host, n=name: with_model(h, n, missing=True),
            "leaving": lambda h=host: replace(h, report=replace(h.report, leaving=True)),
            "short": lambda h=host: replace(
                h, report=replace(h.report, pools=pools(3, 2, node=h.report.node))
            ),
            "labels": lambda h=host: replace(h, report=replace(h.report, labels={})),
            "crashed": lambda h=host, n=name: with_model(h, n, held={}, ready=False),
            "asked for": lambda h=host, n=name: started(h, n) if n in alone and not h.runs(n) else h,
        }
        result[node] = kinds[draw(st.sampled_from([*kinds]))]()
    return result


@st.composite
def histories(draw, **options):
    """(spec, hosts, before): a fleet that has obeyed, and to which something has happened."""
    spec, found = draw(fleets(**options))
    first = assign(spec, found, {})
    return spec, draw(events(spec, obeyed(found, first.placements, spec, draw))), first.placements
