"""Heads of requests that were admitted before: what was once found to be right is, until rules change.

Refuses to know who is admitted, and why.
"""

from zoosup.web.gateway.http1.heads import request_id
from zoosup.web.gateway.http1.heads.head_pattern import HeadPattern, NamedPattern, as_length, cut_at_length
from zoosup.web.gateway.http1.heads.request_head import Head, Request

_REMEMBERED = 512
_SHORT = 2048


class HeadCache:
    """By their bytes, the length of the body and the id that the request bears aside."""

    def __init__(self) -> None:
        self._heads: dict[bytes, Head] = {}

    def clear(self) -> None:
        """Whoever was admitted is looked at again."""
        self._heads.clear()

    def request(self, raw: bytes) -> Request | None:
        """A request with this head, without the empty line; None where none like it was admitted."""
        head = self._heads.get(raw)
        if head is not None and not head.has_body:  # nothing had to be cut out, as of most that have no body
            return Request(head, 0)
        before, digits, after = cut_at_length(raw)
        key, given = request_id.cut(before + after)
        head = self._heads.get(key)
        if head is None:
            return None
        length = as_length(digits) if head.has_body and not head.chunked else 0
        if length is None:
            return None
        return Request(head, length, id_line=given)

    def remember(self, raw: bytes, head: Head, pattern_up_to: int) -> None:
        """Admit such heads from now on. With `pattern_up_to` above 0 connections know it again, up to that length."""
        if len(raw) > _SHORT:
            return
        if len(self._heads) >= _REMEMBERED:
            self._heads.clear()
        before, digits, after = cut_at_length(raw)
        key, given = request_id.cut(before + after)
        if given != head.id_line:
            return  # it bears two, or spells it otherwise
        self._heads[key] = head
        if digits and pattern_up_to:
            head.pattern = _pattern(before, after, given, pattern_up_to)


def _pattern(before: bytes, after: bytes, given: bytes, most: int) -> HeadPattern:
    """How the next like it looks: with an id of its own, where this one bears one behind its length."""
    between, line, rest = after.partition(given.removesuffix(b"\r\n")) if given else (after, b"", b"")
    if not line:
        return HeadPattern(before, after, most, given)
    return NamedPattern(before, between + request_id.BEGINNING, rest, most)
