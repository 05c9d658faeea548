"""Server-sent events, taken out of the pieces in which they come, wherever those are cut. Pure.

Refuses to know what an event says; its data alone is of interest.
"""

LONGEST = 16 * 1024 * 1024
"""Bytes of one event; a server that never ends one is not listened to for ever."""


class EventError(Exception):
    """What has come is no stream of events."""


class Events:
    """One stream's."""

    def __init__(self) -> None:
        self._cut: list[bytes] = []  # the beginning of a line
        self._held = 0  # bytes of that, and of the event so far
        self._data: list[bytes] = []

    def feed(self, data: bytes) -> list[bytes]:
        """The data of each event that is complete with this piece; EventError for one that is too long."""
        self._held += len(data)
        if b"\n" not in data:
            self._cut.append(data)
            self._check()
            return []
        *lines, rest = b"".join((*self._cut, data)).split(b"\n")
        self._cut = [rest]
        found = [event for line in lines if (event := self._line(line.removesuffix(b"\r"))) is not None]
        self._held = len(rest) + sum(map(len, self._data))
        self._check()
        return found

    def end(self) -> list[bytes]:
        """An event whose last line end never came."""
        found = [self._line(b"".join(self._cut).removesuffix(b"\r")), self._line(b"")]
        self._cut = []
        return [event for event in found if event is not None]

    def _line(self, line: bytes) -> bytes | None:
        if not line:
            data, self._data = self._data, []
            return b"\n".join(data) if data else None
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
        return None

    def _check(self) -> None:
        if self._held > LONGEST:
            raise EventError(f"an event of its stream is longer than {LONGEST} bytes")
