"""The members of a JSON body's outermost object, by where they lie in it; nothing of it is built.

Patient with what stands inside of values, which is the model server's business: NaN, half a surrogate pair, doubled
members. Each step looks at a bounded piece of the body: in a thread, it lets the loop have its turn between two of
them, however large the body is and whatever it is made of. Refuses to know what a member means.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from zoosup.web.gateway.errors import DeniedError

_WINDOW = 256 * 1024
"""Bytes that one step looks at: some milliseconds."""

MOST_MEMBERS = 100_000

_BLANK = rb"[ \t\n\r]*+"
_OPEN = re.compile(rb"(?:\xef\xbb\xbf)?" + _BLANK + rb"\{" + _BLANK)
_COLON = re.compile(_BLANK + rb":" + _BLANK)
_SCALAR = re.compile(rb'[^\s,{}\[\]"]++')
_AFTER = re.compile(_BLANK + rb"(?:,()" + _BLANK + rb"|\})")
_IN_TEXT = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
# No possessive group within a possessive one: CPython before 3.11.5 goes on from where the inner one has failed (its
# issue 106052), which is inside of a text that the window cuts.
_WHOLE_TEXTS = re.compile(rb'[^"]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"]*+)*', re.DOTALL)
_MARK = re.compile(rb'[\[{]|([\]}])|"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_ALL_BUT_BRACKETS = bytes(sorted(set(range(256)) - set(b"[]{}")))
_COLLAPSING = 4
"""How often pairs of brackets are taken out before what is left is walked through."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member: from its key's first byte to its value's last, `end` excluded."""

    name: str
    start: int
    value: int
    end: int


def begin(body: bytes) -> int:
    """Where the first member would stand; DeniedError with 400 where the body is no object."""
    opened = _OPEN.match(body)
    if opened is None:
        raise _bad(body, 0, "expected {")
    return opened.end()


def members(body: bytes) -> Iterator[Member]:
    """Every member of the outermost object, in its order; DeniedError with 400 where it is not closed."""
    at = begin(body)
    if body.startswith(b"}", at):
        return
    for _ in range(MOST_MEMBERS):
        key_end = _text_end(body, at)
        colon = _COLON.match(body, key_end)
        if colon is None:
            raise _bad(body, key_end, "expected :")
        end = _value_end(body, colon.end())
        after = _AFTER.match(body, end)
        if after is None:
            raise _bad(body, end, "expected , or }")
        yield Member(_name(body[at:key_end]), at, colon.end(), end)
        if after[1] is None:
            break
        at = after.end()
    else:
        raise DeniedError(400, "invalid_json", f"the body has more than {MOST_MEMBERS} members", param=None)
    if body[after.end() :].strip():
        raise _bad(body, after.end(), "expected its end")


def _value_end(body: bytes, at: int) -> int:
    if body.startswith(b'"', at):
        return _text_end(body, at)
    if body.startswith((b"{", b"["), at):
        return _bracket_end(body, at)
    scalar = _SCALAR.match(body, at)
    if scalar is None:
        raise _bad(body, at, "expected a value")
    return scalar.end()


def _bracket_end(body: bytes, at: int) -> int:
    """Where the list or object that begins at `at` ends."""
    depth, at = 1, at + 1
    while at < len(body):
        piece = _WHOLE_TEXTS.match(body, at, at + _WINDOW)
        end = piece.end() if piece is not None else at
        if end == at:
            at = _text_end(body, at)  # a text that is longer than the window
            continue
        brackets = _brackets(body[at:end])
        if _lowest(brackets, depth) <= 0:
            return _closed_at(body, at, depth)
        depth += _net(brackets)
        at = end
    raise _bad(body, len(body))


def _brackets(piece: bytes) -> bytes:
    """The brackets in a piece that begins and ends outside of texts, those in texts left out."""
    plain = piece.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in piece else piece
    return b"".join(plain.split(b'"')[::2]).translate(None, _ALL_BUT_BRACKETS)


def _net(brackets: bytes) -> int:
    return brackets.count(b"[") + brackets.count(b"{") - brackets.count(b"]") - brackets.count(b"}")


def _lowest(brackets: bytes, depth: int) -> int:
    """The least depth on the way through, never below 0; pairs that close at once don't count."""
    if brackets.count(b"]") + brackets.count(b"}") < depth:
        return 1
    for _ in range(_COLLAPSING):
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    for bracket in brackets:
        depth += 1 if bracket in b"[{" else -1
        if depth == 0:
            break
    return depth


def _closed_at(body: bytes, at: int, depth: int) -> int:
    for mark in _MARK.finditer(body, at):
        if mark[1] is not None:
            depth -= 1
            if depth == 0:
                return mark.end()
        elif not mark[0].startswith(b'"'):
            depth += 1
    raise _bad(body, len(body))


def _text_end(body: bytes, at: int) -> int:
    if not body.startswith(b'"', at):
        raise _bad(body, at, 'expected "')
    at += 1
    while at < len(body):
        quote = body.find(b'"', at, at + _WINDOW)
        if body.find(b"\\", at, quote if quote >= 0 else at + _WINDOW) < 0:
            if quote >= 0:
                return quote + 1
            at += _WINDOW
            continue
        inside = _IN_TEXT.match(body, at, at + _WINDOW)
        end = inside.end() if inside is not None else at
        if body.startswith(b'"', end):
            return end + 1
        if end == at:
            break  # half an escape at the very end
        at = end
    raise _bad(body, len(body))


def _name(quoted: bytes) -> str:
    try:
        return str(json.loads(quoted.decode("utf-8", "replace"), strict=False))
    except ValueError:
        raise _bad(quoted, 0, "expected a key") from None


def _bad(body: bytes, at: int, expected: str = "") -> DeniedError:
    where = f"at byte {at}: {expected}" if at < len(body) and expected else "it is not complete"
    return DeniedError(400, "invalid_json", f"the body is not a JSON object: {where}", param=None)
