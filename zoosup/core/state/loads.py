"""How far a load is, and how the last one went, as data; sizes are bytes, durations seconds.

Knows no rule: what follows from what is seen stands in `lifecycle.load_progress`.
"""

from dataclasses import dataclass
from enum import StrEnum


class ProgressSource(StrEnum):
    """What a load's progress is told by."""

    BYTES = "bytes"  # what its processes have read
    SERVER = "server"  # its own words
    TIME = "time"  # how long the last load took


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """How far a load is after `elapsed` seconds; `share` is of 1, and less until the model is ready.

    `read` of `total`: None where nobody can tell. `left` is what it is expected to take yet. `first` is when it was
    first seen to read weights, and the share of them then; `read_at` when it had read nearly all.
    """

    share: float
    source: ProgressSource
    elapsed: float
    read: int | None = None
    total: int | None = None
    left: float | None = None
    first: tuple[float, float] | None = None
    read_at: float | None = None


@dataclass(frozen=True, slots=True)
class LastLoad:
    """What the last load of a model has shown: of weights of `size`, it had `read` so much when it was ready.

    `rest`: seconds from when nearly all was read until then; None where that was not seen.
    """

    size: int | None
    read: int | None = None
    rest: float | None = None
