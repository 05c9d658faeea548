"""Where a copy of a container's log ended, so that it goes on there: no byte lost, none twice.

An engine gives its log again from any time on, Podman by the second. So a position is a whole second, a little before
the last record, and how many bytes of records from that second on are copied: those are skipped when the engine gives
them again. The little is for records of stdout and stderr that stand in each other's order. A clock that is set back
by more than that makes the position the log's beginning, until it has caught up. What is printed after a clock was set
back while nobody copied is not seen until then: the engine picks by time. Refuses to know of files.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from zoosup.host.container.engine import LogPiece

MARGIN = 2
"""Seconds by which a record may be older than one before it."""


@dataclass(frozen=True, slots=True)
class LogPosition:
    """Of the records from `since` (epoch seconds; 0: all) on, the first `skip` bytes are copied; in all `total`."""

    since: int = 0
    skip: int = 0
    total: int = 0


class LogProgress:
    """Follows a log from a position on: says what of each record is new, and what the position is by then."""

    def __init__(self, start: LogPosition) -> None:
        self._since = start.since
        self._skip = start.skip
        self._total = start.total - start.skip  # what is skipped is counted again
        self._copied_to = start.since + MARGIN if start.since else 0
        self._newest = 0
        self._latest = self._copied_to + 1.0 if start.since else 0.0  # of a second begun before, all
        self._bytes: dict[int, int] = {}  # by second, of those from the margin on
        self._set_back = False

    @property
    def ask_from(self) -> float:
        """The time from which to ask the engine: one second early, as engines differ about the moment itself."""
        return max(0.0, self._since - 1.0)

    def is_behind(self, at: float) -> bool:
        """Whether a record of that time can't have been given yet."""
        return at > self._latest

    @property
    def position(self) -> LogPosition:
        """Where it is once all that `new` has given is copied."""
        if self._set_back or not self._bytes:
            return LogPosition(0, self._total, self._total)
        return LogPosition(self._newest - MARGIN, sum(self._bytes.values()), self._total)

    def new(self, pieces: Iterable[LogPiece]) -> bytes:
        """What of these records is not copied yet."""
        return b"".join(map(self._new, pieces))

    def _new(self, piece: LogPiece) -> bytes:
        second = int(piece.at)
        self._latest = max(self._latest, piece.at)
        if self._skip and second < self._since:
            return b""
        if self._copied_to and second > self._copied_to:
            self._skip = 0  # what it was to skip is no longer in the log
        known = min(self._skip, len(piece.data))
        self._skip -= known
        self._count(second, len(piece.data))
        self._total += len(piece.data)
        return piece.data[known:]

    def _count(self, second: int, size: int) -> None:
        if second > self._newest:
            self._newest, self._set_back = second, False
            self._bytes = {each: had for each, had in self._bytes.items() if each >= second - MARGIN}
        if second < self._newest - MARGIN:
            self._set_back = True
        else:
            self._bytes[second] = self._bytes.get(second, 0) + size
