"""Room that a person holds for what is no model: when it is had, who makes it, and when it goes back.

A hold is weighed as a model that needs so much would be, and comes as a client does who asked when it was asked for:
after the models that the file or a person has pinned, in its turn among clients, before what only rests. A forced one
comes before them all. Nobody ever makes room by ending a hold, and one that can't be had costs nobody its place.
"""

from functools import partial

from zoosup.core.scheduler.cycle import Cycle
from zoosup.core.scheduler.demand import claim_of
from zoosup.core.scheduler.placement.candidates import best_placement
from zoosup.core.scheduler.preemption.make_room import PREFERENCE, make_room, unless_short
from zoosup.core.scheduler.verdicts import POLLED, Outcome, Verdict
from zoosup.core.state.actions import HoldRoom, ReleaseRoom
from zoosup.core.state.holds import RoomHold
from zoosup.core.state.observed import Model
from zoosup.spec.model.memory import MemorySpec
from zoosup.spec.model.model import ModelSpec


def release_expired(cycle: Cycle) -> None:
    """Give back what was held for so long; the others are looked at when their time comes."""
    for hold in cycle.observed.holds:
        if hold.until is None:
            continue
        if hold.until <= cycle.observed.now:
            cycle.actions.append(ReleaseRoom(hold.id, "its time is over"))
        else:
            cycle.look_again_at(hold.until)


def place_holds(cycle: Cycle, before: float = float("inf")) -> None:
    """Take the next step with those that are waited for and were asked for no later than `before`."""
    for hold in cycle.observed.holds if not cycle.observed.shutdown else ():
        waits = hold.booked is None and hold.id not in cycle.holds
        if waits and claim_of(hold.name, cycle.wanted, cycle.observed).since <= before:
            model = Model(hold.name)
            cycle.attempt(model, partial(_place, cycle, hold, model))


def is_refused(verdict: Verdict) -> bool:
    """Whether it can't be had now, though all leave that may: nobody waits for what strangers hold."""
    return verdict.outcome is Outcome.REFUSED or verdict.reason in POLLED


def _place(cycle: Cycle, hold: RoomHold, model: Model) -> None:
    spec = _as_model(hold)
    found = [best_placement(cycle, model, spec, node.name) for node in cycle.observed.nodes]
    best = unless_short(cycle, min(found, key=lambda p: PREFERENCE.index(p.verdict.outcome)))
    cycle.holds[hold.id] = best.verdict
    if is_refused(best.verdict):
        return
    if best.starts:
        gpus = best.layout.gpus or None
        cycle.actions.append(HoldRoom(hold.id, best.layout.amounts, best.verdict.message, gpus))
    else:
        make_room(cycle, model, best)
    cycle.promise(hold.name, best.layout.amounts, best.node)


def _as_model(hold: RoomHold) -> ModelSpec:
    """What a model that needs as much would say of itself; nobody starts it."""
    memory = MemorySpec.model_construct(ram=hold.ram, vram=hold.vram)
    gpus = "none" if not hold.vram else 1 if hold.gpu is None else [hold.gpu]
    return ModelSpec.model_validate({"command": ["hold"], "memory": memory, "gpus": gpus})
