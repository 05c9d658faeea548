"""YAML text as a tree of nodes that know where they stand.

Reads the events of PyYAML's safe parser (libyaml where it is built in), so that no tag ever makes an object.
Scalars follow YAML 1.2's core schema: `no`, `on` and `12:30` are text. Keys are always their literal text.
Refuses to know which keys and values zoo.yaml allows.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml

from zoosup.spec.syntax.mistakes import in_words
from zoosup.spec.syntax.problems import Problems

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 64
MAX_NODES = 100_000
"""Nodes once every alias is expanded: nine lines of nested aliases are a thousand million of them."""

Place: TypeAlias = tuple[int, int]

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAGS = {
    "scalar": "tag:yaml.org,2002:str",
    "list": "tag:yaml.org,2002:seq",
    "mapping": "tag:yaml.org,2002:map",
}
_UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")

_NULL = re.compile(r"null|Null|NULL|~|")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|0o[0-7]{1,20}|0x[0-9a-fA-F]{1,16}"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)


@dataclass(slots=True)
class YamlNode:
    """What all nodes have: marks of the first character and of the one after the last, their extent."""

    start: Any
    end: Any
    size: int = 1
    depth: int = 1

    @property
    def place(self) -> Place:
        """Line and column, counted from 1."""
        return self.start.line + 1, self.start.column + 1


@dataclass(slots=True)
class YamlScalar(YamlNode):
    """A text; `style` is None for a plain one, else its quote or `|` or `>`."""

    text: str = ""
    style: str | None = None

    @property
    def value(self) -> bool | float | str | None:
        """What the text means by YAML 1.2's core schema.

        A number is an int only as people write one: `0777`, `0x1f` and `1e3` are floats, which no field of
        whole numbers takes.
        """
        text = self.text
        if self.style is not None:
            return text
        if _NULL.fullmatch(text):
            return None
        if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
            return text[0] in "tT"
        if _WHOLE.fullmatch(text):
            return int(text)
        return _number(text) if _NUMBER.fullmatch(text) else text


def _number(text: str) -> float:
    if text[:2] in {"0o", "0x"}:
        return float(int(text, 0))
    return float(text.replace(".", "") if text[-1] in "fFnN" else text)


@dataclass(slots=True)
class YamlSequence(YamlNode):
    """A list; `flow` when written in brackets."""

    items: list[YamlNode] = field(default_factory=list)
    flow: bool = False


@dataclass(slots=True)
class Entry:
    """One key of a mapping and its value; `inherited` when `defaults` gave it to a model."""

    key: YamlScalar
    value: YamlNode
    inherited: bool = False


@dataclass(slots=True)
class YamlMapping(YamlNode):
    """A mapping, by the literal text of its keys, in the order of the file."""

    entries: dict[str, Entry] = field(default_factory=dict)


_NOWHERE = yaml.Mark("", 0, 0, 0, None, 0)
NOTHING = YamlMapping(_NOWHERE, _NOWHERE)
"""An empty mapping that stands nowhere."""


def plain(node: YamlNode) -> Any:
    """Give a node's value as None, bool, int, float, str, list and dict."""
    if isinstance(node, YamlScalar):
        return node.value
    if isinstance(node, YamlSequence):
        return [plain(item) for item in node.items]
    assert isinstance(node, YamlMapping)  # noqa: S101 - there is no fourth kind
    return {key: plain(entry.value) for key, entry in node.entries.items()}


def names(node: YamlNode) -> Any:
    """Give a name or a list of names as literal text: a model may be called `no`, `1e3` or `0777`."""
    if isinstance(node, YamlSequence):
        return [
            item.text if isinstance(item, YamlScalar) and item.value is not None else plain(item)
            for item in node.items
        ]
    return node.text if isinstance(node, YamlScalar) and node.value is not None else plain(node)


def compose(text: str, problems: Problems) -> YamlNode | None:
    """Read one YAML document; None where nothing can be read, which is then among the problems.

    Duplicate keys, tags and other mistakes that leave a tree are noted, and the reading goes on.
    """
    text = text.removeprefix("\ufeff")
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        problems.add((1, 1), "", "the file is larger than 1 MiB", "a smaller one")
        return None
    if bad := _UNPRINTABLE.search(text):
        _note_unprintable(text, bad.start(), problems)
        return None
    try:
        return _Composer(text, problems).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what, expected = in_words(text, place, error.problem or error.context or "")
        problems.add(place, "", what, expected)
    except _TooMuchError:
        pass
    return None


def _note_unprintable(text: str, index: int, problems: Problems) -> None:
    before = text[:index]
    place = before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1
    problems.add(place, "", f"the character U+{ord(text[index]):04X} can't stand in YAML", "UTF-8 text")


class _TooMuchError(Exception):
    """A limit is exceeded and noted; reading on would cost what the limit is to save."""


class _Composer:
    def __init__(self, text: str, problems: Problems) -> None:
        self._events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
        self._problems = problems
        self._anchors: dict[str, YamlNode | None] = {}

    def document(self) -> YamlNode | None:
        next(self._events)
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        root = self._node(next(self._events), ())
        next(self._events)
        if not isinstance(after := next(self._events), yaml.StreamEndEvent):
            self._note(after.start_mark, (), "a second document begins", "one document")
        return root

    def _note(self, mark: yaml.Mark, path: Sequence[str], what: str, expected: str) -> None:
        self._problems.add((mark.line + 1, mark.column + 1), ".".join(path), what, expected)

    def _node(self, event: Any, path: tuple[str, ...]) -> YamlNode:
        if len(path) > MAX_DEPTH:
            self._note(event.start_mark, (), f"nested more than {MAX_DEPTH} deep", "less")
            raise _TooMuchError
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, path)
        if event.anchor:
            self._anchors[event.anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            node: YamlNode = self._scalar(event, path)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._items(event, path)
        else:
            node = self._table(event, path)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: Any, path: tuple[str, ...]) -> YamlNode:
        node = self._anchors.get(event.anchor)
        if node is not None:
            return node
        if event.anchor in self._anchors:
            self._note(event.start_mark, path, f"the alias *{event.anchor} contains itself", "another one")
        else:
            # Unnamed: a key that begins with * and lacks its quotes is no alias, but a secret.
            expected = "its anchor before it; a text that begins with * needs quotes"
            self._note(event.start_mark, path, "an alias (*…) has no anchor above it", expected)
        return YamlScalar(event.start_mark, event.end_mark)

    def _scalar(self, event: Any, path: tuple[str, ...]) -> YamlScalar:
        self._check_tag(event, path, "scalar")
        style = event.style or ("'" if event.tag else None)
        return YamlScalar(event.start_mark, event.end_mark, text=event.value, style=style)

    def _items(self, event: Any, path: tuple[str, ...]) -> YamlSequence:
        self._check_tag(event, path, "list")
        node = YamlSequence(event.start_mark, event.end_mark, flow=bool(event.flow_style))
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            item = self._node(event, (*path, str(len(node.items))))
            node.items.append(item)
            self._grow(node, item)
        node.end = event.end_mark
        return node

    def _table(self, event: Any, path: tuple[str, ...]) -> YamlMapping:
        self._check_tag(event, path, "mapping")
        node = YamlMapping(event.start_mark, event.end_mark)
        merged: list[YamlMapping] = []
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, (*path, "?"))
            value_event = next(self._events)
            if not isinstance(key, YamlScalar):
                self._note(key.start, path, "a key is a list or a mapping", "a text")
                self._node(value_event, (*path, "?"))
                continue
            value = self._node(value_event, (*path, key.text))
            self._grow(node, value)
            if key.text == "<<" and key.style is None:
                merged += self._merged(value, path)
            elif key.text in node.entries:
                first = node.entries[key.text].key.place[0]
                self._note(
                    key.start, (*path, key.text), f"the key stands in line {first} already", "each key once"
                )
            else:
                node.entries[key.text] = Entry(key, value)
        for table in merged:
            for name, entry in table.entries.items():
                node.entries.setdefault(name, entry)
        node.end = event.end_mark
        return node

    def _merged(self, value: YamlNode, path: tuple[str, ...]) -> list[YamlMapping]:
        tables = value.items if isinstance(value, YamlSequence) else [value]
        if all(isinstance(table, YamlMapping) for table in tables):
            return [table for table in tables if isinstance(table, YamlMapping)]
        self._note(value.start, (*path, "<<"), "merges what is no mapping", "a mapping or a list of mappings")
        return []

    def _grow(self, node: YamlNode, child: YamlNode) -> None:
        node.size += child.size
        node.depth = max(node.depth, child.depth + 1)
        if node.size > MAX_NODES:
            self._note(node.start, (), f"more than {MAX_NODES} values once aliases are expanded", "fewer")
            raise _TooMuchError
        if node.depth > MAX_DEPTH:
            self._note(node.start, (), f"nested more than {MAX_DEPTH} deep once aliases are expanded", "less")
            raise _TooMuchError

    def _check_tag(self, event: Any, path: tuple[str, ...], kind: str) -> None:
        if event.tag not in {None, "!", _TAGS[kind]}:
            named = (
                f" {event.tag}" if event.tag.startswith("tag:") else ""
            )  # another may be a secret, as above
            expected = "no tag; a text that begins with ! needs quotes"
            self._note(event.start_mark, path, f"has a tag{named}", expected)
