"""What a cycle finds, as data: of one candidate, of one way to place it, of a pool that runs short.

The tables say what a reason means. Reckons nothing and decides nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from zoosup.core.memory.gpu_layouts import NOWHERE, Layout
from zoosup.core.memory.ledger import Sum
from zoosup.core.memory.sleep_footprint import Sleeper
from zoosup.core.state.phases import ModelReason, Reason
from zoosup.core.state.pools import Pool

GIVEN_UP = frozenset({Reason.CRASH_LOOP, Reason.EXITED, Reason.ROLLED_BACK, Reason.OOM})
"""Reasons of `failed` that only an edit or a person ends, OOM other weights as well."""

REFUSALS = GIVEN_UP | {
    Reason.EXCEEDS_BUDGET,
    Reason.GPU_MISSING,
    Reason.NOT_EXECUTABLE,
    Reason.FILE_MISSING,
    Reason.IMAGE_MISSING,
}
"""Reasons for which it can't run as things are, whoever leaves. Every other reason is a wait."""

AWAITING_ROOM = frozenset({Reason.EVICTION, Reason.COOL_DOWN})
"""Waits for those who leave and for their memory, after which a model is the next to start."""

SHORT_WAITS = AWAITING_ROOM | {Reason.TURN}
"""Waits that end soon and by themselves."""

POLLED = frozenset({Reason.MEMORY, Reason.MEMORY_UNKNOWN})
"""Waits that nobody reports the end of."""


class Outcome(StrEnum):
    """What a verdict comes to."""

    ADMITTED = "admitted"
    WAITS = "waits"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why one candidate does not run, or no reason where it may; and the sums that it was weighed by."""

    reason: ModelReason
    message: str
    sums: tuple[Sum, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """What the reason means."""
        if not self.reason:
            return Outcome.ADMITTED
        return Outcome.REFUSED if self.reason in REFUSALS else Outcome.WAITS


@dataclass(frozen=True, slots=True)
class Placement:
    """One candidate on one node, laid out as `layout`: whether it starts there, and who has to make room first."""

    node: str
    verdict: Verdict
    layout: Layout = NOWHERE
    victims: tuple[str, ...] = ()  # who is told to leave for it
    sleepers: tuple[Sleeper, ...] = ()  # who is put to sleep for it
    look_at: float | None = None  # when somebody who stays for the present may leave for it
    awaited: tuple[str, ...] = ()  # who stays for the present

    @property
    def starts(self) -> bool:
        """Whether it may start there now."""
        return self.verdict.outcome is Outcome.ADMITTED

    @property
    def preempts(self) -> bool:
        """Whether others make room for it."""
        return bool(self.victims or self.sleepers)


class Level(IntEnum):
    """How badly a pool is short."""

    SOFT = 1
    HARD = 2
    CRITICAL = 3


@dataclass(frozen=True, slots=True)
class Shortage:
    """A pool that is short: how badly, by how much, and who has to go for it, if anybody.

    `reason` is Soft, Hard or Critical; ExternalPressure where stopping models would not help.
    """

    pool: Pool
    level: Level
    reason: str
    missing: int  # bytes up to the reserve
    held: int  # bytes that our models hold here
    freeable: int  # those of the ones that may be stopped at this level
    message: str
    wake_at: float
    victim: str | None = None

    def figures(self) -> Mapping[str, object]:
        """The same for programs."""
        return {
            "pool": self.pool.id,
            "available": self.pool.available,
            "reserve": self.pool.reserve,
            "missing": self.missing,
            "held": self.held,
            "freeable": self.freeable,
        }
