"""What can be learned about a model: each fact as data, with the run it is about.

Knows no rule: which fact may come when, and what it leaves true, stands in `lifecycle.transitions`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from zoosup.core.state.phases import Cause, ModelReason, Override, Phase
from zoosup.core.state.runs import Exit, Leaving, Preflight, Run, Sleep
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.process.lifetime import RestartSpec


class Fact:
    """One thing that was learned about a model."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class RunFact(Fact):
    """One about a run, by its id."""

    run_id: str


@dataclass(frozen=True, slots=True)
class Booked(Fact):
    """Memory is reserved and the run has a name; nothing has been spawned."""

    run: Run


@dataclass(frozen=True, slots=True)
class Adopted(Fact):
    """A run of an earlier zoosup has been found alive. One that was ready is asked anew, without a deadline."""

    run: Run


@dataclass(frozen=True, slots=True)
class Spawned(RunFact):
    """The process exists."""

    pid: int


@dataclass(frozen=True, slots=True)
class ProbedReady(RunFact):
    """It answered on its own port."""

    now: float


@dataclass(frozen=True, slots=True)
class ProbedUnready(RunFact):
    """It answers no longer, or not yet: `message` says what the probe saw, `now` when."""

    message: str
    now: float | None = None


@dataclass(frozen=True, slots=True)
class FoundSick(RunFact):
    """Its liveness probe has given up on it; or it would not sleep, or wake, when it was asked to."""

    message: str


@dataclass(frozen=True, slots=True)
class Recalled(RunFact):
    """It is to be ended and started afresh, for a `cause` and in words: by default a person wants it."""

    cause: Cause = Cause.RESTARTED_BY_HAND
    message: str = "restarted by hand"


@dataclass(frozen=True, slots=True)
class Exited(RunFact):
    """The leader has ended; others of its tree may live."""

    exit: Exit
    now: float


@dataclass(frozen=True, slots=True)
class DrainBegun(RunFact):
    """`stop.before` is being carried out."""

    leaving: Leaving


@dataclass(frozen=True, slots=True)
class DrainEnded(RunFact):
    """`stop.before` has ended, well or not."""


@dataclass(frozen=True, slots=True)
class StopBegun(RunFact):
    """The ladder is at work."""

    leaving: Leaving


@dataclass(frozen=True, slots=True)
class Gone(RunFact):
    """No member of the run is left, seen twice; or none was ever spawned. `exit` is how the leader ended."""

    exit: Exit | None
    now: float
    policy: RestartSpec
    jitter: float


@dataclass(frozen=True, slots=True)
class Stuck(RunFact):
    """Members live on 10 s after SIGKILL: the reservation stays and nothing starts in its place."""

    survivors: str
    now: float


@dataclass(frozen=True, slots=True)
class Measured(RunFact):
    """Bytes that the run's whole tree holds, by pool id; `mapped`: of files besides, None where that can't be told."""

    amounts: Mapping[str, int]
    mapped: int | None = None


@dataclass(frozen=True, slots=True)
class LoadSeen(RunFact):
    """How far its load is: bytes that its tree has `read`, None where nobody can tell; `said` by its server, of 1."""

    now: float
    read: int | None = None
    said: float | None = None


@dataclass(frozen=True, slots=True)
class Rebooked(RunFact):
    """The file now declares something else of what it needs: bytes by pool id."""

    reserved: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class SleepBegun(RunFact):
    """It is being asked to sleep; `reserved` has room for both, what it holds awake and asleep."""

    sleep: Sleep
    reserved: Mapping[str, int]
    message: str


@dataclass(frozen=True, slots=True)
class FellAsleep(RunFact):
    """It sleeps, by its own word."""

    now: float


@dataclass(frozen=True, slots=True)
class WakeBegun(RunFact):
    """It is being asked to wake: `need` are bytes by pool id that it holds awake. Its start is counted from here."""

    need: Mapping[str, int]
    now: float


@dataclass(frozen=True, slots=True)
class Woken(RunFact):
    """It is awake, by its own word; whether it serves is still to be asked."""

    now: float


@dataclass(frozen=True, slots=True)
class Held(Fact):
    """A model without a run rests in another phase; or one that is parked goes on to sleep, for another reason."""

    phase: Phase
    reason: ModelReason
    message: str


@dataclass(frozen=True, slots=True)
class Inspected(Fact):
    """Its files and port were looked at, as `spec` names them; of use only while the file says the same of it."""

    preflight: Preflight
    spec: ModelSpec | None = None  # None: as the file says now


@dataclass(frozen=True, slots=True)
class Forgiven(Fact):
    """Its failures are forgotten: its part of the file changed, or a person asked."""


@dataclass(frozen=True, slots=True)
class Overridden(Fact):
    """A person has asked for it to run or not; None: the file decides again."""

    override: Override | None
