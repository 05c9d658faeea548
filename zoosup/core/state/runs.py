"""One run of a model: how it began, what it holds, how it sleeps and how it ended.

Times are seconds of a monotonic clock unless a field says wall; sizes are bytes, signed. Knows no rule.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from zoosup.core.state.loads import LoadProgress
from zoosup.core.state.phases import Cause, ExitReason, Reason
from zoosup.core.state.weights import Found, WeightFacts
from zoosup.spec.model.model import ModelSpec


@dataclass(frozen=True, slots=True)
class Exit:
    """One ended run. `at` is wall time (seconds since the epoch); `log` the last lines it wrote."""

    reason: ExitReason
    at: float
    code: int | None = None
    signal: str | None = None
    message: str = ""
    log: tuple[str, ...] = ()


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


class SleepStage(StrEnum):
    """How far a run's sleep has come."""

    FALLING = "falling"  # `park.sleep` is being asked of it
    ASLEEP = "asleep"
    WAKING = "waking"  # `park.wake` is being asked of it
    WOKEN = "woken"  # that has been answered; it is not ready yet


WAKING = frozenset({SleepStage.WAKING, SleepStage.WOKEN})
"""The stages on the way back."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """A run's sleep, from the request for it until the run is ready again; bytes by pool id.

    `known`: `asleep` is the file's word, or was measured before. Else it is the most that it may hold, booked until
    what it does hold is measured. `since` is when its stage began.
    """

    stage: SleepStage
    awake: Mapping[str, int]  # what it is booked with when it doesn't sleep
    asleep: Mapping[str, int]  # what it holds asleep
    known: bool
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
    recalled: tuple[Cause, str] | None = None  # why a fresh run is to take its place, other than by the file
    stuck: str = ""  # what of it still lives 10 s after SIGKILL
    gpus: tuple[str, ...] | None = None
    gpu_env: Mapping[str, str] = field(default_factory=dict)  # the variables by which they are shown them
    gpu_devices: tuple[str, ...] = ()  # the device files of them that a container is handed
    source: str = ""  # where `reserved` is from: declared, learned, derived, default; "" in records of old
    fingerprint: str = ""  # what its peaks are learned for; "" in records of old: for nothing
    mapped: int | None = None  # bytes of files it had in memory, at most; None: nobody could tell
    outgrown: Mapping[str, int] = field(default_factory=dict)  # what was booked where it has held more since
    sleep: Sleep | None = None  # its sleep; None: it is awake
    progress: LoadProgress | None = None  # of its load; None: nothing is known of it
    located: Found = ()  # where its weights were when it was booked, of those that are named by their origin

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
