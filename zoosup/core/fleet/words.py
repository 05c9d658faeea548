"""What hosts say of themselves, what they are told, and what everybody sees of the fleet: frozen data without a rule.

All of it crosses processes and hosts as JSON (`wire`), between releases of zoosup too: a field that is added has a
default, and what is unknown is passed over. Sizes are bytes; durations and ages seconds; a host's name is its
`fleet.node`. Times of one host mean nothing on another, so that none crosses: what does is how long ago something was.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FleetModel:
    """What zoo.yaml says of one model, as far as it concerns where it runs.

    `priority` is its place in `active`, None where it is not; `hosts` names those it may run on, and `labels` what they
    must bear: both empty means any. `replicas` None: one on each host that may have it. `spans`: hosts that one copy
    takes together.
    """

    name: str
    priority: int | None = None
    on_demand: bool = False
    hosts: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    replicas: int | None = 1
    spans: int = 1


@dataclass(frozen=True, slots=True)
class FleetSpec:
    """One state of the file as all hosts share it. `digest` is the hash of its text.

    `generation` counts the states that the fleet has seen, the highest wins; 0: the fleet has not seen this one yet.
    `base` is then the generation of the text that stood on the same host before: what a person has edited. A text that
    a host goes back to is a new state too, though the fleet has seen it once; one that it has still is not.
    `revision` as in `host.config`: the commit it is from, "" where none is known.
    """

    digest: str = ""
    generation: int = 0
    base: int = 0
    models: tuple[FleetModel, ...] = ()
    lost_after: float = 10.0
    revision: str = ""


@dataclass(frozen=True, slots=True)
class PoolRoom:
    """One pool of a host. `unified` and `make` as in `core.state.pools.Pool`.

    `capacity`: the most bytes that all models may hold together there, by the host's own sums: the budget, and no more
    than what is free or theirs less the reserve.
    """

    id: str
    name: str
    capacity: int
    total: int
    index: str = ""
    unified: bool = False
    make: str = "nvidia"


@dataclass(frozen=True, slots=True)
class ModelNeed:
    """What a model needs on the host that says so. `gpus` None: as many as it takes; 0: it uses none.

    `cards` are the only ones it may have, by index or UUID. `each_gpu`: bytes of `vram` that every card takes once more
    when it is split. `without` is what it needs of RAM where no card is large enough, None where it can't do without.
    """

    ram: int = 0
    vram: int = 0
    gpus: int | None = None
    cards: tuple[str, ...] = ()
    each_gpu: int = 0
    without: int | None = None


@dataclass(frozen=True, slots=True)
class ModelReport:
    """One model on one host. `phase` and `reason` as in `core.state.phases`; `ready`: it answers requests now.

    `peers`: of a model over several hosts, the addresses of all that its run is over, the first first. On those but the
    first it is a part, which answers nobody; `ready` then says that the first can count on it.

    `held` are the bytes by pool that its run is promised, {} where it has none. `refused` says in words, with the sum,
    why the host can't start it at all (None: it can, or is trying); `missing`: weights that are not on the host.
    `idle` is how long nobody has used it, None where it never was or is in use.
    """

    phase: str = "stopped"
    ready: bool = False
    need: ModelNeed = ModelNeed()
    held: Mapping[str, int] = field(default_factory=dict)
    inflight: int = 0
    waiting: int = 0
    refused: str | None = None
    missing: bool = False
    load_time: float | None = None
    idle: float | None = None
    yields: bool = False  # it may be stopped to make room for what others ask for
    reason: str = ""
    peers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Assignment:
    """What one host is told to run: names of models that are `active`, in order of priority.

    `epoch` is the life of the controller that says so, `number` counts its decisions; a host obeys none that is older
    than the last it has obeyed (`generation` of the spec first, then `epoch`, then `number`). `drained`: a person has
    told the fleet that this host is to be empty.
    `peers` are, of a model over several hosts, the addresses of all of them, the first being where its command runs,
    and `ranks` which of them this host is.
    """

    generation: int = 0
    epoch: int = 0
    number: int = 0
    models: tuple[str, ...] = ()
    drained: bool = False
    peers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ranks: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drain:
    """A person's last word on one host: whether it is to be empty (`on`). The later of two has the higher number."""

    on: bool = False
    number: int = 0


@dataclass(frozen=True, slots=True)
class HostReport:
    """All that one host says of itself. `sequence` rises with each report of one life of its link (`life`).

    `gateway` is where other hosts reach its gateway, "host:port", "" where it has none. `assignment` is the last it has
    obeyed. `known` are all hosts of the last view it has had: a controller that begins learns from them whom to wait
    for; `drains` are that view's. `epoch` and `generation` are the highest in all answers that it has had, with an
    assignment or without: it listens to no controller that is behind them. `leaving`: zoosup there is shutting down, so
    that it is no host for anything new.
    """

    node: str
    address: str = ""
    gateway: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    pools: tuple[PoolRoom, ...] = ()
    models: Mapping[str, ModelReport] = field(default_factory=dict)
    spec: FleetSpec = FleetSpec()
    assignment: Assignment = Assignment()
    known: tuple[str, ...] = ()
    drains: Mapping[str, Drain] = field(default_factory=dict)
    epoch: int = 0
    generation: int = 0
    life: str = ""
    sequence: int = 0
    leaving: bool = False
    version: str = ""


@dataclass(frozen=True, slots=True)
class HostView:
    """One host as the fleet knows it. `age`: how long ago it reported, by the controller's clock; `lost`: too long."""

    report: HostReport
    age: float = 0.0
    lost: bool = False


@dataclass(frozen=True, slots=True)
class FleetView:
    """What everybody sees: all hosts, who is to run where, what can't be placed and why.

    `refusals`: by model, the sum of each host in words. `partitioned`: fewer than half of the known hosts report, so
    that nothing moves. `old_files`: hosts whose file is older than the fleet's. `drains` are the last words on hosts
    that were ever drained, those that are gone included.
    """

    spec: FleetSpec = FleetSpec()
    epoch: int = 0
    number: int = 0
    hosts: Mapping[str, HostView] = field(default_factory=dict)
    placements: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    refusals: Mapping[str, str] = field(default_factory=dict)
    partitioned: bool = False
    settling: bool = (
        False  # the controller has just begun, and waits for everybody's report before it moves anything
    )
    old_files: tuple[str, ...] = ()
    drains: Mapping[str, Drain] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a link is told: its host's assignment, None while nothing new is decided, and the view.

    `view` is None where nobody waits for what has changed since the last one: figures come now and then.
    `version` goes with the next poll, which is answered once there is a later one.
    """

    assignment: Assignment | None = None
    view: FleetView | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class Choice:
    """Where a model that a request asks for is to run. `node` is "" where no host can have it; `refusal` says why."""

    node: str = ""
    refusal: str = ""
