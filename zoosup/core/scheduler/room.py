"""What one pass has found and promised so far: who is wanted, who leaves, starts or falls asleep, who holds what.

It is entered from what is observed and written on as a pass decides, so that nothing is given away twice. Decides
nothing itself: who fits is asked in `weighing`, who may leave in `victims`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from zoosup.core.estimation.need import need
from zoosup.core.memory.gpu_layouts import rebooked
from zoosup.core.memory.ledger import Holding, Ledger, asleep
from zoosup.core.scheduler.demand import Wishes
from zoosup.core.state.observed import Model, Observed, Switch, SwitchOutcome
from zoosup.core.state.phases import Phase
from zoosup.core.state.pools import VRAM, Cooldown
from zoosup.core.state.runs import Run
from zoosup.spec.changes import outdated
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.zoo import ZooSpec


@dataclass(slots=True)
class Room:
    """What one pass has found and promised so far."""

    spec: ZooSpec
    observed: Observed
    switch: Switch | None = None
    wishes: Wishes = field(default_factory=Wishes)
    cooling: tuple[Cooldown, ...] = ()
    leaving: set[str] = field(default_factory=set)
    starting: set[str] = field(default_factory=set)
    parking: set[str] = field(default_factory=set)  # on their way to sleep
    earlier: set[str] = field(
        default_factory=set
    )  # wanted by the file, and placed before the candidate at hand
    ledgers: dict[tuple[str, str], Ledger] = field(default_factory=dict)
    ports: dict[int, str] = field(default_factory=dict)  # those that live runs use, and whose each is

    @property
    def wanted(self) -> tuple[str, ...]:
        """All who are wanted, in the order in which they are placed."""
        return self.wishes.all

    @property
    def freeing(self) -> set[str]:
        """Who gives memory back before long: those who leave, and those who fall asleep."""
        return self.leaving | {asleep(name) for name in self.parking}

    def __post_init__(self) -> None:
        self.switch = self.observed.switch
        self.cooling = tuple(c for node in self.observed.nodes for c in node.cooldowns)
        self.ledgers = {(p.node, p.id): Ledger(p) for node in self.observed.nodes for p in node.pools}
        blind: list[Ledger] = []
        for model in self.observed.models.values():
            if model.run is not None:
                blind += self._enter(model, model.run)
            if model.phase is Phase.STARTING:
                self.starting.add(model.name)
        for ledger in blind:
            ledger.distrust()

    def _enter(self, model: Model, run: Run) -> list[Ledger]:
        """Enter a run's holdings; the ledgers of GPUs on which nobody can say what it holds."""
        blind = []
        for pool, amount in self.promised_to(model, run).items():
            ledger = self.ledgers.get((run.node, pool))
            if ledger is None:
                continue
            held = run.measured.get(pool)
            if held is None and pool.startswith(VRAM) and model.phase is not Phase.STARTING:
                # It has loaded, so that what it holds is no longer free: promised once more it would count twice.
                blind.append(ledger)
                held = amount
            # What it holds beyond its need is as little for others as what it was promised.
            ledger.add(model.name, Holding(max(amount, held or 0), held or 0))
        if run.leaving is not None:
            self.leaving.add(model.name)
        elif model.phase is Phase.FALLING_ASLEEP and run.sleep is not None:
            self.fall_asleep(model.name, run, run.sleep.asleep)
        self.ports[run.port] = model.name
        return blind

    def promised_to(self, model: Model, run: Run) -> Mapping[str, int]:
        """E of a live run: what it was booked with, unless the file has since said better of the same process."""
        spec = self.spec.models.get(model.name)
        if run.sleep is not None:
            return run.reserved
        if spec is None or run.leaving is not None or outdated(run.spec, spec) or spec.memory == "auto":
            return run.reserved
        return rebooked(need(spec, model.weights, model.learned), run)

    def promise(self, name: str, amounts: Mapping[str, int], node: str) -> None:
        """Keep room for a model that will run, so that no later one keeps it waiting."""
        for pool, amount in amounts.items():
            if (node, pool) in self.ledgers:
                # One that sleeps holds a part of it already.
                known = self.ledgers[node, pool].holdings.get(name, Holding(0, 0))
                self.ledgers[node, pool].add(name, Holding(max(amount, known.measured), known.measured))

    def fall_asleep(self, name: str, run: Run, rest: Mapping[str, int]) -> None:
        """Count on what a run will hold asleep, and keep room for it until then."""
        self.parking.add(name)
        for pool, amount in rest.items():
            ledger = self.ledgers.get((run.node, pool))
            if ledger is not None:
                awake = ledger.holdings.get(name, Holding(0, 0))
                ledger.add(name, Holding(max(awake.need, amount), awake.measured))
                ledger.rest(name, amount)

    def loading(self, node: str, pool: str, but: str = "") -> bool:
        """Whether a model other than `but` is starting in that pool, so that what is free there is in motion."""
        ledger = self.ledgers.get((node, pool))
        return ledger is not None and any(n in ledger.holdings for n in self.starting if n != but)

    def spec_of(self, model: Model) -> ModelSpec:
        """The file's word on it, or what it was started with once the file has none."""
        current = self.spec.models.get(model.name)
        if current is not None:
            return current
        assert model.run is not None  # noqa: S101 - a model outside the file is known only by its run
        return model.run.spec

    def outgoing_for(self, name: str) -> set[str]:
        """Those that an open switch takes out in favour of `name`, as far as they still live."""
        switch = self.switch
        if switch is None or switch.outcome is not SwitchOutcome.OPEN or name not in switch.incoming:
            return set()
        models = self.observed.models
        gone = set(self.wanted)
        return {n for n in switch.outgoing if n not in gone and n in models and models[n].run is not None}
