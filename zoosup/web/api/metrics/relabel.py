"""The texts of several models' servers as one: each series with its model, each family once.

Pure. Reads Prometheus' text format 0.0.4, strictly: of a text with a line that is none nothing is taken. Refuses to
know what the figures mean.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

LABEL = "model"
"""What each series is given; a label of that name becomes `exported_model`, as Prometheus itself would have it."""

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_PAIR = r'[a-zA-Z_][a-zA-Z0-9_]*\s*=\s*"(?:[^"\\\n]|\\.)*"'
_PAIRS = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*("(?:[^"\\\n]|\\.)*")')
_SAMPLE = re.compile(
    rf"({_NAME})(?:\s*\{{\s*((?:{_PAIR}\s*(?:,\s*{_PAIR}\s*)*,?)?)\s*\}}\s*|\s+)(\S+(?:\s+-?\d+)?)"
)
_META = re.compile(rf"#\s*(HELP|TYPE)\s+({_NAME})(?:\s+(.*))?")
_PARTS = {
    "histogram": ("_bucket", "_sum", "_count"),
    "summary": ("_sum", "_count"),
}
"""What the names of a family's series end with, by its type."""


class NoMetricsError(Exception):
    """A text is not in Prometheus' format; says which line."""


@dataclass(slots=True)
class Family:
    """All series of one name. `meta` is what its HELP and TYPE say, each once."""

    meta: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def add(self, other: "Family") -> None:
        """Take in another server's; whoever came first has described it."""
        self.meta = other.meta | self.meta
        self.lines += other.lines


def read(model: str, text: str) -> dict[str, Family]:
    """One server's families by name, in their order, each series with its model; NoMetricsError."""
    families: dict[str, Family] = {}
    current = ""
    for number, line in enumerate(map(str.strip, text.split("\n")), 1):
        if (meta := _META.fullmatch(line)) is not None:
            what, current, said = meta.groups()
            families.setdefault(current, Family()).meta.setdefault(what, said or "")
        elif line and not line.startswith("#"):
            name, labelled = _labelled(model, line, number)
            parts = _PARTS.get(families[current].meta.get("TYPE", ""), ()) if current else ()
            if not (name == current or name in {current + part for part in parts}):
                current = name
            families.setdefault(current, Family()).lines.append(labelled)
    return families


def _labelled(model: str, line: str, number: int) -> tuple[str, str]:
    """The name of a series, and its line with the model."""
    found = _SAMPLE.fullmatch(line)
    if found is None or not _is_figure(found[3].split()[0]):
        raise NoMetricsError(f"line {number} is no metric: {line[:80]!r}")
    pairs = dict(_PAIRS.findall(found[2] or ""))
    if LABEL in pairs:
        moved = f"exported_{LABEL}"
        while moved in pairs:
            moved = f"exported_{moved}"
        pairs[moved] = pairs.pop(LABEL)
    labels = ",".join(f"{name}={value}" for name, value in ({LABEL: _quoted(model)} | pairs).items())
    return found[1], f"{found[1]}{{{labels}}} {found[3]}"


def _is_figure(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def merged(found: Iterable[dict[str, Family]]) -> str:
    """All of them as one text: what describes a family stands once, and its series together."""
    whole: dict[str, Family] = {}
    for families in found:
        for name, family in families.items():
            whole.setdefault(name, Family()).add(family)
    return "".join(
        f"{line}\n" for name, family in whole.items() if family.lines for line in _written(name, family)
    )


def _written(name: str, family: Family) -> Iterator[str]:
    for what in ("HELP", "TYPE"):
        if what in family.meta:
            yield f"# {what} {name} {family.meta[what]}"
    yield from family.lines
