"""Heads that were seen before: a client says the same again and again, but for the length of its body.

What was once admitted is admitted again, until settings change. Refuses to know what a head says.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoosup.web.gateway.request import Head

_MOST_DIGITS = 18
_NAMES = (b"\r\nContent-Length: ", b"\r\ncontent-length: ")


class Familiar:
    """An admitted `head` as it looks around the number of its Content-Length, which is at most `most`."""

    __slots__ = ("_after", "_before", "_from", "_gap", "_most", "_to", "head")

    def __init__(self, head: "Head", before: bytes, after: bytes, most: int) -> None:
        self.head = head
        self._most = most
        self._before, self._after = before, after + b"\r\n\r\n"
        self._from = len(before)
        self._to = len(before) + _MOST_DIGITS + 1
        self._gap = len(self._after)

    def body_in(self, data: bytes) -> bytes | None:
        """The body, where `data` is this head with a body behind it, all of it and nothing more."""
        end = data.find(b"\r", self._from, self._to)
        if end < 0 or not data.startswith(self._before):
            return None
        body = data[end + self._gap :]
        length = len(body)
        is_whole = length <= self._most and data.startswith(b"%d%b" % (length, self._after), self._from)
        return body if is_whole else None


def around_length(raw: bytes) -> tuple[bytes, bytes, bytes]:
    """A head cut in three: before the number of its first Content-Length, the number, what follows; spelled as usual.

    All of it is in the first where there is none. Whether what stands there is a number is for others to say.
    """
    for name in _NAMES:
        at = raw.find(name)
        if at >= 0:
            start = at + len(name)
            end = raw.find(b"\r\n", start)
            end = end if end >= 0 else len(raw)
            return raw[:start], raw[start:end], raw[end:]
    return raw, b"", b""


def as_length(digits: bytes) -> int | None:
    """The number; None where it is none, or absurd."""
    return int(digits) if digits.isdigit() and len(digits) <= _MOST_DIGITS else None
