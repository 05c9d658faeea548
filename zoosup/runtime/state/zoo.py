"""Everything the single writer knows: the spec in force, every model, the pools, what cools down.

Changes only by the methods here, each of which keeps it consistent. Knows neither tasks nor adapters; what has to be
told to people is returned or written to the journal.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from zoosup.core.estimation.learned import fingerprint
from zoosup.core.estimation.need import need
from zoosup.core.lifecycle.transitions import apply
from zoosup.core.memory.gpu_layouts import rebooked
from zoosup.core.scheduler import switch as switching
from zoosup.core.state.facts import (
    Adopted,
    Fact,
    Forgiven,
    Gone,
    Held,
    Inspected,
    Measured,
    Overridden,
    Rebooked,
)
from zoosup.core.state.observed import Demand, Model, Observed, Switch, SwitchOutcome
from zoosup.core.state.phases import Override, Phase, Reason
from zoosup.core.state.runs import Run
from zoosup.host.ports import PoolReading
from zoosup.runtime.api import ListenStatus
from zoosup.runtime.clock import Clock
from zoosup.runtime.events.journal import Journal
from zoosup.runtime.state.pools import Pools
from zoosup.runtime.state.usage_history import UsageHistory
from zoosup.spec.changes import outdated
from zoosup.spec.model.zoo import ZooSpec
from zoosup.spec.parse import spec_hash
from zoosup.spec.syntax.units import describe_size


@dataclass(frozen=True, slots=True)
class Applied:
    """The file in force: its text, where it is from and when it was taken over (wall time)."""

    path: str
    text: str = ""
    hash: str = ""
    generation: int = 0
    loaded_at: float | None = None
    error: str | None = None


@dataclass(slots=True)
class Zoo:
    """The state of one host. `error` of `applied` is why the newest look at the file changed nothing."""

    node: str
    instance: str
    mark: str  # how the ids of all its runs begin
    clock: Clock
    journal: Journal
    applied: Applied
    spec: ZooSpec = field(default_factory=ZooSpec)
    models: dict[str, Model] = field(default_factory=dict)
    switch: Switch | None = None
    demand: Mapping[str, Demand] = field(default_factory=dict)
    gateway: ListenStatus = field(default_factory=ListenStatus)
    status_trouble: str = ""  # why the status server does not listen where the file says
    shutdown: bool = False
    usage_history: UsageHistory = field(default_factory=UsageHistory)
    used_before: dict[str, float] = field(default_factory=dict)
    memory: Pools = field(init=False)

    def __post_init__(self) -> None:
        self.memory = Pools(self.node, self.clock, self.journal)

    # the file

    def take_over(self, spec: ZooSpec, text: str) -> None:
        """Put a valid file in force: a new generation, at once and as a whole."""
        before, self.spec = self.spec, spec
        self.memory.budget = spec.budget
        generation = self.applied.generation + 1
        self.applied = replace(
            self.applied,
            text=text,
            hash=spec_hash(text),
            generation=generation,
            loaded_at=self.clock.wall(),
            error=None,
        )
        for name in spec.models:
            self.models.setdefault(name, Model(name))
        self._forgive(before, spec)
        self.refresh_learned()
        self._rebook()
        self._lift_overrides(set(before.active) ^ set(spec.active))
        change = switching.ActiveChange(generation, before.active, spec.active)
        self.switch = switching.begin(change, self.switch, self.models)
        self.forget_unknown_models()
        active = ", ".join(spec.active) or "nothing"
        self.journal.add(
            "Applied",
            None,
            "FileChanged",
            f"generation {generation} of the file is in force: active {active}",
        )

    def refuse(self, error: str) -> None:
        """Remember why the file can't be put in force; nothing else changes."""
        if error != self.applied.error:
            self.applied = replace(self.applied, error=error)
            self.journal.add("Refused", None, "InvalidFile", error)

    def accept(self) -> None:
        """The file says again what is in force: an error about it is over."""
        if self.applied.error is not None:
            self.applied = replace(self.applied, error=None)
            self.journal.add("Applied", None, "FileRestored", "the file is as it was applied")

    def _forgive(self, before: ZooSpec, after: ZooSpec) -> None:
        undone = (
            self.switch.incoming if self.switch and self.switch.outcome is SwitchOutcome.ROLLED_BACK else ()
        )
        for name, spec in after.models.items():
            old = before.models.get(name)
            if old != spec or name in undone:
                self.tell(name, Forgiven())
            if old is not None and old.memory != spec.memory:
                self.usage_history.forget_ooms(self.models[name].learned.fingerprint)

    def _rebook(self) -> None:
        """What the file declares counts at once, for live runs too; where it says auto, a run keeps its booking."""
        for model, run in self.live():
            if run.sleep is not None:
                continue  # what it holds asleep is its booking, and what it needs is asked when it wakes
            spec = self.spec.models.get(model.name)
            if spec is not None and spec.memory != "auto" and not outdated(run.spec, spec):
                amounts = rebooked(need(spec, model.weights, model.learned), run)
                self.tell(model.name, Rebooked(run.id, dict(amounts)))

    def _lift_overrides(self, changed: Iterable[str]) -> None:
        for name in changed:
            if name in self.models and self.models[name].override is not None:
                self.tell(name, Overridden(None))

    def forget_unknown_models(self) -> None:
        """Drop models that neither the file nor a run knows."""
        for name in [n for n, m in self.models.items() if n not in self.spec.models and m.run is None]:
            del self.models[name]

    def copy_with(self, spec: ZooSpec | None, path: str) -> "Zoo":
        """A copy in which `spec` is in force: nothing done to it is done to the real one, or told to anybody."""
        copy = replace(
            self,
            journal=Journal(self.clock.wall, limit=1),
            models=dict(self.models),
            usage_history=self.usage_history.copy(),
            applied=replace(self.applied, path=path),
        )
        copy.memory = self.memory.copy(copy.journal)
        if spec is not None:
            copy.take_over(spec, "")
        return copy

    # models

    def tell(self, name: str, fact: Fact) -> bool:
        """Apply a fact; whether it changed anything that a plan looks at. The journal hears of a new phase."""
        before = self.models.get(name)
        if before is None:
            return False
        after = apply(before, fact)
        self.models[name] = after
        if after.phase is not before.phase:
            self._journal_phase(before, after)
        self._learn(before, after, fact)
        return (after.phase, after.reason, after.run) != (before.phase, before.reason, before.run)

    def _journal_phase(self, before: Model, after: Model) -> None:
        data: dict[str, object] = {"from": before.phase, "to": after.phase}
        run = after.run or before.run
        if run is not None:
            data |= {"run_id": run.id, "pid": run.pid, "port": run.port}
        self.journal.add("Phase", after.name, after.phase, after.message, data)

    def _learn(self, before: Model, after: Model, fact: Fact) -> None:
        """Let the book hear of what a run has shown, and the model of what the book says."""
        now, run, new = self.clock.now(), after.run, False
        if isinstance(fact, Measured) and run is not None:
            new = run.leaving is None and self.usage_history.watch(run, now)
            self._journal_growth(before, after)
        elif isinstance(fact, Gone) and before.run is not None and run is None:
            end = after.last_exit if after.last_exit is not before.last_exit else None
            new = self.usage_history.end(before.run, now, end)
        if new:
            taught = run or before.run
            self.refresh_learned(
                n
                for n in self.spec.models
                if taught is not None and self.models[n].learned.fingerprint == taught.fingerprint
            )
        elif isinstance(fact, Inspected):
            self.refresh_learned([after.name])

    def refresh_learned(self, names: Iterable[str] | None = None) -> None:
        """Give models (None: all) what has been learned of what the file says of them now."""
        for name in self.spec.models if names is None else names:
            model, spec = self.models[name], self.spec.models.get(name)
            if spec is None:
                continue
            known = self.usage_history.of(fingerprint(spec, model.weights, self.memory.devices))
            if known != model.learned:
                self.models[name] = replace(model, learned=known)

    def _journal_growth(self, before: Model, after: Model) -> None:
        old, new = before.run, after.run
        if old is None or new is None:
            return
        for pool in new.outgrown.keys() - old.outgrown.keys():
            held, booked = new.measured.get(pool, 0), new.outgrown[pool]
            message = f"{pool}: holds {describe_size(held)}, booked were {describe_size(booked)}"
            data = {"run_id": new.id, "pool": pool, "held": held, "booked": booked, "source": new.source}
            self.journal.add("Outgrown", after.name, "Outgrown", message, data)

    def adopt(self, name: str, fact: Adopted) -> bool:
        """Give a run of an earlier supervisor to its model, known to the file or not; False if it has one already.

        It counts as this node's, whatever the host was called when it began: a host can be renamed.
        """
        model = self.models.setdefault(name, Model(name))
        if model.run is not None:
            return False
        if model.phase is not Phase.STOPPED:
            # What was kept of it is older than its run.
            self.tell(name, Held(Phase.STOPPED, Reason.NOT_WANTED, ""))
        self.tell(name, replace(fact, run=replace(fact.run, node=self.node)))
        return True

    def note_last_use(self, name: str, at: float | None) -> None:
        """When an earlier supervisor's clients last used a model; the leases begin with that."""
        if at is not None:
            self.used_before[name] = at

    def run_of(self, run_id: str) -> tuple[Model, Run] | None:
        """The model whose run it is, if it still is."""
        for model in self.models.values():
            if model.run is not None and model.run.id == run_id:
                return model, model.run
        return None

    def obey(self, name: str, verb: str) -> None:
        """What a person's start, stop, restart or auto makes of who may say whether the model runs."""
        spec, model = self.spec.models.get(name), self.models[name]
        if verb == "auto":
            self.tell(name, Overridden(None))
        elif verb == "restart" and spec is not None and spec.on_demand:
            # It pins nothing: whoever asks for it next gets a fresh run.
            if model.override is Override.STOP:
                self.tell(name, Overridden(None))
            self.tell(name, Forgiven())
        else:
            self.override(name, Override.STOP if verb == "stop" else Override.START)

    def override(self, name: str, override: Override) -> None:
        """A person's word: where the file, or what a roll-back has made of it, says the same it needs no override."""
        wanted = name in switching.effective(self.spec.active, self.switch)
        # An open switch keeps it serving and may bring it back, so that nobody else has said yet that it is to end.
        kept = (
            self.switch is not None
            and self.switch.outcome is SwitchOutcome.OPEN
            and name in self.switch.outgoing
        )
        # One that a request may start is not off because nobody wants it at present.
        on_demand = name in self.spec.models and self.spec.models[name].on_demand
        agrees = wanted if override is Override.START else not (wanted or kept or on_demand)
        self.tell(name, Overridden(None if agrees else override))
        if override is Override.START:
            self.tell(name, Forgiven())

    def sample(self, readings: tuple[PoolReading, ...], stalled: float | None = None) -> None:
        """Take in one reading of all pools; `stalled`: the share of the last second in which everything waited."""
        if self.memory.sample(readings, stalled):
            self.refresh_learned()

    # what a plan sees

    def observed(self) -> Observed:
        """The whole of it, as one moment."""
        models = dict(self.models)
        return Observed(
            self.clock.now(), (self.memory.node(),), models, self.switch, self.shutdown, self.demand
        )

    def live(self) -> list[tuple[Model, Run]]:
        """Every model that has a run."""
        return [(m, m.run) for m in self.models.values() if m.run is not None]
