"""Heads that were seen before: clients and servers say the same again and again, but for a few numbers.

What was once admitted is admitted again, until settings change; an answer that llhttp has once read is one again.
Refuses to know what else a head says.
"""

import re
from typing import TYPE_CHECKING

from zoosup.web.gateway.http1 import response_head

if TYPE_CHECKING:
    from zoosup.web.gateway.http1.request_head import Head

_MOST_DIGITS = 18
_NAMES = (b"\r\nContent-Length: ", b"\r\ncontent-length: ")
_NUMBERS = bytes.maketrans(b"123456789", b"000000000")
_REMEMBERED, _SHORT = 256, 1024
_WELL = b"HTTP/1.1 200 "
_KEPT = re.compile(rb"(?:\r\n(?:connection: keep-alive|keep-alive:[^\r]*)(?=\r\n))+", re.IGNORECASE)


class Familiar:
    """An admitted `head` as it looks around the number of its Content-Length, which is at most `most`."""

    __slots__ = ("_after", "_around", "_before", "_least", "_longest", "_most", "_start", "head")

    def __init__(self, head: "Head", before: bytes, after: bytes, most: int) -> None:
        self.head = head
        self._most = most
        self._before, self._after = before, after + b"\r\n\r\n"
        self._around = len(before) + len(self._after)
        # Where the body begins, if all together is at least and at most so long.
        self._start = self._least = self._longest = 0

    def body_in(self, data: bytes) -> bytes | None:
        """The body, where `data` is this head with a body behind it, all of it and nothing more."""
        if not (self._least <= len(data) <= self._longest or self._fits(len(data))):
            return None
        body = data[self._start :]
        length = len(body)
        is_all = length <= self._most and data.startswith(b"%b%d%b" % (self._before, length, self._after))
        return body if is_all else None

    def _fits(self, together: int) -> bool:
        """Whether there is a length that with its own digits makes up so much, and how many digits it has."""
        left = together - self._around - 1
        digits = len(str(left - len(str(left)) + 1))
        self._start = self._around + digits
        self._least = self._start + (10 ** (digits - 1) if digits > 1 else 0)
        self._longest = self._start + 10**digits - 1
        return self._least <= together <= self._longest


class Answers:
    """Whole answers of a kind: 200, with a length, over a connection that lives on.

    Of each head, with all digits as 0: where it says its length, and where the lines about its connection are.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[int, int, int, int]] = {}

    def passed_on(self, data: bytes) -> bytes | None:
        """What a client gets whose connection lives on, where `data` is such an answer; seldom a copy."""
        end = data.find(b"\r\n\r\n") + 4
        known = self._known.get(data[:end].translate(_NUMBERS))
        if known is None:
            return None
        first, last, start, stop = known
        # By the digits alone this could be another status, an older HTTP, another length.
        if int(data[first:last]) != len(data) - end or not data.startswith(_WELL):
            return None
        return data[:start] + data[stop:] if stop else data

    def learn(self, data: bytes) -> None:
        """Know heads like that of `data` again, which llhttp has found to be such an answer."""
        end = data.find(b"\r\n\r\n") + 4
        head = data[:end]
        before, digits, _ = around_length(head)
        kept = _KEPT.search(head)
        start, stop = kept.span() if kept is not None else (0, 0)
        measured = as_length(digits) is not None and b"\r\ntransfer-encoding:" not in head.lower()
        # The one cut must make of it what passes on in any case.
        if (
            not measured
            or end > _SHORT
            or head[:start] + head[stop:] != response_head.passed_on(head[:-4], b"", b"")
        ):
            return
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        first = len(before)
        self._known[head.translate(_NUMBERS)] = first, first + len(digits), start, stop


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
