"""Pools of memory as one pass sees them: what is there, what is short, and what is waited for after a stop.

Times are seconds of a monotonic clock; sizes are bytes, signed. Knows no rule: the arithmetic is in `core.memory`.
"""

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

VRAM = "vram:"
"""How the ids of pools of GPU memory begin; the UUID follows."""

Make: TypeAlias = Literal["nvidia", "amd", "intel", "apple"]
"""Whose GPU it is, and so by which variables a process is told to use it."""


class Card(Protocol):
    """What tells one GPU from the others, as a `Pool` has it, and whoever has read one."""

    @property
    def id(self) -> str:
        """Its pool's."""

    @property
    def index(self) -> str:
        """As nvidia-smi counts; "amd0" of another make."""

    @property
    def make(self) -> Make:
        """Whose it is."""

    @property
    def unified(self) -> bool:
        """Whether it has no memory of its own."""

    @property
    def pci(self) -> str:
        """Its address; "" where it isn't known."""

    @property
    def render_node(self) -> str:
        """Its device file; "" where it has none."""


@dataclass(frozen=True, slots=True)
class Pool:
    """One pool of memory of one node, as one pass sees it. `available` None means unknown, which is never 0.

    `unified`: it is a GPU's that has no memory of its own. What stands in it stands in RAM too
    (`core.memory.unified`); its total is the most that the GPU may take of RAM.
    """

    node: str
    id: str  # "ram", or "vram:" and the UUID of a GPU or of a MIG device
    kind: str  # "ram" or "vram"
    name: str  # for people
    total: int
    available: int | None
    budget: int
    reserve: int
    index: str = ""  # of a GPU as nvidia-smi counts, 0:1 being a MIG device; of other makes amd0, intel1
    risen: int = 0  # bytes that have come free in it since it was last looked at what everybody holds
    unified: bool = False
    make: Make = "nvidia"  # of a GPU
    pci: str = ""  # of a GPU: its address, "0000:03:00.0"; "" where it isn't known
    render_node: str = ""  # of a GPU: "/dev/dri/renderD128"; "" where it has none, or isn't asked through one


@dataclass(frozen=True, slots=True)
class Cooldown:
    """A pool after a stop: no start counts on its memory before it is seen to be back.

    `baseline` is what was available before the stop began (None: the model crashed before it could be taken, so
    that a difference proves nothing); `expected` the bytes that should come back. `samples` are (time, available),
    oldest first. One may be from before `since`, when the last member was gone: of two the lesser counts, so that it
    can't make anything of more. `pids` were its members: while the driver still lists one of them nothing is sampled,
    for the driver has not let go of its memory.
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
    settled_since: float | None = None  # less than the reserve, and no memory has come back by itself
    least: int = 0  # what was available at least since then, in bytes
    read_at: float = 0.0  # when what is known was last read


@dataclass(frozen=True, slots=True)
class Node:
    """One host: its pools, what cools down in them, and which of them are short."""

    name: str
    pools: tuple[Pool, ...]
    cooldowns: tuple[Cooldown, ...] = ()
    pressures: tuple[Pressure, ...] = ()

    @property
    def unified(self) -> frozenset[str]:
        """Ids of pools that are a part of RAM."""
        return frozenset(pool.id for pool in self.pools if pool.unified)
