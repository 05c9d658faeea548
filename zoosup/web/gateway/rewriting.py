"""The only changes that are ever made to a request's body: strip_params, set_params and upstream_model.

Cuts out and puts in members of the outermost object and leaves every other byte as it was: numbers, escapes, the order
and doubled members are the server's to read. Refuses to know where the name came from and whom the request is for.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from zoosup.spec.models import ModelSpec
from zoosup.web.gateway.denial import DeniedError
from zoosup.web.gateway.forms import is_form, parts

_BLANK = rb"[ \t\n\r]*"
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_OPEN = re.compile(rb"(?:\xef\xbb\xbf)?" + _BLANK + rb"\{" + _BLANK)
_KEY = re.compile(_BLANK + rb"(" + _STRING + rb")" + _BLANK + rb":" + _BLANK, re.DOTALL)
_SCALAR = re.compile(_STRING + rb"|[^\s,{}\[\]\"]+", re.DOTALL)
_MARK = re.compile(_STRING + rb'|[\[\]{}"]', re.DOTALL)
_AFTER = re.compile(_BLANK + rb"([,}])")


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
    if body.startswith(b"}", at):
        return
    while True:
        key = _KEY.match(body, at)
        if key is None:
            raise _bad()
        end = _value_end(body, key.end())
        yield _Member(_name(key[1]), key.start(1), key.end(), end)
        after = _AFTER.match(body, end)
        if after is None:
            raise _bad()
        if after[1] == b"}":
            return
        at = after.end()


def _value_end(body: bytes, at: int) -> int:
    """Where a value ends; inside of it only strings and brackets are looked at."""
    if not body.startswith((b"{", b"["), at):
        scalar = _SCALAR.match(body, at)
        if scalar is None:
            raise _bad()
        return scalar.end()
    depth = 0
    for mark in _MARK.finditer(body, at):
        sign = body[mark.start()]
        if sign in b"{[":
            depth += 1
        elif sign in b"}]":
            depth -= 1
        elif len(mark[0]) == 1:
            break  # a string that has no end
        if depth == 0:
            return mark.end()
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
