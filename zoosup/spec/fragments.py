"""`include`: a zoo.yaml of several files as one text, and back.

Each fragment stands behind the main file's text, with its name, parted by a character that YAML can't hold. So that all
who keep, compare or send a file's text have the whole of it. Refuses to read files: `host.config` does.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from zoosup.spec.syntax.document import YamlMapping, YamlScalar, YamlSequence, compose
from zoosup.spec.syntax.problems import Problems

SEPARATOR = "\x1e"
"""ASCII's record separator: no YAML text has it."""

KEY = "include"
KEYS = ("models", "vars", "defaults")
"""What a fragment may have, beside keys that begin with x-."""


class Fragment(NamedTuple):
    """One file that is included: its path relative to the main file's directory, and its text."""

    name: str
    text: str


def join(text: str, fragments: Iterable[Fragment]) -> str:
    """One text of them all."""
    return "".join([text, *(f"{SEPARATOR}{each.name}\n{each.text}" for each in fragments)])


def split(text: str) -> tuple[str, tuple[Fragment, ...]]:
    """The main file's text, and the fragments."""
    main, *rest = text.split(SEPARATOR)
    named = (each.partition("\n") for each in rest)
    return main, tuple(Fragment(name, inner) for name, _, inner in named)


def file_of(path: str, name: str) -> str:
    """The name by which problems call a fragment of the file at `path`."""
    return f"{path.rpartition('/')[0]}/{name}" if "/" in path and not name.startswith("/") else name


@lru_cache(maxsize=4)  # the file is looked at every two seconds
def patterns(text: str) -> tuple[str, ...]:
    """What a main file includes: paths and patterns as they stand; none where it has none that could be read."""
    if KEY not in text:
        return ()
    root = compose(text, Problems(""))
    entry = root.entries.get(KEY) if isinstance(root, YamlMapping) else None
    items = entry.value.items if entry is not None and isinstance(entry.value, YamlSequence) else ()
    return tuple(item.text for item in items if isinstance(item, YamlScalar) and item.text)
