"""The only changes that are ever made to a request's body: strip_params, set_params and upstream_model.

Cuts out and puts in members of the outermost object and leaves every other byte as it was: numbers, escapes, the order
and doubled members are the server's to read. Refuses to know where the name came from and whom the request is for.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from zoosup.spec.model.model import ModelSpec
from zoosup.web.gateway.errors import DeniedError
from zoosup.web.gateway.http1.multipart import is_form, parts

_BACKSLASH = ord("\\")
_BLANK = rb"[ \t\n\r]*"
_OPEN = re.compile(rb"(?:\xef\xbb\xbf)?" + _BLANK + rb"\{" + _BLANK)
_COLON = re.compile(_BLANK + rb":" + _BLANK)
_SCALAR = re.compile(rb'[^\s,{}\[\]"]+')
_MARK = re.compile(rb'[\[\]{}"]')
_AFTER = re.compile(_BLANK + rb"(?:,()" + _BLANK + rb"|\})")

_values = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True)
class _Member:
    """One member of the outermost object: from its key's first byte to its value's last."""

    name: str
    start: int
    value: int
    end: int


def rewrite(body: bytes, spec: ModelSpec, content_type: str = "") -> bytes:
    """Give the body that the model's server is sent: the same object where nothing is to be changed.

    A form keeps its parameters; only its model is renamed. Where the body names no model (the address did), it gets
    none. DeniedError with 400 for a body that is no JSON object or no form.
    """
    if not (spec.strip_params or spec.set_params or spec.upstream_model):
        return body
    if is_form(content_type):
        return _form(body, spec.upstream_model, content_type)
    return _object(body, spec)


def _form(body: bytes, name: str | None, content_type: str) -> bytes:
    if name is None:
        return body
    found = [part for part in parts(body, content_type) if part.name == "model"]
    for part in reversed(found):
        body = body[: part.start] + name.encode() + body[part.end :]
    return body


def _object(body: bytes, spec: ModelSpec) -> bytes:
    fresh = {name: _encoded(value) for name, value in spec.set_params.items()}
    stripped = set(spec.strip_params) - fresh.keys()
    added = dict(fresh)
    if spec.upstream_model is not None:
        fresh["model"] = _encoded(spec.upstream_model)
    begin = _begin(body)
    kept: list[bytes] = []
    end, changed = begin, False
    for member in _members(body, begin):
        between, end = body[end : member.start], member.end
        added.pop(member.name, None)
        if member.name in stripped:
            changed = True
            continue
        text = body[member.start : member.end]
        if member.name in fresh:
            changed, text = True, body[member.start : member.value] + fresh[member.name]
        kept += [between, text] if kept else [text]
    if not (changed or added):
        return body
    for name, value in added.items():
        kept += [b"," if kept else b"", _encoded(name) + b":" + value]
    return body[:begin] + b"".join(kept) + body[end:]


def _begin(body: bytes) -> int:
    opened = _OPEN.match(body)
    if opened is None:
        raise _bad()
    return opened.end()


def _members(body: bytes, at: int) -> Iterator[_Member]:
    """Every member in its order; a value that msgspec has seen is skipped by its length, others are walked through."""
    if body.startswith(b"}", at):
        return
    seen = _seen(body)
    while True:
        key_end = _string_end(body, at)
        colon = _COLON.match(body, key_end)
        if colon is None:
            raise _bad()
        name, value = _name(body[at:key_end]), colon.end()
        end, after = _value(body, value, seen.get(name))
        yield _Member(name, at, value, end)
        if after[1] is None:
            return
        at = after.end()


def _seen(body: bytes) -> dict[str, msgspec.Raw]:
    try:
        return _values.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def _value(body: bytes, at: int, seen: msgspec.Raw | None) -> tuple[int, re.Match[bytes]]:
    """Where a value ends, and what follows it.

    Of doubled members msgspec has kept the last. That does no harm: a whole value at whose end a comma or a brace
    follows is the value that stands there.
    """
    if seen is not None:
        raw = bytes(seen)
        after = _AFTER.match(body, at + len(raw)) if body.startswith(raw, at) else None
        if after is not None:
            return at + len(raw), after
    end = _value_end(body, at)
    after = _AFTER.match(body, end)
    if after is None:
        raise _bad()
    return end, after


def _value_end(body: bytes, at: int) -> int:
    if body.startswith(b'"', at):
        return _string_end(body, at)
    if body.startswith((b"{", b"["), at):
        return _bracket_end(body, at)
    scalar = _SCALAR.match(body, at)
    if scalar is None:
        raise _bad()
    return scalar.end()


def _bracket_end(body: bytes, at: int) -> int:
    depth = 0
    while (mark := _MARK.search(body, at)) is not None:
        at = mark.end()
        sign = mark[0]
        if sign == b'"':
            at = _string_end(body, mark.start())
            continue
        depth += 1 if sign in b"{[" else -1
        if depth == 0:
            return at
    raise _bad()


def _string_end(body: bytes, at: int) -> int:
    if not body.startswith(b'"', at):
        raise _bad()
    quote = at
    while (quote := body.find(b'"', quote + 1)) >= 0:
        before = quote
        while body[before - 1] == _BACKSLASH:
            before -= 1
        if (quote - before) % 2 == 0:
            return quote + 1
    raise _bad()


def _name(quoted: bytes) -> str:
    try:
        return str(json.loads(quoted.decode("utf-8", "replace"), strict=False))
    except ValueError:
        raise _bad() from None


def _encoded(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _bad() -> DeniedError:
    return DeniedError(400, "invalid_json", "the body is not a JSON object")
