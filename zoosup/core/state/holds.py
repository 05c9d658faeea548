"""Room that a person holds for what is no model: as it was asked for, and once it is had, where.

Times are seconds of a monotonic clock; sizes are bytes. Knows no rule.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RoomHold:
    """One hold, from the question for it until it is released, its time is over, or its process has ended.

    `booked` is what it has, by pool id; None: it is still waited for. `measured` is what the tree of its process holds,
    by pool id: it counts into the hold up to its size. A pool that `measured` lacks could not be measured, which is
    not 0; where all of it is empty nobody has looked yet.
    """

    id: str
    ram: int
    vram: int  # on one GPU
    since: float  # when it was asked for
    gpu: str | None = None  # an index or a UUID; None: the GPU on which it stands best
    forced: bool = False  # also active models make room
    lasts: float | None = None  # seconds; None: until it is released, or its process ends
    command: str = ""  # what it is for, for people
    pid: int | None = None  # of the process with which it ends
    owner: str = ""  # who that process is for all time
    keep: bool = False  # that process only waits for it: once it is had, it stays without
    booked: Mapping[str, int] | None = None
    gpus: tuple[str, ...] | None = None  # UUIDs that its process should see; None: any
    held_since: float | None = None
    measured: Mapping[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What sums and messages call it; no model is called so."""
        return f"hold {self.id}"

    @property
    def until(self) -> float | None:
        """When it ends by itself: its time counts from when it was had, before that from when it was asked for."""
        if self.lasts is None:
            return None
        return (self.since if self.held_since is None else self.held_since) + self.lasts

    def held(self, pool: str) -> int:
        """Bytes that are known to be in use of what it has in one pool."""
        return min(self.measured.get(pool, 0), (self.booked or {}).get(pool, 0))
