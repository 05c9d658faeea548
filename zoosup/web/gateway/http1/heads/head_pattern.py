"""How a request's head looks around the number of its Content-Length, so that the next like it is known by its bytes.

Clients say the same again and again but for the length of the body. Refuses to know what a head says.
"""

from zoosup.web.gateway.http1.heads import request_id

_MOST_DIGITS = 18
_NAMES = (b"\r\nContent-Length: ", b"\r\ncontent-length: ")


class HeadPattern:
    """A head cut around its length, which is at most `most`."""

    __slots__ = ("_after", "_around", "_before", "_least", "_longest", "_most", "_start", "id_line")

    def __init__(self, before: bytes, after: bytes, most: int, id_line: bytes = b"") -> None:
        self.id_line = id_line  # of the id that the head bears which was seen last
        self._most = most
        self._before, self._after = before, after + b"\r\n\r\n"
        self._around = len(before) + len(self._after)
        # Where the body begins, if all together is at least and at most so long.
        self._start = self._least = self._longest = 0

    def body_in(self, data: bytes) -> bytes | None:
        """The body, where `data` is such a head with a body behind it, all of it and nothing more."""
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


class NamedPattern(HeadPattern):
    """One that bears an id besides, another each time: `before`, the length, `between`, the id, `after`."""

    __slots__ = ("_between", "_end")

    def __init__(self, before: bytes, between: bytes, after: bytes, most: int) -> None:
        super().__init__(before, between, most)
        self._between, self._end = between, after + b"\r\n\r\n"

    def body_in(self, data: bytes) -> bytes | None:
        """See `HeadPattern`; `id_line` is then this one's."""
        end = data.find(b"\r\n\r\n") + 4
        body = data[end:]
        opening = b"%b%d%b" % (self._before, len(body), self._between)
        ends = end - len(self._end)
        if len(body) > self._most or not (data.startswith(opening) and data.startswith(self._end, ends)):
            return None
        self.id_line = request_id.line_of(data[len(opening) : ends])
        return body if self.id_line else None


def cut_at_length(raw: bytes) -> tuple[bytes, bytes, bytes]:
    """A head in three: before the number of its first Content-Length, the number, what follows; spelled as usual.

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
