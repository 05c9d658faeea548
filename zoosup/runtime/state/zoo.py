"""Everything the single writer knows: the spec in force, every model, the pools, what cools down.

Changes only by the methods here, and by `overrides` and `recovery` on top of them, each of which keeps it consistent.
Knows neither tasks nor adapters; what has to be told to people is returned or written to the journal.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from zoosup.core.estimation.learned import fingerprint
from zoosup.core.estimation.need import need
from zoosup.core.lifecycle.transitions import apply
from zoosup.core.memory.gpu_layouts import rebooked
from zoosup.core.scheduler import switch as switching
from zoosup.core.scheduler.successors import Successors
from zoosup.core.state.facts import (
    Fact,
    Forgiven,
    Gone,
    Inspected,
    Measured,
    Overridden,
    Rebooked,
)
from zoosup.core.state.observed import Demand, Model, Observed, Switch, SwitchOutcome
from zoosup.core.state.runs import WAKING, Run
from zoosup.host.ports.host import PoolReading
from zoosup.runtime.api.gateway import ListenStatus
from zoosup.runtime.clock import Clock
from zoosup.runtime.events.journal import Journal
from zoosup.runtime.state.applied import Applied
from zoosup.runtime.state.external import ExternalServer, followed
from zoosup.runtime.state.memory.holds import Holds
from zoosup.runtime.state.memory.pools import Pools
from zoosup.runtime.state.memory.usage_history import UsageHistory
from zoosup.runtime.state.model_events import model_events
from zoosup.spec.changes import outdated
from zoosup.spec.model.zoo import ZooSpec
from zoosup.spec.parse import spec_hash

if TYPE_CHECKING:  # a host by itself imports nothing of a fleet
    from zoosup.runtime.state.membership import Membership


@dataclass(frozen=True, slots=True)
class WarmWeights:
    """A model's weights in the page cache, in bytes, as far as they were read or found there; `reading`: it goes on."""

    there: int
    reading: bool


@dataclass(slots=True)
class Zoo:
    """The state of one host. `error` of `applied` is why the newest look at the file changed nothing.

    `declared` is what the file says, and `spec` what of it is in force here: in a fleet, the host's own share.
    """

    node: str
    instance: str
    mark: str  # how the ids of all its runs begin
    clock: Clock
    journal: Journal
    applied: Applied
    spec: ZooSpec = field(default_factory=ZooSpec)
    declared: ZooSpec = field(default_factory=ZooSpec)
    fleet: "Membership | None" = None
    left_fleet: str = ""  # the head of the fleet that the file has lost by its last edit
    models: dict[str, Model] = field(default_factory=dict)
    switch: Switch | None = None
    switch_since: float | None = None  # when it was seen to begin
    demand: Mapping[str, Demand] = field(default_factory=dict)
    gateway: ListenStatus = field(default_factory=ListenStatus)
    status_trouble: str = ""  # why the status server does not listen where the file says
    shutdown: bool = False
    usage_history: UsageHistory = field(default_factory=UsageHistory)
    used_before: dict[str, float] = field(default_factory=dict)
    stays_before: dict[str, float] = field(default_factory=dict)
    externals: dict[str, ExternalServer] = field(default_factory=dict)
    successors: Successors = field(default_factory=Successors)
    warm: Mapping[str, WarmWeights] = field(default_factory=dict)  # of those that were read ahead
    memory: Pools = field(init=False)
    holds: Holds = field(init=False)

    def __post_init__(self) -> None:
        self.memory = Pools(self.node, self.clock, self.journal)
        self.holds = Holds(self.clock, self.journal)

    # the file

    def take_over(self, spec: ZooSpec, text: str, revision: str = "") -> None:
        """Put a valid file in force: a new generation, at once and as a whole.

        One that says the same in other words (a comment, another order) is no reason to try anew what was given up.
        """
        before, self.spec = self.spec, self._share(spec, spec_hash(text))
        declared, self.declared, spec = self.declared, spec, self.spec
        self.memory.budget = spec.budget
        self.externals = followed(self.externals, spec.externals)
        generation = self.applied.generation + 1
        self.applied = replace(
            self.applied,
            text=text,
            hash=spec_hash(text),
            generation=generation,
            loaded_at=self.clock.wall(),
            error=None,
            revision=revision,
        )
        for name in spec.models:
            self.models.setdefault(name, Model(name))
        if spec != before:
            self._forgive(before, spec)
        self.refresh_learned()
        self._rebook()
        self._lift_overrides(set(before.active) ^ set(spec.active))
        if self.declared != declared:
            # In a fleet nobody has said yet where those are to run that come: it may be here.
            coming = [n for n in self.declared.active if n not in {*declared.active, *spec.active}]
            change = switching.ActiveChange(generation, before.active, (*spec.active, *coming))
            self.begin_switch(change)
        self.forget_unknown_models()
        active = ", ".join(self.declared.active) or "nothing"
        self.journal.add(
            "Applied",
            None,
            "FileChanged",
            f"generation {generation} of the file is in force: active {active}",
        )

    def begin_switch(self, change: switching.ActiveChange) -> None:
        """Begin what a new file makes of `active`, or go on with it."""
        last, self.switch = self.switch, switching.begin(change, self.switch, self.models)
        self._keep_switch()
        if self.switch is not last:
            self.switch_since = self.clock.now()

    def end_switch(self, ended: Switch) -> None:
        """It is done, or undone; the journal hears how, and how long it took where its beginning was seen."""
        reason = "Completed" if ended.outcome is SwitchOutcome.DONE else "RolledBack"
        took = (
            {} if self.switch_since is None else {"seconds": round(self.clock.now() - self.switch_since, 3)}
        )
        self.switch_since = None
        self.journal.add("Switch", None, reason, ended.message, took)

    def refuse(self, error: str) -> None:
        """Remember why the file can't be put in force; nothing else changes."""
        if error != self.applied.error:
            self.applied = replace(self.applied, error=error)
            self.journal.add("Refused", None, "InvalidFile", error)

    def accept(self, revision: str = "") -> None:
        """The file says what is in force: an error about it is over."""
        self.applied = replace(self.applied, revision=revision)
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
            if run.sleep is not None and run.sleep.stage not in WAKING:
                continue  # what it holds asleep is its booking, and what it needs is asked when it wakes
            awake = run if run.sleep is None else replace(run, reserved=run.sleep.awake)
            spec = self.spec.models.get(model.name)
            if spec is not None and spec.memory != "auto" and not outdated(run.spec, spec):
                amounts = rebooked(need(spec, model.weights, model.learned), awake)
                self.tell(model.name, Rebooked(run.id, dict(amounts)))

    def _lift_overrides(self, changed: Iterable[str]) -> None:
        for name in changed:
            if name in self.models and self.models[name].override is not None:
                self.tell(name, Overridden(None))

    def forget_unknown_models(self) -> None:
        """Drop models that neither the file nor a run knows."""
        for name in [n for n, m in self.models.items() if n not in self.spec.models and m.run is None]:
            del self.models[name]

    # the fleet

    def follow_fleet(self) -> None:
        """Put in force what the fleet has said since: whom it gives to this host, and whom it takes away."""
        if self.fleet is None:
            return
        before, after = self.spec, self.fleet.in_force(self.declared)
        if (before.active, before.models) != (after.active, after.models):
            self.spec = after
            self._lift_overrides(set(before.active) ^ set(after.active))
            if before.active != after.active:
                change = switching.ActiveChange(self.applied.generation, before.active, after.active)
                self.begin_switch(change)
                told = ", ".join(after.active) or "nothing"
                self.journal.add("Fleet", None, "Assigned", f"the fleet has this host run {told}")
        self._keep_switch()

    def leave_fleet(self, head: str) -> None:
        """The file has no fleet, and had that of `head`; "": it had none."""
        self.fleet, self.left_fleet = None, head
        if head:
            self.journal.add("Fleet", None, "Left", f"zoo.yaml has no fleet any more: that of {head} is left")

    def _share(self, spec: ZooSpec, digest: str) -> ZooSpec:
        """What of a file is for this host: all of it, unless there are others."""
        if spec.fleet is None:
            self.leave_fleet("" if self.fleet is None else self.fleet.spec.head)
            return spec
        self.left_fleet = ""
        if self.fleet is None:
            from zoosup.runtime.state.membership import Membership  # noqa: PLC0415 - only of a fleet

            self.fleet = Membership(self.clock, spec.fleet, self.node, joined_at=self.clock.now())
        self.fleet.take_file(spec.fleet, digest)
        return self.fleet.in_force(spec)

    def _keep_switch(self) -> None:
        if self.fleet is not None:
            self.switch = self.fleet.kept_switch(self.switch, self.declared, self.spec)

    # models

    def tell(self, name: str, fact: Fact) -> bool:
        """Apply a fact; whether it changed anything that a plan looks at. The journal hears of a new phase."""
        before = self.models.get(name)
        if before is None:
            return False
        after = apply(before, fact)
        self.models[name] = after
        for entry in model_events(before, after, fact):
            self.journal.add(*entry)
        self._learn(before, after, fact)
        return (after.phase, after.reason, after.run) != (before.phase, before.reason, before.run)

    def _learn(self, before: Model, after: Model, fact: Fact) -> None:
        """Let the book hear of what a run has shown, and the model of what the book says."""
        now, run, taught = self.clock.now(), after.run, None
        if isinstance(fact, Measured) and run is not None:
            taught = run if run.leaving is None and self.usage_history.watch(run, now) else None
        elif isinstance(fact, Gone) and before.run is not None and run is None:
            end = after.last_exit if after.last_exit is not before.last_exit else None
            taught = before.run if self.usage_history.end(before.run, now, end) else None
        if taught is not None:
            lessons = self.usage_history.of(taught.fingerprint)
            for name in self.spec.models:
                if self.models[name].learned.fingerprint == lessons.fingerprint:
                    self.models[name] = replace(self.models[name], learned=lessons)
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

    def run_of(self, run_id: str) -> tuple[Model, Run] | None:
        """The model whose run it is, if it still is."""
        for model in self.models.values():
            if model.run is not None and model.run.id == run_id:
                return model, model.run
        return None

    def sample(self, readings: tuple[PoolReading, ...], stalled: float | None = None) -> None:
        """Take in one reading of all pools; `stalled`: the share of the last second in which everything waited."""
        if self.memory.sample(readings, stalled):
            self.refresh_learned()

    # what a plan sees

    def observed(self) -> Observed:
        """The whole of it, as one moment."""
        models, holds = dict(self.models), tuple(self.holds.by_id.values())
        spans = {} if self.fleet is None else self.fleet.spans(self.declared, models)
        now, nodes = self.clock.now(), (self.memory.node(),)
        return Observed(now, nodes, models, self.switch, self.shutdown, self.demand, holds, spans)

    def live(self) -> list[tuple[Model, Run]]:
        """Every model that has a run."""
        return [(m, m.run) for m in self.models.values() if m.run is not None]
