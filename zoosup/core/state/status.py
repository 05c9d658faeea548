"""The words for what a model is and what a pool holds; every other module speaks in them.

Times are seconds of a monotonic clock unless a field says wall; sizes are bytes, signed. Knows no rule: what may
follow what stands in `lifecycle`, what should happen next in `plan`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from zoosup.core.state.usage import NO_LESSONS, NO_OOMS, Asleep, Lessons, Ooms
from zoosup.core.state.weights import WeightFacts
from zoosup.spec.model.zoo import ModelSpec


class Phase(StrEnum):
    """Where a model is in its life. The comment beside each says what still holds in it."""

    STOPPED = (
        "stopped"  # no member of any run lives and nothing is reserved; not wanted, or not looked at yet
    )
    PENDING = "pending"  # wanted, nothing lives, nothing is reserved; `reason` says what it waits for
    STARTING = "starting"  # reserved and recorded; its process may not exist yet, and may already have died
    READY = "ready"  # reserved; its process answered its readiness probe on a port that it owns
    PARKING = "parking"  # reserved and alive; it has been asked to sleep (`park.sleep`), and gets no new work
    PARKED = "parked"  # alive and asleep; reserved is what it holds so, and it answers nothing
    UNREADY = "unready"  # as ready, but the last probe failed; it may still be answering requests
    DRAINING = "draining"  # reserved and alive; it has been told to finish (`stop.before`), not yet to end
    STOPPING = "stopping"  # reserved; the ladder works on it, or on the remains of a crash; members may live
    BACKOFF = "backoff"  # crashed; nothing lives and nothing is reserved until `backoff.until`
    FAILED = "failed"  # given up: nothing lives, nothing is reserved; `reason` says what has to change


LIVE_PHASES = frozenset(
    {
        Phase.STARTING,
        Phase.READY,
        Phase.UNREADY,
        Phase.PARKING,
        Phase.PARKED,
        Phase.DRAINING,
        Phase.STOPPING,
    }
)
"""The phases in which a run exists, and with it a reservation."""

SERVING_PHASES = frozenset({Phase.STARTING, Phase.READY, Phase.UNREADY})
"""The phases of a run that nobody has told to leave, or to sleep."""

STAYING_PHASES = SERVING_PHASES | {Phase.PARKING, Phase.PARKED}
"""The phases of a run that nobody has told to leave."""


class Reason(StrEnum):
    """Why a model without a process is not running: shown in status, the first word of every refusal."""

    CHECKING = "Checking"  # its executable, weights and port are being looked at
    MEMORY = "WaitingForMemory"  # fits the budget, but others hold the memory at present
    MEMORY_UNKNOWN = "MemoryUnknown"  # a pool can't be read; unknown is never taken for free
    COOL_DOWN = "CoolingDown"  # a model has just stopped; its memory is being waited for
    EVICTION = "WaitingForEviction"  # another model is leaving to make room
    EXCEEDS_BUDGET = "ExceedsBudget"  # can't fit, whatever may be stopped for it
    GPU_MISSING = "GpuMissing"  # the file gives it GPUs that this host doesn't have at present
    PORT = "PortInUse"  # its fixed port is held by somebody else
    TURN = "WaitingForTurn"  # another model is starting alone: one need is a guess, or they share a GPU
    BACK_OFF = "BackOff"
    NOT_EXECUTABLE = "NotExecutable"
    FILE_MISSING = "FileMissing"  # weights or the working directory are not there
    CRASH_LOOP = "CrashLoop"  # restart.limit is reached
    EXITED = "Exited"  # it ended and restart.policy does not bring it back
    OOM = "OOM"  # killed twice for want of memory, with the same command and weights on the same host
    ROLLED_BACK = "RolledBack"  # could not become ready; the models before it were brought back
    NOT_WANTED = "NotWanted"
    STOPPED_BY_HAND = "StoppedByHand"
    SHUTDOWN = "Shutdown"


class ExitReason(StrEnum):
    """How a run ended, told apart because each asks something else of the person who reads it."""

    COMPLETED = "Completed"  # exit code 0
    ERROR = "Error"  # another exit code
    SIGNALED = "Signaled"
    OOM_KILLED = "OOMKilled"
    STARTUP_DEADLINE = "StartupDeadline"
    LIVENESS_FAILED = "LivenessFailed"
    NOT_EXECUTABLE = "NotExecutable"
    PORT_IN_USE = "PortInUse"


@dataclass(frozen=True, slots=True)
class Exit:
    """One ended run. `at` is wall time (seconds since the epoch); `log` the last lines it wrote."""

    reason: ExitReason
    at: float
    code: int | None = None
    signal: str | None = None
    message: str = ""
    log: tuple[str, ...] = ()


class Cause(StrEnum):
    """Why a run leaves. The crash-like ones count for back-off; see `endings.CRASHES`."""

    NOT_WANTED = "NotWanted"
    STOPPED_BY_HAND = "StoppedByHand"
    RESTARTED_BY_HAND = "RestartedByHand"
    SPEC_CHANGED = "SpecChanged"
    MADE_ROOM = "MadeRoom"
    IDLE = "Idle"  # on-demand, and nobody has asked for it for idle_timeout
    PRESSURE = "MemoryPressure"  # the host itself runs short of memory; see `guard`
    SHUTDOWN = "Shutdown"
    CRASHED = "Crashed"
    STARTUP_DEADLINE = "StartupDeadline"
    LIVENESS_FAILED = "LivenessFailed"


@dataclass(frozen=True, slots=True)
class Leaving:
    """A run's way out: irrevocable. A model wanted again while it leaves leaves first and then starts afresh."""

    cause: Cause
    message: str
    since: float
    drained: bool = False  # `stop.before` has ended, well or not
    ladder: bool = False  # the termination ladder is at work on it
    retry_at: float = 0.0  # not before then does the ladder go to work (again, on a run that was stuck)
    at_once: bool = False  # SIGKILL is due: there is no time for its grace period


class Stage(StrEnum):
    """How far a run's sleep has come."""

    FALLING = "falling"  # `park.sleep` is being asked of it
    ASLEEP = "asleep"
    WAKING = "waking"  # `park.wake` is being asked of it
    WOKEN = "woken"  # that has been answered; it is not ready yet


@dataclass(frozen=True, slots=True)
class Nap:
    """A run's sleep, from the request for it until the run is ready again; bytes by pool id.

    `certain`: `asleep` is the file's word; else a guess that gives way to what is measured. `since` is when its stage
    began.
    """

    stage: Stage
    awake: Mapping[str, int]  # what it is booked with when it doesn't sleep
    asleep: Mapping[str, int]  # what it is taken to hold asleep
    certain: bool
    since: float
    held: Mapping[str, int] = field(default_factory=dict)  # what it was measured to hold before


@dataclass(frozen=True, slots=True)
class Run:
    """One life of one model, from the booking of its memory until no member of it is left.

    `reserved`, `measured` and `peak` are bytes by pool id; `reserved` grows with what is measured above it. `spec` is
    the model as it was started (rendered but for the port), so that a later file can be compared with it. A pool that
    `measured` lacks could not be measured for this run, which is not 0. `gpus` are the UUIDs that its processes are
    shown; None: nobody has chosen any for it.
    """

    id: str
    node: str
    spec: ModelSpec
    port: int
    reserved: Mapping[str, int]
    booked_at: float
    started_at: float  # wall
    pid: int | None = None
    ready_at: float | None = None  # when it was first ready
    ready_since: float | None = None  # since when it has been ready without a break
    steady: float = 0.0  # seconds of its longest unbroken readiness before that
    measured: Mapping[str, int] = field(default_factory=dict)
    peak: Mapping[str, int] = field(default_factory=dict)
    leaving: Leaving | None = None
    exit: Exit | None = None
    sick: str = ""  # what its liveness probe found; ends the run
    recalled: bool = False  # a person has asked for a fresh run in its place
    stuck: str = ""  # what of it still lives 10 s after SIGKILL
    gpus: tuple[str, ...] | None = None
    source: str = ""  # where `reserved` is from: declared, learned, derived, default; "" in records of old
    fingerprint: str = ""  # what its peaks are learned for; "" in records of old: for nothing
    mapped: int | None = None  # bytes of files it had in memory, at most; None: nobody could tell
    outgrown: Mapping[str, int] = field(default_factory=dict)  # what was booked where it has held more since
    nap: Nap | None = None  # its sleep; None: it is awake

    def ready_for(self, until: float | None) -> float:
        """Seconds of its longest unbroken readiness up to a time."""
        if self.ready_since is None or until is None:
            return self.steady
        return max(self.steady, until - self.ready_since)


@dataclass(frozen=True, slots=True)
class Backoff:
    """What crashes have added up to. `until` is when the next start is allowed."""

    count: int = 0
    until: float = 0.0
    crashes: tuple[float, ...] = ()  # when, as far back as restart.limit looks


@dataclass(frozen=True, slots=True)
class Preflight:
    """What looking at a model's files and port before a start has shown; `reason` None means nothing is amiss."""

    at: float
    reason: Reason | None = None
    message: str = ""
    weights: WeightFacts | None = None

    @property
    def settled(self) -> bool:
        """Whether another look would show the same: nothing amiss, and nobody still to answer."""
        return self.reason is None and not (self.weights is not None and self.weights.fitted.unsettled)


class Override(StrEnum):
    """What a person has asked of a model by hand; holds until `active` says something new about it."""

    START = "start"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Model:
    """All that is known of one model: the single writer replaces it as a whole at each fact."""

    name: str
    phase: Phase = Phase.STOPPED
    reason: str = Reason.NOT_WANTED
    message: str = ""
    run: Run | None = None
    backoff: Backoff = Backoff()
    restarts: int = 0
    last_exit: Exit | None = None
    failed_start: Exit | None = None  # the last run ended before it was ever ready
    preflight: Preflight | None = None
    weights: WeightFacts | None = None  # the last that any look has found
    lessons: Lessons = NO_LESSONS  # of what the file says of it now, with these weights on this host
    ooms: Ooms = NO_OOMS
    load_time: float | None = None  # seconds from the booking of its last run to its first readiness
    asleep: Asleep | None = None  # what it was last measured to hold asleep
    override: Override | None = None


@dataclass(frozen=True, slots=True)
class Pool:
    """One pool of memory of one node, as one pass sees it. `available` None means unknown, which is never 0.

    `unified` (of RAM alone): GPUs of this host have no memory of their own and take theirs from this pool.
    """

    node: str
    id: str  # "ram", or "vram:" and the UUID of a GPU or of a MIG device
    kind: str  # "ram" or "vram"
    name: str  # for people
    total: int
    available: int | None
    budget: int
    reserve: int
    index: str = ""  # of a GPU as nvidia-smi counts; "0:1" is the second MIG device of the first GPU
    unified: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that is so or not so, and why: a refusal is data. `model` None means the zoo as a whole."""

    model: str | None
    type: str
    status: bool
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Cooldown:
    """A pool after a stop: no start counts on its memory before it is seen to be back.

    `baseline` is what was available before the stop began (None: the model crashed before it could be taken, so
    that a difference proves nothing); `expected` the bytes that should come back. `samples` are (time, available),
    oldest first, all taken after `since`, when the last member was gone. `pids` were its members: while the driver
    still lists one of them nothing is sampled, for the driver has not let go of its memory.
    """

    node: str
    pool: str
    model: str
    since: float
    expected: int
    baseline: int | None
    samples: tuple[tuple[float, int], ...] = ()
    pids: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Pressure:
    """Since when one pool has been short; None: it isn't, or can't be read.

    `stalled` is the share of the last second in which all that had work to do waited for memory; None where the
    kernel doesn't say.
    """

    pool: str
    short_since: float | None = None  # available has been less than the reserve
    low_since: float | None = None  # less than half of it
    stalled: float | None = None


@dataclass(frozen=True, slots=True)
class Demand:
    """What clients ask of one model at the moment: leases that are held, and those that are waited for."""

    inflight: int = 0
    waiting: int = 0
    since: float | None = None  # when the longest waiting of them came; None when nobody waits
    last_used: float | None = None  # when the last lease was given back; None: none ever was

    @property
    def busy(self) -> bool:
        """Whether there is any."""
        return bool(self.inflight or self.waiting)


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
class Node:
    """One host: its pools, what cools down in them, and which of them are short."""

    name: str
    pools: tuple[Pool, ...]
    cooldowns: tuple[Cooldown, ...] = ()
    pressures: tuple[Pressure, ...] = ()


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything a pass looks at. `models` has every model of the spec and every one that still has a run."""

    now: float
    nodes: tuple[Node, ...]
    models: Mapping[str, Model]
    switch: Switch | None = None
    shutdown: bool = False
    demand: Mapping[str, Demand] = field(default_factory=dict)  # of models that clients have asked for

    def demand_for(self, model: str) -> Demand:
        """What is asked of one model."""
        return self.demand.get(model, NO_DEMAND)
