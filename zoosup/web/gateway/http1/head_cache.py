"""Heads of requests that were admitted before: what was once found to be right is, until rules change.

Refuses to know who is admitted, and why.
"""

from zoosup.web.gateway.http1.head_pattern import HeadPattern, as_length, cut_at_length
from zoosup.web.gateway.http1.request_head import Head, Request

_REMEMBERED = 512
_SHORT = 2048


class HeadCache:
    """By their bytes, the length of the body aside."""

    def __init__(self) -> None:
        self._heads: dict[bytes, Head] = {}

    def clear(self) -> None:
        """Whoever was admitted is looked at again."""
        self._heads.clear()

    def request(self, raw: bytes) -> Request | None:
        """A request with this head, without the empty line; None where none like it was admitted."""
        before, digits, after = cut_at_length(raw)
        head = self._heads.get(before + after)
        if head is None:
            return None
        length = as_length(digits) if head.has_body and not head.chunked else 0
        return None if length is None else Request(head, length)

    def remember(self, raw: bytes, head: Head, pattern_up_to: int) -> None:
        """Admit such heads from now on. With `pattern_up_to` above 0 connections know it again, up to that length."""
        if len(raw) > _SHORT:
            return
        if len(self._heads) >= _REMEMBERED:
            self._heads.clear()
        before, digits, after = cut_at_length(raw)
        self._heads[before + after] = head
        if digits and pattern_up_to:
            head.pattern = HeadPattern(before, after, pattern_up_to)
