"""What should happen next: the whole of zoosup's judgement as one pure function.

    plan(spec, observed) -> Plan(actions, conditions, wake_at)

It is asked again after every event and looks at everything each time, so that a lost or doubled event costs only
latency. It reads no clock (`observed.now`), touches nothing and remembers nothing. There is no step that moves: where B
waits for A's room, A is told to leave, and a later pass starts B.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from zoosup.core.memory.other_gpus import describe, misplaced
from zoosup.core.scheduler import demand, switch as switching
from zoosup.core.scheduler.cycle import Cycle
from zoosup.core.scheduler.placement.hold_room import release_expired
from zoosup.core.scheduler.placement.place import place_wanted
from zoosup.core.scheduler.stop import continue_stops, end_cooldowns, relieve_pressure, stop_unwanted
from zoosup.core.scheduler.verdicts import GIVEN_UP, Shortage, Verdict
from zoosup.core.state.actions import Action, Hold
from zoosup.core.state.observed import IN_PROGRESS, Condition, Model, Observed, Switch, SwitchOutcome
from zoosup.core.state.phases import Cause, ConditionType, Override, Phase, Reason
from zoosup.core.state.runs import Run
from zoosup.spec.model.zoo import ZooSpec
from zoosup.spec.syntax.units import describe_size


@dataclass(frozen=True, slots=True)
class Plan:
    """One pass's answer. `wake_at` is when to look again though nothing happens; `switch` is how far it has come.

    `shortages` are of the pools that are short, worst first. `faults` are bugs of ours by the model that met them; the
    plan is made without a step for those. `closed`: busy models that others have waited for out of patience, and when
    those came: clients who came later queue behind them. `holds`: why those that are waited for are not had, by id.
    """

    actions: tuple[Action, ...]
    conditions: tuple[Condition, ...]
    wake_at: float | None
    switch: Switch | None
    verdicts: Mapping[str, Verdict]
    wanted: tuple[str, ...]
    shortages: tuple[Shortage, ...] = ()
    faults: Mapping[str, Exception] = field(default_factory=dict, compare=False)
    closed: Mapping[str, float] = field(default_factory=dict)
    holds: Mapping[str, Verdict] = field(default_factory=dict)


def plan(spec: ZooSpec, observed: Observed) -> Plan:
    """Decide what to do now, and why what waits is waiting."""
    cycle = Cycle(spec, observed)
    if not observed.shutdown:
        _judge_the_switch(cycle)  # done, rolled back, or still open? So: who is wanted
        end_cooldowns(cycle)  # memory that is back, or will not come
    release_expired(cycle)  # room that was held for so long
    continue_stops(cycle)  # runs on their way out: the next step
    stop_unwanted(cycle)  # runs that nobody wants any longer, and those at fault
    relieve_pressure(cycle)  # pools that run short: who has to go before the kernel takes one
    place_wanted(cycle)  # in order of priority: start, wait (and why), or make room
    _name_the_rest(cycle)  # models that rest: what to call their rest
    _check_the_estimates(cycle)
    _check_the_placements(cycle)
    _check_the_budget(cycle)
    _check_the_gpus(cycle)
    return Plan(
        tuple(cycle.actions),
        tuple(cycle.conditions),
        cycle.wake_at,
        cycle.switch,
        cycle.verdicts,
        cycle.wanted.all,
        cycle.shortages,
        cycle.faults,
        cycle.closed,
        cycle.holds,
    )


# The switch


def _judge_the_switch(cycle: Cycle) -> None:
    cycle.switch = switching.judge(
        cycle.switch, cycle.observed.models, rollback=_may_roll_back(cycle), settling=_settles(cycle)
    )
    listed = switching.effective(cycle.spec.active, cycle.switch)
    cycle.wanted = demand.wanted(cycle.spec, cycle.observed, listed)
    if cycle.switch is not None:
        cycle.conditions.append(_switched(cycle.switch))


def _settles(cycle: Cycle) -> bool:
    """Whether room is still being made for the switch; a run that can't be killed makes none."""
    switch, models = cycle.switch, cycle.observed.models
    own = {*switch.outgoing, *switch.incoming} if switch is not None else set()
    leaving = (n for n in cycle.leaving & own if (run := models[n].run) is not None and not run.stuck)
    return any(watch.model in own for watch in cycle.cooling) or any(leaving)


def _may_roll_back(cycle: Cycle) -> bool:
    """Whether the file allows it and somebody could come back: nobody that it, or a person, has put away."""
    switch, models = cycle.switch, cycle.observed.models
    back = [n for n in switch.outgoing if n in cycle.spec.models] if switch is not None else []
    return cycle.spec.switch.rollback and any(models[n].override is not Override.STOP for n in back)


_SWITCHED = {
    SwitchOutcome.OPEN: IN_PROGRESS,
    SwitchOutcome.DONE: "Completed",
    SwitchOutcome.ROLLED_BACK: "RolledBack",
}


def _switched(switch: Switch) -> Condition:
    coming = f"{', '.join(switch.incoming)} is to take over from {', '.join(switch.outgoing)}"
    done = switch.outcome is SwitchOutcome.DONE
    return Condition(None, ConditionType.SWITCHED, done, _SWITCHED[switch.outcome], switch.message or coming)


# Models that rest


def _name_the_rest(cycle: Cycle) -> None:
    wanted = set(cycle.wanted.all)
    for model in cycle.observed.models.values():
        if model.name not in wanted:
            cycle.attempt(model, partial(_name_one, cycle, model))


def _name_one(cycle: Cycle, model: Model) -> None:
    if model.run is None:
        _name(cycle, model)
    elif model.phase is Phase.ASLEEP and model.name not in cycle.leaving and model.reason != Cause.MADE_ROOM:
        # Whoever asked for it does so no longer.
        cycle.actions.append(Hold(model.name, Phase.ASLEEP, Cause.MADE_ROOM, "asleep"))


def _name(cycle: Cycle, model: Model) -> None:
    if cycle.observed.shutdown:
        _rest(cycle, model, Reason.SHUTDOWN)
    elif model.override is Override.STOP:
        _rest(cycle, model, Reason.STOPPED_BY_HAND)
    elif model.override is Override.UNLOAD:
        _rest(cycle, model, Reason.UNLOADED)
    elif undone := _undone_by(cycle.switch, model):
        cycle.hold(model, Phase.FAILED, Verdict(Reason.ROLLED_BACK, undone.message))
    elif model.phase is Phase.FAILED and model.reason in GIVEN_UP and _is_on_demand(cycle, model):
        # Else each request would start anew what has been given up, and nobody else would have to say so.
        cycle.note(model, Verdict(model.reason, model.message))
    else:
        _rest(cycle, model, Reason.NOT_WANTED)


def _undone_by(switch: Switch | None, model: Model) -> Switch | None:
    rolled_back = switch is not None and switch.outcome is SwitchOutcome.ROLLED_BACK
    return switch if rolled_back and switch is not None and model.name in switch.incoming else None


def _is_on_demand(cycle: Cycle, model: Model) -> bool:
    spec = cycle.spec.models.get(model.name)
    return spec is not None and spec.on_demand and model.reason != Reason.ROLLED_BACK


def _rest(cycle: Cycle, model: Model, reason: Reason) -> None:
    if (model.phase, model.reason) != (Phase.STOPPED, reason):
        cycle.actions.append(Hold(model.name, Phase.STOPPED, reason, ""))


# What is not as it should be


def _check_the_estimates(cycle: Cycle) -> None:
    """What a run has held beyond its booking has been added to it; nothing is stopped for that here."""
    for model, run in cycle.observed.live():
        if run.leaving is None and run.outgrown:
            cycle.conditions.append(
                Condition(model.name, ConditionType.WITHIN_ESTIMATE, False, "Outgrown", _outgrown(run))
            )


def _outgrown(run: Run) -> str:
    source = f" ({run.source})" if run.source else ""
    return "; ".join(
        f"{pool}: has held {describe_size(run.peak.get(pool, 0))}, booked were {describe_size(booked)}{source}"
        for pool, booked in run.outgrown.items()
    )


def _check_the_placements(cycle: Cycle) -> None:
    """A model that sits on another GPU than it was given: its server has not understood which is its own."""
    for model, run in cycle.observed.live():
        held = misplaced(run) if run.leaving is None else {}
        if held:
            message = describe(run, held)
            cycle.conditions.append(
                Condition(model.name, ConditionType.ON_GIVEN_GPUS, False, "OtherGpu", message)
            )


def _check_the_budget(cycle: Cycle) -> None:
    """A budget lowered below what runs stops nothing; it is said, and nothing more is started."""
    live = {model.name for model, _ in cycle.observed.live()}
    held_room = {hold.name for hold in cycle.observed.holds if hold.booked is not None}
    for ledger in cycle.ledgers.values():
        held = sum(ledger.needs(live | held_room).values())
        if held > ledger.pool.budget:
            bound = describe_size(ledger.pool.budget)
            message = f"{ledger.pool.id}: {describe_size(held)} are reserved, budget {bound}"
            cycle.conditions.append(
                Condition(None, ConditionType.WITHIN_BUDGET, False, "OverBudget", message)
            )


def _check_the_gpus(cycle: Cycle) -> None:
    """A GPU that was there and can't be read any longer: it may be lost, or its driver hangs."""
    gpus = [pool for node in cycle.observed.nodes for pool in node.pools if pool.kind == "vram"]
    lost = [pool.name for pool in gpus if pool.available is None]
    if lost:
        message = f"{', '.join(lost)} can't be read; nothing is started there"
        cycle.conditions.append(Condition(None, ConditionType.GPUS_READABLE, False, "Unreadable", message))
