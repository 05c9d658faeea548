"""Everything a pass looks at, as one moment: models, pools, demand, the switch under way.

Times are seconds of a monotonic clock; sizes are bytes, signed. Knows no rule.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from zoosup.core.state.holds import RoomHold
from zoosup.core.state.loads import LastLoad
from zoosup.core.state.phases import ConditionType, ModelReason, Override, Phase, Reason
from zoosup.core.state.pools import Node
from zoosup.core.state.runs import Backoff, Exit, Preflight, Run
from zoosup.core.state.usage import NO_OOMS, NOTHING_LEARNED, HeldAsleep, Learned, Ooms
from zoosup.core.state.weights import Found, WeightFacts


@dataclass(frozen=True, slots=True)
class Model:
    """All that is known of one model: the single writer replaces it as a whole at each fact."""

    name: str
    phase: Phase = Phase.STOPPED
    reason: ModelReason = Reason.NOT_WANTED
    message: str = ""
    run: Run | None = None
    backoff: Backoff = field(default_factory=Backoff)
    restarts: int = 0
    last_exit: Exit | None = None
    failed_start: Exit | None = None  # the last run ended before it was ever ready
    preflight: Preflight | None = None
    weights: WeightFacts | None = None  # the last that any look has found
    learned: Learned = NOTHING_LEARNED  # of what the file says of it now, with these weights on this host
    ooms: Ooms = NO_OOMS
    load_time: float | None = None  # seconds from the booking of its last run to its first readiness
    last_load: LastLoad | None = None  # what that load has shown beside
    asleep: HeldAsleep | None = None  # what it was last measured to hold asleep
    override: Override | None = None

    @property
    def located(self) -> Found:
        """Where its weights were at the last look, of those that are named by their origin."""
        seen = self.preflight.weights if self.preflight is not None else None
        return seen.located if seen is not None else ()

    @property
    def weights_size(self) -> int | None:
        """Bytes of all its weights on disk; None when they have not been looked at, or are not of this host."""
        facts = (self.preflight.weights if self.preflight is not None else None) or self.weights
        return sum(each.size for _, each in facts.files) if facts is not None and facts.files else None


_BAD_WHEN_SO = frozenset(
    {"TerminationStuck", "MemoryPressure", "InternalError", "FleetPartitioned", "FleetFileOld", "FleetLeft"}
)
IN_PROGRESS = "InProgress"
"""The reason of what is neither good nor bad yet."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that is so or not so, and why: a refusal is data. `model` None means the zoo as a whole."""

    model: str | None
    type: ConditionType
    status: bool
    reason: str
    message: str

    @property
    def problem(self) -> bool:
        """Whether it is one to act on: most are good when they are so, a few when they are not."""
        return self.reason != IN_PROGRESS and self.status == (self.type in _BAD_WHEN_SO)


@dataclass(frozen=True, slots=True)
class Demand:
    """What clients ask of one model at the moment: leases that are held, and those that are waited for.

    Clients are told apart by name; nobody knows "" from another "".
    """

    inflight: int = 0
    waiting: int = 0
    since: float | None = None  # when the longest waiting of them came; None when nobody waits
    last_used: float | None = None  # when the last lease was given back; None: none ever was
    client: str = ""  # the longest waiting of them
    last_client: str = ""  # whose that last lease was
    used_before: float | None = None  # when the last one of any other client was given back
    stay: float | None = (
        None  # seconds that its run stays unused, as a client has said; None: as the file has it
    )

    @property
    def busy(self) -> bool:
        """Whether there is any."""
        return bool(self.inflight or self.waiting)

    def used_by_others(self, client: str) -> float | None:
        """When a client other than this one last gave a lease back; None: none did."""
        return self.used_before if client and client == self.last_client else self.last_used


NO_DEMAND = Demand()


class SwitchOutcome(StrEnum):
    """How far a change of `active` has come."""

    OPEN = "open"
    DONE = "done"
    ROLLED_BACK = "rolled-back"


@dataclass(frozen=True, slots=True)
class Switch:
    """One change of `active`: who comes, who goes, and how it ended. `outgoing` were serving when it began.

    `old_failures` are failed starts of those who come from before it began: they say nothing about it.
    """

    generation: int
    incoming: tuple[str, ...]
    outgoing: tuple[str, ...]
    outcome: SwitchOutcome = SwitchOutcome.OPEN
    message: str = ""
    old_failures: tuple[Exit, ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """A model over several hosts as it is on the others, in words; "" where nothing is to be said.

    `waits`: why it may not start here yet. `broken`: why its run here is of no use any more. `needed`: why its part
    here has to stay, whoever wants it or not.
    """

    waits: str = ""
    broken: str = ""
    needed: str = ""


NO_SPAN = Span()


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything a pass looks at. `models` has every model of the spec and every one that still has a run."""

    now: float
    nodes: tuple[Node, ...]
    models: Mapping[str, Model]
    switch: Switch | None = None
    shutdown: bool = False
    demand: Mapping[str, Demand] = field(default_factory=dict)  # of models that clients have asked for
    holds: tuple[RoomHold, ...] = ()  # in the order in which they were asked for
    spans: Mapping[str, Span] = field(default_factory=dict)  # of models over several hosts

    def live(self) -> Iterator[tuple[Model, Run]]:
        """Every model that has a run."""
        return ((model, model.run) for model in self.models.values() if model.run is not None)

    def span(self, model: str) -> Span:
        """What other hosts have to say of one model."""
        return self.spans.get(model, NO_SPAN)

    def demand_for(self, model: str) -> Demand:
        """What is asked of one model."""
        return self.demand.get(model, NO_DEMAND)
