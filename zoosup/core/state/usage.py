"""What runs of a model have shown of its need, as data; sizes are bytes.

Knows no rule: what follows stands in `estimation.learned`, and where it is kept is the runtime's business.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunPeaks:
    """One run's peaks.

    `ram` is what its processes held by themselves, `mapped` what they had of files besides (None: nobody could tell).
    `card` is the most on any one of its `cards` GPUs (None: nobody could tell). `floor` is what an OOM has raised the
    need of RAM to, 0 without one.
    """

    run: str
    ram: int
    mapped: int | None
    card: int | None
    cards: int
    healthy: bool  # it was ready for long enough, and no OOM ended it
    floor: int = 0


@dataclass(frozen=True, slots=True)
class Learned:
    """Those of one fingerprint, the newest run last. `floor` is the highest that any OOM has ever raised it to."""

    fingerprint: str = ""
    runs: tuple[RunPeaks, ...] = ()
    floor: int = 0


NOTHING_LEARNED = Learned()


@dataclass(frozen=True, slots=True)
class HeldAsleep:
    """What a run of one fingerprint was last measured to hold while it slept, by pool id."""

    fingerprint: str
    held: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Ooms:
    """How often the kernel has killed runs of one fingerprint since a file or a person changed something."""

    fingerprint: str = ""
    count: int = 0


NO_OOMS = Ooms()
