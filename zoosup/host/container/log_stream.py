"""An engine's log stream taken apart: frames of stdout and stderr, or a terminal's bytes, into pieces with their times.

Each record is asked for with its time in front (RFC 3339). Without a terminal each record comes in a frame: the
stream's number, three zero bytes, four of length (moby's api/types/container, "Stream format"). With one there are no
frames, only lines; a record that is a part of a longer line then begins in its midst. Refuses to know where it comes
from.
"""

import re
from collections import OrderedDict
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

from zoosup.host.container.engine import LogPiece

_HEAD = 8
_STREAMS = frozenset({0, 1, 2, 3})  # stdin, stdout, stderr, the engine's own errors
_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d) ?")
_LONGEST_STAMP = 36
_DOCKERS_PART = 16384
_REMEMBERED = 16384  # records; some hundreds were seen again
_PART = 4095
"""Bytes of the smallest part that an engine makes of a long line: Podman has 4095 from a terminal, Docker 16384."""


class FramedLog:
    """Takes frames apart, however they are cut into reads.

    `repeats`: Docker gives records a second time when it turns its log over while that is followed. Its times are
    exact enough to know them by. `ends_lost`: its `local` driver forgets the end of a line of more than 16 KiB.
    """

    def __init__(self, *, repeats: bool = False, ends_lost: bool = False) -> None:
        self._rest = b""
        self._repeats = repeats
        self._ends_lost = ends_lost
        self._recent: OrderedDict[int, None] = OrderedDict()

    def feed(self, data: bytes) -> list[LogPiece]:
        """The records that are complete by now; ValueError when these are no frames."""
        data = self._rest + data
        at, pieces = 0, []
        while len(data) - at >= _HEAD:
            end = at + _HEAD + int.from_bytes(data[at + 4 : at + _HEAD], "big")
            if data[at] not in _STREAMS or data[at + 1 : at + 4] != b"\0\0\0":
                raise ValueError("the engine's log is not in frames")
            if end > len(data):
                break
            if not self._repeats or self._is_new(data[at:end]):
                pieces.append(_piece(data[at + _HEAD : end]))
            at = end
        self._rest = data[at:]
        return [_ended(each) for each in pieces] if self._ends_lost else pieces

    def end(self) -> list[LogPiece]:
        """What is left at the end: a frame that was cut off is nothing."""
        self._rest = b""
        return []

    def _is_new(self, frame: bytes) -> bool:
        """Whether none of the last records was the same; parts of one line may be."""
        known = hash(frame)
        if known in self._recent and len(frame) < _DOCKERS_PART:
            return False
        self._recent[known] = None
        if len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)
        return True


class TerminalLog:
    """Takes a terminal's lines apart."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[LogPiece]:
        """The lines that are complete by now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [piece for line in lines for piece in _parts(line + b"\n")]

    def end(self) -> list[LogPiece]:
        """The last line, which nothing ends."""
        rest, self._rest = self._rest, b""
        return _parts(rest) if rest else []


def _ended(piece: LogPiece) -> LogPiece:
    """Only a whole part has another after it."""
    if piece.data.endswith(b"\n") or len(piece.data) == _DOCKERS_PART:
        return piece
    return LogPiece(piece.at, piece.data + b"\n")


def _parts(line: bytes) -> list[LogPiece]:
    """A long line comes in parts, each with the line's own time in front."""
    pieces = []
    while (stamp := _STAMP.match(line)) and (
        cut := line.find(stamp[0], stamp.end() + _PART)
    ) > 0:  # the same time, after as much as a part has at least
        pieces.append(_piece(line[:cut]))
        line = line[cut:]
    return [*pieces, _piece(line)]


def _piece(record: bytes) -> LogPiece:
    stamp = _STAMP.match(record[:_LONGEST_STAMP])
    if stamp is None:
        return LogPiece(0.0, record)
    at = _seconds(stamp[1], stamp[3]) + float(stamp[2] or 0)
    return LogPiece(at, record[stamp.end() :])


@lru_cache(maxsize=4)
def _seconds(moment: bytes, zone: bytes) -> float:
    """Epoch seconds; the records of one second share it."""
    return datetime.fromisoformat(moment.decode()).replace(tzinfo=_zone(zone.decode())).timestamp()


def _zone(text: str) -> timezone:
    if text == "Z":
        return UTC
    hours, minutes = int(text[1:3]), int(text[4:6])
    return timezone((-1 if text[0] == "-" else 1) * timedelta(hours=hours, minutes=minutes))
