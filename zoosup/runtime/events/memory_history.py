"""What each pool held over the last hour: one point each ten seconds, in memory alone, bounded.

Takes its points from what is published anyway, so that nothing is measured for it. Knows nothing of how it is drawn.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any

EVERY = 10.0
"""Seconds between two points at least."""

POINTS = 360
"""Points kept for each pool: an hour. Some 60 KiB."""

Point = tuple[float, int, int, int | None]
"""When (wall time), bytes that models hold, that are promised to them beyond that, that others use (None: unknown)."""


class MemoryHistory:
    """The points of each pool by its id, oldest first; of a pool that is gone for as long as an hour."""

    def __init__(self) -> None:
        self._points: dict[str, deque[Point]] = {}
        self._last = float("-inf")

    def note(self, snapshot: Mapping[str, Any]) -> None:
        """Take a point of each pool, if it is time; a clock that was set back begins anew."""
        at = snapshot.get("at", 0.0)
        if self._last <= at < self._last + EVERY:
            return
        if at < self._last:
            self._points.clear()
        self._last = at
        for pool in snapshot.get("pools", ()):
            self._points.setdefault(pool["id"], deque(maxlen=POINTS)).append(_point(at, pool))
        self._forget(at - EVERY * POINTS)

    def since(self, at: float) -> dict[str, list[Point]]:
        """Every point after a time, by pool."""
        return {pool: [each for each in points if each[0] > at] for pool, points in self._points.items()}

    def _forget(self, before: float) -> None:
        for pool, points in list(self._points.items()):
            while points and points[0][0] < before:
                points.popleft()
            if not points:
                del self._points[pool]


def _point(at: float, pool: Mapping[str, Any]) -> Point:
    promised = sum(max(0, each["reserved"] - each["held"]) for each in pool["models"].values())
    return round(at, 1), pool["held"], promised, pool["foreign"]
