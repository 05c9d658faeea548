"""Stalls for want of memory, as Linux counts them (PSI): time in which everything that had work to do waited.

Knows the files' format and turns their ever growing totals into the share of the last second. Refuses to know
whose memory is short: a cgroup with a limit has a file of its own, and who reads a gauge says which files count.
Nothing is registered with the kernel, which for shorter windows asks a privilege: reading takes some microseconds.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

SPAN = 1.0
"""Seconds that a share is told of, once so much has been seen; at least a tenth of it."""

_SPACING = SPAN / 10
_MICROSECONDS = 1e6


class Stalls:
    """Remembers the totals of the last second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, deque[tuple[float, int]]] = {}

    def share(self, files: Iterable[str]) -> float | None:
        """The largest share, 0 to 1, that any of the files tells; None where none tells any, or not yet."""
        shares = [self._share(file) for file in files]
        return max((share for share in shares if share is not None), default=None)

    def _share(self, file: str) -> float | None:
        now, total = self._clock(), _total(file)
        if total is None:
            self._seen.pop(file, None)
            return None
        seen = self._seen.setdefault(file, deque())
        while len(seen) > 1 and now - seen[1][0] >= SPAN:
            seen.popleft()
        before = seen[0] if seen else (now, total)
        if not seen or now - seen[-1][0] >= _SPACING:
            seen.append((now, total))
        past = now - before[0]
        if past < _SPACING:
            return None
        return min(1.0, max(0.0, (total - before[1]) / _MICROSECONDS / past))


def average(files: Iterable[str]) -> float | None:
    """The largest share, 0 to 1, of the last ten seconds, as the kernel averages it; None where none tells any."""
    shares = []
    for file in files:
        with suppress(OSError, ValueError, LookupError):
            shares.append(float(_full(file)[b"avg10"]) / 100)
    return max(shares, default=None)


def _total(file: str) -> int | None:
    """Microseconds of full stall since boot; None where there is no such file, or the kernel has PSI turned off."""
    try:
        return int(_full(file)[b"total"])
    except (OSError, ValueError, LookupError):
        return None


def _full(file: str) -> Mapping[bytes, bytes]:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        text = os.read(descriptor, 4096)
    finally:
        os.close(descriptor)
    words = next((line.split() for line in text.splitlines() if line.startswith(b"full ")), [])
    return {key: value for key, _, value in (word.partition(b"=") for word in words)}
