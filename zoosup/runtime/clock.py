"""Time as the runtime sees it, handed to whoever needs it so that tests can turn it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Clock:
    """Time as the runtime sees it: `now` only ever grows, `wall` may jump and is used for stamps alone.

    `boot` names what `now` counts from: all clocks of one boot of the host agree, "" is no name.
    """

    now: Callable[[], float]
    wall: Callable[[], float]
    boot: str = ""

    def wall_of(self, at: float) -> float:
        """A time of `now` as wall time, by what both say at present."""
        return self.wall() + at - self.now()

    def stamp(self) -> dict[str, Any]:
        """What the wall times of a document mean to this clock; to be written beside them for `recall`."""
        return {"boot": self.boot, "now": self.now(), "wall": self.wall()}

    def recall(self, at: float, stamp: Any) -> float:
        """A wall time that an earlier zoosup wrote down, as a time of `now`.

        By its stamp within one boot, so that no jump of the wall clock meanwhile counts; else by the wall clocks.
        """
        same = isinstance(stamp, Mapping) and self.boot and stamp.get("boot") == self.boot
        if same and all(isinstance(stamp.get(key), int | float) for key in ("now", "wall")):
            return float(stamp["now"]) + at - float(stamp["wall"])
        return self.now() + at - self.wall()
