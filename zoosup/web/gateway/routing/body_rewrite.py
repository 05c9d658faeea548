"""The only changes that are ever made to a request's body: strip_params, default_params, set_params, upstream_model.

Takes out what is stripped, fills in what is then missing, and sets. Mappings are merged: of an object in the body,
members are set and filled in as they are of the body itself. Every other byte stays as it was: numbers, escapes, the
order and doubled members are the server's to read. Refuses to know where the name came from and who is asked.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from zoosup.spec.model.requests import BodyChanges, merged
from zoosup.web.gateway.http1.multipart import field as form_field, is_form, parts, written
from zoosup.web.gateway.routing import json_members


def rewrite(body: bytes, changes: BodyChanges, content_type: str = "") -> bytes:
    """Give the body that the model's server is sent: the same object where nothing is to be changed.

    Where the body names no model (the address did), it gets none. DeniedError with 400 for a body that is no JSON
    object or no form.
    """
    if not changes:
        return body
    form = is_form(content_type)
    rules = _Rules(
        changes.set_params,
        changes.default_params,
        frozenset(changes.strip_params),
        {} if changes.upstream_model is None else {"model": changes.upstream_model},
        _as_text if form else _encoded,
    )
    return _form(body, rules, content_type) if form else _object(body, rules)


def _as_text(value: object) -> bytes:
    return value.encode() if isinstance(value, str) else _encoded(value)


def _encoded(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class _Rules:
    """For the members of one object, or the fields of a form. `replaced`: set where they are there, never put in."""

    sets: Mapping[str, Any]
    defaults: Mapping[str, Any]
    stripped: frozenset[str] = frozenset()
    replaced: Mapping[str, Any] = field(default_factory=dict)
    write: Callable[[object], bytes] = _encoded

    def put_in(self) -> dict[str, Any]:
        """What is there at the end, whatever was there before."""
        return merged(self.defaults, self.sets)

    def concern(self, name: str) -> bool:
        """Whether anything is said of it."""
        return name in self.defaults or self.decide(name)

    def decide(self, name: str) -> bool:
        """Whether its value is the rules' own, whatever the client said."""
        return name in self.sets or name in self.stripped or name in self.replaced

    def strips(self, name: str) -> bool:
        """Whether it is taken out, and nothing takes its place."""
        return name in self.stripped and name not in self.sets and name not in self.defaults

    def value(self, name: str, text: bytes) -> bytes:
        """What a value that is there becomes; the same object where it stays."""
        if name in self.replaced:
            return self.write(self.replaced[name])
        if name in self.stripped:
            return self.write(self.put_in()[name])
        sets, defaults = self.sets.get(name, {}), self.defaults.get(name)
        if text.startswith(b"{") and isinstance(sets, Mapping):
            below = defaults if isinstance(defaults, Mapping) else {}
            return _object(text, _Rules(sets, below)) if sets or below else text
        return self.write(sets) if name in self.sets else text


def _object(body: bytes, rules: _Rules) -> bytes:
    added = rules.put_in()
    begin = json_members.begin(body)
    kept: list[bytes] = []
    end, changed = begin, False
    for member in json_members.members(body):
        between, end = body[end : member.start], member.end
        added.pop(member.name, None)
        if rules.strips(member.name):
            changed = True
            continue
        text = body[member.start : member.end]
        if rules.concern(member.name):
            value = body[member.value : member.end]
            fresh = rules.value(member.name, value)
            changed = changed or fresh is not value
            text = body[member.start : member.value] + fresh
        kept += [between, text] if kept else [text]
    if not (changed or added):
        return body
    for name, value in added.items():
        kept += [b"," if kept else b"", _encoded(name) + b":" + _encoded(value)]
    return body[:begin] + b"".join(kept) + body[end:]


def _form(body: bytes, rules: _Rules, content_type: str) -> bytes:
    """Files keep their names and are never replaced; what is not text is written as JSON is."""
    added, seen = rules.put_in(), set[str]()
    pieces: list[bytes] = []
    changed = False
    for part in parts(body, content_type):
        piece = body[part.at : part.end]
        if not part.is_file and rules.concern(part.name):
            added.pop(part.name, None)
            if rules.strips(part.name) or (part.name in seen and rules.decide(part.name)):
                changed = True
                continue
            seen.add(part.name)
            value = body[part.start : part.end]
            fresh = rules.value(part.name, value)
            changed = changed or fresh is not value
            piece = body[part.at : part.start] + fresh
        pieces.append(piece)
    pieces += [form_field(name, _as_text(value)) for name, value in added.items()]
    return written(pieces, content_type) if changed or added else body
