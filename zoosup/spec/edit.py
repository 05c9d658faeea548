"""Rewriting `active:` in a zoo.yaml, keeping every other byte.

Knows the ways YAML can write a name or a list of names. What it can't change safely it refuses; and whatever it wrote
it reads again: the names must be the new ones, and everything else the same.
"""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from zoosup.errors import ZoosupError
from zoosup.spec.syntax.document import (
    Entry,
    YamlMapping,
    YamlNode,
    YamlScalar,
    YamlSequence,
    compose,
    names,
    plain,
)
from zoosup.spec.syntax.problems import Problems

_BOM = "\ufeff"
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9._/@+-]*(?::[A-Za-z0-9._/@+-]+)*")
_OTHER_THAN_TEXT = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
"""Words that YAML 1.1 or 1.2 reads as something else; zoosup wouldn't, but the next tool may."""


class _Change(NamedTuple):
    start: int
    end: int
    text: str


def set_active(text: str, active: Sequence[str]) -> str:
    """Give the text with `active` set to these names; comments, line ends and all bytes besides stay.

    A list in lines stays one, and the comment behind a name stays where it is. Raises ZoosupError where the text
    is no mapping with `active`, or where `active` can't be changed without changing something else.
    """
    mark, body = (_BOM, text[1:]) if text.startswith(_BOM) else ("", text)
    root = _root(body)
    entry = root.entries.get("active") if root else None
    if root is None or entry is None:
        raise ZoosupError("the file has no `active:` that could be rewritten; add one by hand")
    changes = _changes(body, entry, list(active))
    result = body
    for change in sorted(changes, reverse=True):
        result = result[: change.start] + change.text + result[change.end :]
    _verify(root, _root(result), list(active))
    return mark + result


def _root(text: str) -> YamlMapping | None:
    problems = Problems("")
    root = compose(text, problems)
    return root if isinstance(root, YamlMapping) and not problems.found else None


def _verify(before: YamlMapping, after: YamlMapping | None, active: list[str]) -> None:
    if after is None or _listed(after) != active or _others(before) != _others(after):
        raise ZoosupError("`active:` is written in a way that can't be changed safely; change it by hand")


def _listed(root: YamlMapping) -> Any:
    found = names(root.entries["active"].value) if "active" in root.entries else None
    return [found] if isinstance(found, str) else found


def _others(root: YamlMapping) -> list[tuple[str, Any]]:
    return [(key, plain(entry.value)) for key, entry in root.entries.items() if key != "active"]


def _changes(text: str, entry: Entry, active: list[str]) -> list[_Change]:
    value = entry.value
    if isinstance(value, YamlSequence) and not value.flow and value.items:
        return _in_lines(text, entry, value, active)
    return [_in_place(text, value, active)]


def _in_place(text: str, value: YamlNode, active: list[str]) -> _Change:
    """Replace a scalar or a list in brackets as a whole."""
    start, end = value.start.index, value.end.index
    if isinstance(value, YamlSequence) and _has_comment(text, value):
        raise ZoosupError("`active:` holds comments between its names; change it by hand")
    if isinstance(value, YamlMapping) or (isinstance(value, YamlScalar) and value.style in {"|", ">"}):
        raise ZoosupError("`active:` is neither a name nor a list of names; change it by hand")
    single = not isinstance(value, YamlSequence) and len(active) == 1
    written = _written(active[0]) if single else f"[{', '.join(map(_written, active))}]"
    return _Change(start, end, written if start < end else f" {written}")


def _has_comment(text: str, value: YamlSequence) -> bool:
    edges = [
        value.start.index,
        *(i for item in value.items for i in (item.start.index, item.end.index)),
        value.end.index,
    ]
    return any("#" in text[edges[i] : edges[i + 1]] for i in range(0, len(edges), 2))


def _in_lines(text: str, entry: Entry, value: YamlSequence, active: list[str]) -> list[_Change]:
    """Change a list of `- name` lines line by line, as few of them as can be."""
    lines = [_Line.of(text, item) for item in value.items]
    if not active:
        colon = text.index(":", entry.key.end.index) + 1
        return [_Change(colon, colon, " []"), *(line.removed() for line in lines)]
    changes: list[_Change] = []
    old = [line.name for line in lines]
    for tag, i, j, k, m in SequenceMatcher(None, old, active, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        pairs = min(j - i, m - k)
        changes += [lines[i + n].renamed(active[k + n]) for n in range(pairs)]
        changes += [line.removed() for line in lines[i + pairs : j]]
        if new := active[k + pairs : m]:
            changes.append(_inserted(lines, i + pairs, new))
    return changes


def _inserted(lines: list["_Line"], index: int, new: list[str]) -> _Change:
    """Insert lines behind the one above, or before the first; they look like their neighbour."""
    near = lines[max(index - 1, 0)]
    rows = [f"{near.lead}{_written(name)}" for name in new]
    if index == 0:
        return _Change(near.start, near.start, "".join(row + near.line_end for row in rows))
    return _Change(near.end, near.end, "".join(near.line_end + row for row in rows))


class _Line(NamedTuple):
    """One `- name` line: `start` to `end` without its line end, and the item within."""

    start: int
    end: int
    item: YamlScalar
    name: str
    lead: str
    rest: str
    line_end: str

    @classmethod
    def of(cls, text: str, item: YamlNode) -> "_Line":
        start = text.rfind("\n", 0, item.start.index) + 1
        stop = text.find("\n", item.end.index)
        stop = len(text) if stop < 0 else stop
        end = stop - 1 if text[stop - 1 : stop] == "\r" else stop
        lead, rest = text[start : item.start.index], text[item.end.index : end]
        plain_line = re.fullmatch(r" *- +", lead) and re.fullmatch(r"\s*(?:\s#.*)?", rest)
        if not isinstance(item, YamlScalar) or item.style in {"|", ">"} or not plain_line:
            raise ZoosupError("`active:` is not a list with one name a line; change it by hand")
        return cls(start, end, item, item.text, lead, rest, "\r\n" if end < stop or "\r\n" in text else "\n")

    def renamed(self, name: str) -> _Change:
        return _Change(self.item.start.index, self.item.end.index, _written(name))

    def removed(self) -> _Change:
        """Take the line out, or all of it but its comment."""
        if self.rest.strip():
            comment = self.item.end.index + len(self.rest) - len(self.rest.lstrip())
            return _Change(self.start + self.lead.index("-"), comment, "")
        return _Change(self.start, self.end + len(self.line_end), "")


def _written(name: str) -> str:
    if _PLAIN.fullmatch(name) and name.lower() not in _OTHER_THAN_TEXT:
        return name
    return f'"{name}"'
