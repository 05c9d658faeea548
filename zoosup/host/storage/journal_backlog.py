"""Events on their way to the disk: bounded, so that a disk in trouble costs the oldest of them and not the memory.

Knows a lock and two bounds; refuses to know when anything is written.
"""

import itertools
import threading
from collections import deque

from zoosup.host.storage.journal_db import Line, Row, as_row

WAITING = 10_000
"""Events that wait at most."""

WAITING_BYTES = 16 << 20
"""What their text may come to, in characters."""


class Backlog:
    """Lines in the order of their numbers; any thread may call."""

    def __init__(self, most: int = WAITING, most_bytes: int = WAITING_BYTES) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._lines: deque[Line] = deque()
        self._size = 0
        self._lost = 0

    def add(self, line: Line) -> None:
        """Append one; the oldest go where it is too much."""
        with self._lock:
            self._lines.append(line)
            self._size += _size(line)
            while len(self._lines) > self._most or self._size > self._most_bytes:
                self._size -= _size(self._lines.popleft())
                self._lost += 1

    def first(self, count: int) -> list[Line]:
        """The oldest, which stay."""
        with self._lock:
            return list(itertools.islice(self._lines, count))

    def forget(self, number: int) -> None:
        """Drop those up to this number: they are on disk."""
        with self._lock:
            while self._lines and self._lines[0][0] <= number:
                self._size -= _size(self._lines.popleft())

    def between(self, after: int, before: int, model: str | None) -> list[Row]:
        """Those with a number between the two, of `model` alone if given."""
        with self._lock:
            lines = [e for e in self._lines if after < e[0] < before and (model is None or e[3] == model)]
        return [as_row(line) for line in lines]

    def lost(self) -> int:
        """How many had to go since this was last asked."""
        with self._lock:
            lost, self._lost = self._lost, 0
        return lost


def _size(line: Line) -> int:
    return len(line[5]) + len(line[6])
