"""Pools of memory as one pass sees them: what is there, what is short, and what is waited for after a stop.

Times are seconds of a monotonic clock; sizes are bytes, signed. Knows no rule: the arithmetic is in `core.memory`.
"""

from dataclasses import dataclass

VRAM = "vram:"
"""How the ids of pools of GPU memory begin; the UUID follows."""


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
class Node:
    """One host: its pools, what cools down in them, and which of them are short."""

    name: str
    pools: tuple[Pool, ...]
    cooldowns: tuple[Cooldown, ...] = ()
    pressures: tuple[Pressure, ...] = ()
