"""What should happen next: the whole of zoosup's judgement as one pure function.

    plan(spec, observed) -> Plan(actions, conditions, wake_at)

It is asked again after every event and looks at everything each time, so that a lost or doubled event costs only
latency. It reads no clock (`observed.now`), touches nothing and remembers nothing. A pass reads like this:

    1. the switch under way: done, rolled back, or still open?
    2. cool-downs that are over
    3. runs on their way out: the next step of their stopping
    4. runs nobody wants any longer: tell them to leave
    5. pools that run short: who has to go before the kernel takes one
    6. models that are wanted, in order of priority: start, wait (and why), or make room
    7. models that rest: what to call their rest

There is no step that moves: where B waits for A's room, A is told to leave, and a later pass starts B.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from zoosup.core.scheduler import demand, pressure, switch as switching
from zoosup.core.scheduler.fit import Verdict
from zoosup.core.scheduler.place import GIVEN_UP, place_the_wanted
from zoosup.core.scheduler.room import Room
from zoosup.core.scheduler.scratch import Scratch
from zoosup.core.scheduler.stop import end_cooldowns, go_on_leaving, release, relieve
from zoosup.core.state.actions import Action, Hold
from zoosup.core.state.observed import Condition, Model, Observed, Switch, SwitchOutcome
from zoosup.core.state.phases import Cause, Override, Phase, Reason
from zoosup.core.state.runs import Run
from zoosup.spec.model.zoo import ZooSpec
from zoosup.spec.syntax.units import describe_size


@dataclass(frozen=True, slots=True)
class Plan:
    """One pass's answer. `wake_at` is when to look again though nothing happens; `switch` is how far it has come.

    `strains` are the pools that are short, worst first.
    """

    actions: tuple[Action, ...]
    conditions: tuple[Condition, ...]
    wake_at: float | None
    switch: Switch | None
    verdicts: Mapping[str, Verdict]
    wanted: tuple[str, ...]
    strains: tuple[pressure.Strain, ...] = ()


def plan(spec: ZooSpec, observed: Observed) -> Plan:
    """Decide what to do now and why what waits is waiting; see the module's docstring for the order."""
    scratch = Scratch(spec, observed, Room(spec, observed))
    if not observed.shutdown:
        _carry_the_switch_on(scratch)
        end_cooldowns(scratch)
    go_on_leaving(scratch)
    release(scratch)
    relieve(scratch)
    place_the_wanted(scratch)
    _name_the_rest(scratch)
    return _answer(scratch)


def _carry_the_switch_on(scratch: Scratch) -> None:
    settling = bool(scratch.room.cooling) or bool(scratch.room.leaving)
    progress = switching.Progress(_may_roll_back(scratch), settling)
    scratch.room.switch = switching.judge(scratch.observed.switch, scratch.observed.models, progress)
    listed = switching.effective(scratch.spec.active, scratch.room.switch)
    scratch.room.wishes = demand.wishes(scratch.spec, scratch.observed, listed)
    if scratch.room.switch is not None:
        scratch.conditions.append(_switched(scratch.room.switch))


def _may_roll_back(scratch: Scratch) -> bool:
    """Whether the file allows it and somebody could come back: nobody that it, or a person, has put away."""
    switch, models = scratch.observed.switch, scratch.observed.models
    back = [n for n in switch.outgoing if n in scratch.spec.models] if switch is not None else []
    return scratch.spec.switch.rollback and any(models[n].override is not Override.STOP for n in back)


def _name_the_rest(scratch: Scratch) -> None:
    wanted = set(scratch.room.wanted)
    for model in scratch.observed.models.values():
        if model.run is None and model.name not in wanted:
            _name(scratch, model)
        elif model.phase is Phase.ASLEEP and model.name not in wanted | scratch.room.leaving:
            # Whoever asked for it does so no longer.
            _sleep_on(scratch, model)


def _sleep_on(scratch: Scratch, model: Model) -> None:
    if model.reason != Cause.MADE_ROOM:
        scratch.actions.append(Hold(model.name, Phase.ASLEEP, Cause.MADE_ROOM, "asleep"))


def _name(scratch: Scratch, model: Model) -> None:
    switch = scratch.room.switch
    undone = (
        switch is not None and switch.outcome is SwitchOutcome.ROLLED_BACK and model.name in switch.incoming
    )
    if scratch.observed.shutdown:
        _rest(scratch, model, Reason.SHUTDOWN)
    elif model.override is Override.STOP:
        _rest(scratch, model, Reason.STOPPED_BY_HAND)
    elif undone and switch is not None:
        scratch.hold(model, Phase.FAILED, Verdict("refused", Reason.ROLLED_BACK, switch.message))
    elif model.phase is Phase.FAILED and model.reason in GIVEN_UP and _on_demand(scratch, model):
        # Else each request would start anew what has been given up, and nobody else would have to say so.
        scratch.note(model, Verdict("refused", model.reason, model.message))
    else:
        _rest(scratch, model, Reason.NOT_WANTED)


def _on_demand(scratch: Scratch, model: Model) -> bool:
    spec = scratch.spec.models.get(model.name)
    return spec is not None and spec.on_demand and model.reason != Reason.ROLLED_BACK


def _rest(scratch: Scratch, model: Model, reason: Reason) -> None:
    if (model.phase, model.reason) != (Phase.STOPPED, reason):
        scratch.actions.append(Hold(model.name, Phase.STOPPED, reason, ""))


def _answer(scratch: Scratch) -> Plan:
    _check_the_estimates(scratch)
    _check_the_budget(scratch)
    _check_the_gpus(scratch)
    room = scratch.room
    return Plan(
        tuple(scratch.actions),
        tuple(scratch.conditions),
        scratch.wake_at,
        room.switch,
        scratch.verdicts,
        room.wanted,
        scratch.strains,
    )


def _check_the_estimates(scratch: Scratch) -> None:
    """What a run has held beyond its booking has been added to it; nothing is stopped for that here."""
    for model in scratch.observed.models.values():
        run = model.run
        if run is not None and run.leaving is None and run.outgrown:
            scratch.conditions.append(
                Condition(model.name, "WithinEstimate", False, "Outgrown", _outgrown(run))
            )


def _check_the_gpus(scratch: Scratch) -> None:
    """A GPU that was there and can't be read any longer: it may be lost, or its driver hangs."""
    lost = [
        p.name for n in scratch.observed.nodes for p in n.pools if p.kind == "vram" and p.available is None
    ]
    if lost:
        message = f"{', '.join(lost)} can't be read; nothing is started there"
        scratch.conditions.append(Condition(None, "GpusReadable", False, "Unreadable", message))


def _check_the_budget(scratch: Scratch) -> None:
    """A budget lowered below what runs stops nothing; it is said, and nothing more is started."""
    for ledger in scratch.room.ledgers.values():
        live = {m.name for m in scratch.observed.models.values() if m.run is not None}
        held = sum(ledger.needs(live).values())
        if held > ledger.pool.budget:
            bound = describe_size(ledger.pool.budget)
            message = f"{ledger.pool.id}: {describe_size(held)} are reserved, budget {bound}"
            scratch.conditions.append(Condition(None, "WithinBudget", False, "OverBudget", message))


def _switched(switch: Switch) -> Condition:
    status = switch.outcome is SwitchOutcome.DONE
    reason = {
        SwitchOutcome.OPEN: "InProgress",
        SwitchOutcome.DONE: "Completed",
        SwitchOutcome.ROLLED_BACK: "RolledBack",
    }[switch.outcome]
    message = (
        switch.message or f"{', '.join(switch.incoming)} is to take over from {', '.join(switch.outgoing)}"
    )
    return Condition(None, "Switched", status, reason, message)


def _outgrown(run: Run) -> str:
    source = f" ({run.source})" if run.source else ""
    return "; ".join(
        f"{pool}: has held {describe_size(run.peak.get(pool, 0))}, booked were {describe_size(booked)}{source}"
        for pool, booked in run.outgrown.items()
    )
