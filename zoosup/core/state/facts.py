"""What can be learned about a model: each fact as data, with the run it is about.

Knows no rule: which fact may come when, and what it leaves true, stands in `lifecycle`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from zoosup.core.state.phases import Override, Phase
from zoosup.core.state.runs import Exit, Leaving, Preflight, Run, Sleep
from zoosup.spec.model.lifetime import RestartSpec


@dataclass(frozen=True, slots=True)
class Booked:
    """Memory is reserved and the run has a name; nothing has been spawned."""

    run: Run


@dataclass(frozen=True, slots=True)
class Adopted:
    """A run of an earlier zoosup has been found alive. One that was ready is asked anew, without a deadline."""

    run: Run


@dataclass(frozen=True, slots=True)
class Spawned:
    """The process exists."""

    run_id: str
    pid: int


@dataclass(frozen=True, slots=True)
class ProbedReady:
    """It answered on its own port."""

    run_id: str
    now: float


@dataclass(frozen=True, slots=True)
class ProbedUnready:
    """It answers no longer, or not yet: `message` says what the probe saw, `now` when."""

    run_id: str
    message: str
    now: float | None = None


@dataclass(frozen=True, slots=True)
class FoundSick:
    """Its liveness probe has given up on it; or it would not sleep, or wake, when it was asked to."""

    run_id: str
    message: str


@dataclass(frozen=True, slots=True)
class Recalled:
    """A person wants it ended and started afresh."""

    run_id: str


@dataclass(frozen=True, slots=True)
class Exited:
    """The leader has ended; others of its tree may live."""

    run_id: str
    exit: Exit
    now: float


@dataclass(frozen=True, slots=True)
class DrainBegun:
    """`stop.before` is being carried out."""

    run_id: str
    leaving: Leaving


@dataclass(frozen=True, slots=True)
class DrainEnded:
    """`stop.before` has ended, well or not."""

    run_id: str


@dataclass(frozen=True, slots=True)
class StopBegun:
    """The ladder is at work."""

    run_id: str
    leaving: Leaving


@dataclass(frozen=True, slots=True)
class Gone:
    """No member of the run is left, seen twice; or none was ever spawned. `exit` is how the leader ended."""

    run_id: str
    exit: Exit | None
    now: float
    policy: RestartSpec
    jitter: float


@dataclass(frozen=True, slots=True)
class Stuck:
    """Members live on 10 s after SIGKILL: the reservation stays and nothing starts in its place."""

    run_id: str
    survivors: str
    now: float


@dataclass(frozen=True, slots=True)
class Measured:
    """Bytes that the run's whole tree holds, by pool id; `mapped`: of files besides, None where that can't be told."""

    run_id: str
    amounts: Mapping[str, int]
    mapped: int | None = None


@dataclass(frozen=True, slots=True)
class Rebooked:
    """The file now declares something else of what it needs: bytes by pool id."""

    run_id: str
    reserved: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class SleepBegun:
    """It is being asked to sleep; `reserved` has room for both, what it holds awake and asleep."""

    run_id: str
    sleep: Sleep
    reserved: Mapping[str, int]
    message: str


@dataclass(frozen=True, slots=True)
class FellAsleep:
    """It sleeps, by its own word."""

    run_id: str
    now: float


@dataclass(frozen=True, slots=True)
class WakeBegun:
    """It is being asked to wake: `need` are bytes by pool id that it holds awake. Its start is counted from here."""

    run_id: str
    need: Mapping[str, int]
    now: float


@dataclass(frozen=True, slots=True)
class Woken:
    """It is awake, by its own word; whether it serves is still to be asked."""

    run_id: str
    now: float


@dataclass(frozen=True, slots=True)
class Held:
    """A model without a run rests in another phase; or one that is parked goes on to sleep, for another reason."""

    phase: Phase
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Inspected:
    """Its files and port were looked at."""

    preflight: Preflight


@dataclass(frozen=True, slots=True)
class Forgiven:
    """Its failures are forgotten: its part of the file changed, or a person asked."""


@dataclass(frozen=True, slots=True)
class Overridden:
    """A person has asked for it to run or not; None: the file decides again."""

    override: Override | None


Fact = (
    Booked
    | Adopted
    | Spawned
    | ProbedReady
    | ProbedUnready
    | FoundSick
    | Recalled
    | Exited
    | DrainBegun
    | DrainEnded
    | StopBegun
    | Gone
    | Stuck
    | Measured
    | Rebooked
    | SleepBegun
    | FellAsleep
    | WakeBegun
    | Woken
    | Held
    | Inspected
    | Forgiven
    | Overridden
)
