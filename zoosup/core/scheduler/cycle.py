"""One scheduling cycle: what one pass has found, promised and decided so far, and when to look again.

It begins with what is observed. Each step of the pass writes on it, so that no memory and no port is given away twice
and each decision is written down alike. Refuses to know who is wanted, who fits and who may leave.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from zoosup.core.estimation.need import need_of
from zoosup.core.memory.gpu_layouts import still_booked
from zoosup.core.memory.ledger import Holding, Ledger, asleep, renewed
from zoosup.core.memory.other_gpus import elsewhere
from zoosup.core.memory.sleep_footprint import Sleeper
from zoosup.core.memory.unified import in_ram
from zoosup.core.scheduler.demand import Wanted
from zoosup.core.scheduler.verdicts import Shortage, Verdict
from zoosup.core.sessions.words import keeps
from zoosup.core.state.actions import Action, Drain, Hold, Stop
from zoosup.core.state.holds import RoomHold
from zoosup.core.state.observed import Condition, Model, Observed, Switch, SwitchOutcome
from zoosup.core.state.phases import Cause, ConditionType, Phase, Reason
from zoosup.core.state.pools import VRAM, Cooldown
from zoosup.core.state.runs import Run
from zoosup.spec.changes import outdated
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.zoo import ZooSpec
from zoosup.spec.syntax.units import describe_size

_FAULTS = frozenset({Cause.STARTUP_DEADLINE, Cause.LIVENESS_FAILED, Cause.HOST_LOST})
"""Causes for which a run isn't asked to finish what it does: it does nothing, or can't."""

FAULT_RETRY = 5.0
"""Seconds after which a model that a bug of ours has met is tried again, though nothing happens."""


@dataclass(slots=True)
class Cycle:
    """One pass's own; nothing outside ever sees it."""

    spec: ZooSpec
    observed: Observed
    # found
    wanted: Wanted = field(default_factory=Wanted)
    switch: Switch | None = None
    cooling: tuple[Cooldown, ...] = ()
    shortages: tuple[Shortage, ...] = ()  # worst first
    ledgers: dict[tuple[str, str], Ledger] = field(default_factory=dict)  # by node and pool
    unified: dict[str, frozenset[str]] = field(
        default_factory=dict
    )  # by node: ids of pools that are part of RAM
    ports: dict[int, str] = field(default_factory=dict)  # those that live runs use, and whose each is
    # decided, or under way
    leaving: set[str] = field(default_factory=set)
    falling_asleep: set[str] = field(default_factory=set)
    returning: set[str] = field(
        default_factory=set
    )  # of those who leave, who comes back: room is kept for them
    starting: set[str] = field(default_factory=set)
    renewing: dict[str, str] = field(default_factory=dict)  # whose room is kept besides, and who that is
    closed: dict[str, float] = field(
        default_factory=dict
    )  # busy models, and who comes later than when queues
    earlier: set[str] = field(default_factory=set)  # wanted by the file, and placed before the one at hand
    actions: list[Action] = field(default_factory=list)
    conditions: list[Condition] = field(default_factory=list)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    holds: dict[str, Verdict] = field(default_factory=dict)  # of those that are waited for, by id
    faults: dict[str, Exception] = field(default_factory=dict)  # bugs of ours, by the model that met them
    wake_at: float | None = None

    def __post_init__(self) -> None:
        self.switch = self.observed.switch
        self.cooling = tuple(c for node in self.observed.nodes for c in node.cooldowns)
        self.ledgers = {(p.node, p.id): Ledger(p) for node in self.observed.nodes for p in node.pools}
        self.unified = {node.name: node.unified for node in self.observed.nodes}
        blind = [ledger for model, run in self.observed.live() for ledger in self._enter(model, run)]
        blind += [ledger for hold in self.observed.holds for ledger in self._enter_hold(hold)]
        for ledger in blind:
            ledger.distrust()

    def _enter(self, model: Model, run: Run) -> list[Ledger]:
        """Enter a live run; the ledgers of GPUs on which nobody can say what it holds."""
        blind, missing = [], []
        measured = self.counted(run.measured, run.node)
        booked = {**self.booked(model, run), **elsewhere(run)}
        for pool, amount in self.counted(booked, run.node).items():
            ledger = self.ledgers.get((run.node, pool))
            if ledger is None:
                missing.append(f"{describe_size(amount)} in {pool}")
                continue
            held = measured.get(pool)
            if held is None and pool.startswith(VRAM) and model.phase is not Phase.STARTING:
                # It has loaded, so that what it holds is no longer free: promised once more it would count twice.
                blind.append(ledger)
                held = amount
            # What it holds beyond its need is as little for others as what it was promised.
            ledger.add(model.name, Holding(max(amount, held or 0), held or 0))
        if run.leaving is not None:
            self.leaving.add(model.name)
        elif model.phase is Phase.FALLING_ASLEEP and run.sleep is not None:
            self.fall_asleep(run, Sleeper(model.name, run.sleep.asleep, run.sleep.known))
        if model.phase is Phase.STARTING:
            self.starting.add(model.name)
        self.ports[run.port] = model.name
        if missing:
            # A GPU can vanish under a run; what is in no sum is said.
            message = f"booked, and in no sum, as it is not there at present: {', '.join(missing)}"
            self.conditions.append(
                Condition(model.name, ConditionType.MEMORY_COUNTED, False, "PoolMissing", message)
            )
        return blind

    def _enter_hold(self, hold: RoomHold) -> list[Ledger]:
        """Enter room that is held; the ledgers of GPUs on which nobody can say how much of it is in use."""
        blind, node = [], self.observed.nodes[0].name
        booked = hold.booked or {}
        held = self.counted({pool: hold.held(pool) for pool in booked}, node)
        for pool, amount in self.counted(booked, node).items():
            ledger = self.ledgers.get((node, pool))
            if ledger is None:
                continue  # a GPU that has vanished has no room
            unseen = bool(hold.measured) and pool not in hold.measured
            if unseen:
                blind.append(ledger)
            ledger.add(hold.name, Holding(amount, amount if unseen else held.get(pool, 0)))
        return blind

    # what is so

    @property
    def freeing(self) -> set[str]:
        """Who gives memory back before long: those who leave, and those who fall asleep."""
        gone = self.leaving - self.returning
        return gone | {asleep(name) for name in self.falling_asleep | (self.leaving & self.returning)}

    def booked(self, model: Model, run: Run) -> Mapping[str, int]:
        """E of a live run: what it was booked with, unless the file has since said better of the same process."""
        spec = self.spec.models.get(model.name)
        if spec is None or run.sleep is not None or run.leaving is not None or spec.memory == "auto":
            return run.reserved
        try:
            return run.reserved if outdated(run.spec, spec) else still_booked(need_of(model, spec), run)
        except Exception as error:  # noqa: BLE001 - a bug of ours: what was booked counts, and the pass goes on
            self._note_fault(model, error)
            return run.reserved

    def spec_of(self, model: Model) -> ModelSpec:
        """The file's word on it, or what it was started with once the file has none."""
        current = self.spec.models.get(model.name)
        if current is not None:
            return current
        assert model.run is not None  # noqa: S101 - a model outside the file is known only by its run
        return model.run.spec

    def is_loading(self, node: str, pool: str, but: str = "") -> bool:
        """Whether a model other than `but` is starting in that pool, so that what is free there is in motion."""
        ledger = self.ledgers.get((node, pool))
        return ledger is not None and any(n in ledger.holdings for n in self.starting if n != but)

    def outgoing_for(self, name: str) -> set[str]:
        """Those that an open switch takes out in favour of `name`, as far as they still live."""
        switch = self.switch
        if switch is None or switch.outcome is not SwitchOutcome.OPEN or name not in switch.incoming:
            return set()
        models, wanted = self.observed.models, set(self.wanted.all)
        return {n for n in switch.outgoing if n not in wanted and n in models and models[n].run is not None}

    def replaceable_by(self, name: str) -> set[str]:
        """Those that an open switch takes out, as far as they make room for `name`: its successors come no earlier.

        Else one that is kept for a successor which can't come would keep an earlier model waiting for ever.
        """
        switch = self.switch
        if switch is None or name in switch.incoming or self.earlier & {*switch.incoming}:
            return self.outgoing_for(name)
        by_file = name in {*self.wanted.pinned, *self.wanted.resting}
        return self.outgoing_for(switch.incoming[0]) if by_file else set()

    # what is promised

    def counted(self, amounts: Mapping[str, int], node: str) -> Mapping[str, int]:
        """Amounts as the pools of a node are summed: what a GPU takes from RAM stands there, too."""
        return in_ram(amounts, self.unified.get(node, frozenset()))

    def promise(self, name: str, amounts: Mapping[str, int], node: str) -> None:
        """Keep room for a model that will run, so that no later one keeps it waiting."""
        for pool, amount in self.counted(amounts, node).items():
            if (node, pool) in self.ledgers:
                self._raise_to(name, self.ledgers[node, pool], amount)

    def promise_renewal(self, name: str, amounts: Mapping[str, int], node: str) -> None:
        """Keep what the next process of one that runs will need beyond what it has: before long it is replaced."""
        for pool, amount in self.counted(amounts, node).items():
            ledger = self.ledgers.get((node, pool))
            more = amount - ledger.needs({name}).get(name, 0) if ledger is not None else 0
            if ledger is not None and more > 0:
                ledger.add(renewed(name), Holding(more, 0))
                self.renewing[renewed(name)] = name

    def fall_asleep(self, run: Run, sleeper: Sleeper) -> None:
        """Keep room for what a run holds awake and asleep, and count on what it gives back."""
        name = sleeper.model
        self.falling_asleep.add(name)
        at_least = self.counted(sleeper.at_least, run.node)
        for pool, amount in self.counted(sleeper.asleep, run.node).items():
            ledger = self.ledgers.get((run.node, pool))
            if ledger is not None:
                held = ledger.needs({name}).get(name, 0)
                self._raise_to(name, ledger, max(held, amount))
                ledger.rest(name, at_least.get(pool, 0))

    def come_back(self, name: str, node: str, amounts: Mapping[str, int]) -> None:
        """Keep room for one that leaves and is wanted: of what it gives back others have what it won't need."""
        self.returning.add(name)
        amounts = self.counted(amounts, node)
        for (where, pool), ledger in self.ledgers.items():
            if where == node:
                ledger.rest(name, amounts.get(pool, 0))

    @staticmethod
    def _raise_to(name: str, ledger: Ledger, amount: int) -> None:
        """Promise it so much, or what it holds where that is more."""
        measured = ledger.holdings[name].measured if name in ledger.holdings else 0
        ledger.add(name, Holding(max(amount, measured), measured))

    # what is decided

    def leave(self, model: Model, cause: Cause, message: str) -> None:
        """Tell its run to leave; one that answers somebody, or has something to do before, is asked to finish it."""
        run = model.run
        if run is None or model.name in self.leaving:
            return
        gentle = cause not in _FAULTS and model.phase in {Phase.READY, Phase.UNREADY}
        answering = self.observed.demand_for(model.name).inflight > 0
        spec = self.spec_of(model)
        asks_first = answering or spec.stop.before is not None or keeps(run.spec, spec)
        step: type[Drain | Stop] = Drain if gentle and asks_first else Stop
        self.leaving.add(model.name)
        self.actions.append(step(model.name, run.id, cause, message))

    def hold(self, model: Model, phase: Phase, verdict: Verdict) -> None:
        """It does not run: say why, and in which phase it waits or rests."""
        self.note(model, verdict)
        if (model.phase, model.reason, model.message) != (phase, verdict.reason, verdict.message):
            self.actions.append(Hold(model.name, phase, verdict.reason, verdict.message))

    def note(self, model: Model, verdict: Verdict) -> None:
        """Say why it was not admitted, and leave its phase as it is."""
        self.verdicts[model.name] = verdict
        self.conditions.append(
            Condition(model.name, ConditionType.ADMITTED, False, verdict.reason, verdict.message)
        )

    def attempt(self, model: Model, step: Callable[[], None]) -> None:
        """Take one model's step; a bug of ours in it undoes what the step has decided, and ends nobody else's pass.

        What was promised in it stays promised, which is too careful, never too bold.
        """
        sets = self.leaving, self.falling_asleep, self.starting
        before, acted, said = [set(each) for each in sets], len(self.actions), len(self.conditions)
        try:
            step()
        except Exception as error:  # noqa: BLE001 - told in a condition, and logged by who asked for the plan
            for grown, kept in zip(sets, before, strict=True):
                grown.intersection_update(kept)
            del self.actions[acted:], self.conditions[said:]
            self._note_fault(model, error)
            if model.run is None and model.name in self.spec.models:
                self.hold(model, Phase.PENDING, Verdict(Reason.INTERNAL_ERROR, _describe(error)))

    def _note_fault(self, model: Model, error: Exception) -> None:
        if model.name not in self.faults:
            self.faults[model.name] = error
            self.conditions.append(internal_error(model.name, error))
        self.look_again_at(self.observed.now + FAULT_RETRY)

    def look_again_at(self, at: float) -> None:
        """See to it that the next pass is no later than that, though nothing happens."""
        self.wake_at = at if self.wake_at is None else min(at, self.wake_at)


def internal_error(name: str, error: Exception) -> Condition:
    """A bug of ours that keeps one model as it is."""
    return Condition(name, ConditionType.INTERNAL_ERROR, True, type(error).__name__, _describe(error))


def _describe(error: Exception) -> str:
    return f"internal error: {type(error).__name__}: {error}"
