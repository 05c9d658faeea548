"""A place in a fleet of three hosts: one is this, one is drained, one is lost; made of the real words."""

from collections.abc import Callable
from dataclasses import replace

from tests.web.fakes import GIB, Member
from zoosup.core.fleet.words import (
    Answer,
    Assignment,
    FleetModel,
    FleetSpec,
    FleetView,
    HostReport,
    HostView,
    ModelReport,
    PoolRoom,
)
from zoosup.runtime.clock import Clock
from zoosup.runtime.state.membership import Membership, Trouble
from zoosup.spec.model.fleet import FleetSpec as FleetSection

ADDRESSES = {"a": "127.0.0.2", "b": "127.0.0.3", "c": "127.0.0.4"}
NO_MEMORY = "b: needs 90 GiB of RAM, 60 GiB may be had; c: it is lost"


def member(*, heard: bool = True, now: Callable[[], float] = lambda: 100.0) -> Member:
    """As host a; `heard` False: the fleet has never answered."""
    here = Membership(Clock(now, now), FleetSection(head="10.0.0.5:6379", token_file="/t"), "a")
    if heard:
        here.hear(Answer(Assignment(4, 2, 7, ("coder",)), view(), 1))
    else:
        here.note_trouble(Trouble("NoAnswer", "nobody answers at the head"))
    return Member(here)


def view() -> FleetView:
    """Of four models: one ready, one loading, one lost with its host, one that fits nowhere, one on demand."""
    models = (
        FleetModel("coder", 0),
        FleetModel("chat", 1),
        FleetModel("far", 2),
        FleetModel("huge", 3),
        FleetModel("rare", None, on_demand=True),
    )
    here = _report("a", ("coder", "ready"), cards=(24,))
    drained = replace(_report("b", ("chat", "starting")), assignment=Assignment(drained=True))
    return FleetView(
        spec=FleetSpec("digest", 4, models=models),
        epoch=2,
        number=7,
        hosts={
            "a": HostView(here, 0.4),
            "b": HostView(drained, 1.0),
            "c": HostView(_report("c"), 65.0, lost=True),
        },
        placements={"coder": ("a",), "chat": ("b",), "far": ("c",)},
        refusals={"huge": NO_MEMORY},
        old_files=("c",),
    )


def _report(node: str, *runs: tuple[str, str], cards: tuple[int, ...] = ()) -> HostReport:
    held = {"ram": 2 * GIB} | {f"vram:GPU-{node}-{at}": 8 * GIB for at in range(len(cards))}
    rooms = [PoolRoom("ram", "RAM", 60 * GIB, 64 * GIB)]
    rooms += [
        PoolRoom(f"vram:GPU-{node}-{at}", "A card", size * GIB, size * GIB, str(at))
        for at, size in enumerate(cards)
    ]
    models = {name: ModelReport(phase, phase == "ready", held=held) for name, phase in runs}
    address = ADDRESSES[node]
    return HostReport(node, address, f"{address}:8080", pools=tuple(rooms), models=models)
