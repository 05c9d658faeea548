"""Hosts, models and files for the fleet's tests, and strategies of them. Sizes are GiB where they are written."""

from dataclasses import replace

from hypothesis import strategies as st

from zoosup.core.fleet.placement.hosts import Host
from zoosup.core.fleet.words import FleetModel, FleetSpec, HostReport, ModelNeed, ModelReport, PoolRoom

GIB = 2**30


def need(ram=0, vram=0, *, without=None, **rest):
    return ModelNeed(ram * GIB, vram * GIB, without=None if without is None else without * GIB, **rest)


def pools(ram, *cards, unified=False, node="h"):
    found = [PoolRoom("ram", "RAM", ram * GIB, ram * GIB)]
    found += [
        PoolRoom(f"vram:GPU-{node}-{at}", f"GPU {at}", size * GIB, size * GIB, str(at), unified)
        for at, size in enumerate(cards)
    ]
    return tuple(found)


def model(name, priority=0, **rest):
    return FleetModel(name, priority, **rest)


def spec(*models, **rest):
    return FleetSpec("digest", 1, models=models, **{"lost_after": 10.0, **rest})


def report(node, ram=64, *cards, needs=None, unified=False, **rest):
    models = {name: ModelReport(need=each) for name, each in (needs or {}).items()}
    rest = {"address": node, **rest}
    return HostReport(node, pools=pools(ram, *cards, unified=unified, node=node), models=models, **rest)


def host(node, ram=64, *cards, lost=False, drained=False, refused=None, **rest):
    return Host(report(node, ram, *cards, **rest), lost, drained, refused or {})


def hosts(*found):
    return {each.report.node: each for each in found}


def with_model(found, name, **changes):
    """A report or a host where something of one model is otherwise."""
    if isinstance(found, Host):
        return replace(found, report=with_model(found.report, name, **changes))
    return replace(found, models={**found.models, name: replace(found.models[name], **changes)})


def running(found, name, *, card=None, **changes):
    """Where a model runs and is ready: what it needs of RAM, and of one card."""
    report_ = found.report if isinstance(found, Host) else found
    wanted = report_.models[name].need
    held = {"ram": wanted.ram}
    if wanted.vram:
        held[f"vram:GPU-{report_.node}-{card or 0}"] = wanted.vram
    return with_model(found, name, held=held, **{"phase": "ready", "ready": True, **changes})


NODES = ("a", "b", "c", "d", "e")
sizes = st.sampled_from([1, 2, 3, 4, 6, 8])


@st.composite
def needs(draw):
    vram = draw(st.sampled_from([0, 0, 1, 2, 4, 6, 10]))
    if not vram:
        return need(draw(sizes))
    kind = draw(st.sampled_from(["auto", "auto", "auto", "two", "named", "without", "each"]))
    more = {
        "auto": {},
        "two": {"gpus": 2},
        "named": {"cards": ("0",)},
        "without": {"without": draw(sizes) + vram},
        "each": {"each_gpu": GIB // 2},
    }[kind]
    return need(draw(st.integers(0, 3)), vram, **more)


@st.composite
def fleets(draw, *, cards=3, spans=(1, 1, 1, 2)):
    """A spec and its hosts, on which nothing runs yet."""
    names = [f"m{at}" for at in range(draw(st.integers(1, 8)))]
    nodes = NODES[: draw(st.integers(1, 5))]
    wanted = {name: draw(needs()) for name in names}
    models = [
        model(
            name,
            draw(st.none() if draw(st.integers(0, 6)) == 0 else st.just(at)),
            hosts=draw(st.sampled_from([(), (), (), (nodes[0],), (nodes[-1], "z")])),
            labels=draw(st.sampled_from([{}, {}, {}, {"gpu": "a100"}])),
            replicas=draw(st.sampled_from([1, 1, 1, 2, None])),
            on_demand=draw(st.booleans()),
        )
        for at, name in enumerate(names)
    ]
    models = [
        replace(each, spans=draw(st.sampled_from(spans)), replicas=each.replicas or None) for each in models
    ]
    models = [replace(each, replicas=1) if each.spans > 1 else each for each in models]
    found = [
        host(
            node,
            draw(st.sampled_from([4, 8, 16])),
            *draw(st.lists(st.sampled_from([4, 8]), max_size=cards)),
            needs=wanted,
            labels=draw(st.sampled_from([{}, {"gpu": "a100"}])),
            unified=draw(st.integers(0, 5)) == 0,
        )
        for node in nodes
    ]
    found = [
        with_model(each, name, missing=True) if draw(st.integers(0, 19)) == 0 else each
        for each in found
        for name in [draw(st.sampled_from(names))]
    ]
    return spec(*models), hosts(*found)
