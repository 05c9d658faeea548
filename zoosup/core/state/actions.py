"""What a pass may ask for: data that the reconciler books and carries out, compared by equality in tests.

There is no swap: B is not admitted yet, so A is drained and stopped; on a later pass B is started.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from zoosup.core.state.phases import Cause, ModelReason, Phase


@dataclass(frozen=True, slots=True)
class Inspect:
    """Look at the model's executable, weights and port (`port` None: don't look, it is ours or not fixed)."""

    model: str
    port: int | None


@dataclass(frozen=True, slots=True)
class Start:
    """Book `need` (bytes by pool id) on `node`, write the record, spawn.

    `gpus` are the UUIDs that its processes are shown; None: nothing is set for them.
    """

    model: str
    node: str
    need: Mapping[str, int]
    why: str
    source: str = ""  # where `need` is from
    gpus: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class _End:
    model: str
    run_id: str
    cause: Cause
    message: str


class Drain(_End):
    """Tell the run to finish what it does (`stop.before`), bounded by `stop.drain`."""

    __slots__ = ()


class Stop(_End):
    """Set the termination ladder to work on the run, or on what a crash has left of it."""

    __slots__ = ()


class Kill(_End):
    """End the run by SIGKILL at once, also where the ladder is already at work: the host is nearly out of memory."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class FallAsleep:
    """Ask the run to give its memory back and live on (`park.sleep`).

    `asleep` are bytes by pool id that it holds then, at most where that is not `known`.
    """

    model: str
    run_id: str
    asleep: Mapping[str, int]
    known: bool
    message: str


@dataclass(frozen=True, slots=True)
class Wake:
    """Book `need` (bytes by pool id) for a run that sleeps, and ask it to wake (`park.wake`)."""

    model: str
    run_id: str
    need: Mapping[str, int]
    why: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Move a model that has no run to a phase without one; or say why one that sleeps does so."""

    model: str
    phase: Phase
    reason: ModelReason
    message: str


@dataclass(frozen=True, slots=True)
class EndCooldown:
    """A pool's cool-down is over; `outcome` is satisfied, recovered, settled short or max."""

    node: str
    pool: str
    model: str
    outcome: str
    message: str


@dataclass(frozen=True, slots=True)
class HoldRoom:
    """Book room for what is no model: bytes by pool id; `gpus` are the UUIDs that it should see, None: any."""

    hold: str
    amounts: Mapping[str, int]
    why: str
    gpus: tuple[str, ...] | None = None

    @property
    def model(self) -> str:
        """By what name it is told where every other action tells its model."""
        return f"hold {self.hold}"


@dataclass(frozen=True, slots=True)
class ReleaseRoom:
    """Give the room of a hold back."""

    hold: str
    why: str

    @property
    def model(self) -> str:
        """The same."""
        return f"hold {self.hold}"


Action = (
    Inspect | Start | Drain | Stop | Kill | FallAsleep | Wake | Hold | EndCooldown | HoldRoom | ReleaseRoom
)
