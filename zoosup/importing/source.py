"""YAML text as nodes that know their line, read as leniently as the programs that people come from.

A key that stands twice counts as the last one, and is remarked upon. Refuses only what is no YAML, what is larger
than a file of models can be, and what contains itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from zoosup.errors import InvalidFileError
from zoosup.importing.report import Origin, Report
from zoosup.spec.syntax.document import MAX_BYTES, MAX_DEPTH, MAX_NODES, YamlScalar

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class Node:
    """A value: a scalar with its `text`, a list, or a table by its keys; nothing where the file has nothing."""

    at: Origin
    value: Any = None
    text: str = ""
    items: "list[Node] | None" = None
    table: "dict[str, Entry] | None" = None

    def get(self, key: str) -> "Node":
        """What stands at a key; a node without a value where nothing does."""
        entry = (self.table or {}).get(key)
        return entry.value if entry is not None else Node(self.at)

    def __contains__(self, key: str) -> bool:
        return key in (self.table or {})

    def entries(self) -> "Iterator[Entry]":
        """The keys of a table in the order of the file."""
        yield from (self.table or {}).values()

    @property
    def given(self) -> bool:
        """Whether there is anything."""
        return self.value is not None or self.items is not None or self.table is not None

    @property
    def truth(self) -> bool:
        """Whether it says yes."""
        return self.value is True or (
            isinstance(self.value, str) and self.text.lower() in {"yes", "on", "true"}
        )

    @property
    def whole(self) -> int | None:
        """A whole number, also as text."""
        if isinstance(self.value, int | float) and not isinstance(self.value, bool):
            return int(self.value) if abs(self.value) < 1e15 else None  # noqa: PLR2004 - nobody means more
        text = self.text.strip() if isinstance(self.value, str) else ""
        return int(text) if text.lstrip("-").isdecimal() and text.isascii() and len(text) < 15 else None  # noqa: PLR2004

    def plain(self) -> Any:
        """None, bool, int, float, str, list and dict."""
        if self.table is not None:
            return {key: entry.value.plain() for key, entry in self.table.items()}
        if self.items is not None:
            return [item.plain() for item in self.items]
        return self.value


@dataclass(slots=True)
class Entry:
    """One key of a table."""

    key: str
    at: Origin
    value: Node


@dataclass(slots=True)
class _Reader:
    file: str
    report: Report
    left: int = MAX_NODES
    path: list[str] = field(default_factory=list)

    def node(self, found: yaml.Node, depth: int) -> Node:
        at = self._at(found)
        self.left -= 1
        if depth > MAX_DEPTH or self.left < 0:
            raise InvalidFileError(
                f"{at}: nested too deep, or more than {MAX_NODES} values once aliases are expanded"
            )
        if isinstance(found, yaml.ScalarNode):
            quoted = found.style if isinstance(found.style, str) and found.style else None
            scalar = YamlScalar(found.start_mark, found.end_mark, text=found.value, style=quoted)
            return Node(at, scalar.value, found.value)
        if isinstance(found, yaml.SequenceNode):
            return Node(at, items=[self.node(item, depth + 1) for item in found.value])
        assert isinstance(found, yaml.MappingNode)  # noqa: S101 - there is no fourth kind
        return self._table(found, at, depth)

    def _table(self, found: yaml.MappingNode, at: Origin, depth: int) -> Node:
        table: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        for key, value in found.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            read = self.node(value, depth + 1)
            if name is None:
                self.report.add(self._at(key), "a key that is a list or a mapping is passed over")
            elif name == "<<" and not key.style:
                for source in read.items if read.items is not None else [read]:
                    for entry in source.entries():
                        merged.setdefault(entry.key, entry)
            else:
                if name in table:
                    what = f"{name} stands in line {table[name].at.line} already; this one counts"
                    self.report.add(self._at(key), what)
                table[name] = Entry(name, self._at(key), read)
        return Node(at, table={**merged, **table})

    def _at(self, found: yaml.Node) -> Origin:
        return Origin(self.file, found.start_mark.line + 1)


def read_yaml(text: str, file: str, report: Report) -> Node:
    """Read the first document of a text; `file` is the name by which remarks call it.

    Raises InvalidFileError, with the place, for a text that is no YAML.
    """
    if len(text) > MAX_BYTES:
        raise InvalidFileError(f"{file}: is larger than 1 MiB")
    try:
        documents = list(yaml.compose_all(text.removeprefix("\ufeff"), Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark is not None else ""
        raise InvalidFileError(f"{file}{place}: not YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise InvalidFileError(f"{file}: not YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise InvalidFileError(f"{file}: nested too deep") from None
    if not documents or documents[0] is None:
        return Node(Origin(file, 1))
    if len(documents) > 1:
        report.add(
            Origin(file, documents[1].start_mark.line + 1), "a second document begins; it is passed over"
        )
    root = _Reader(file, report).node(documents[0], 0)
    for what, node in (("the file", root), ("models", root.get("models"))):
        if node.table is None and (node.value is not None or node.items):
            report.add(node.at, f"{what} is no mapping: nothing of it is carried over")
    return root
