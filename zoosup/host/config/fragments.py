"""The files that a zoo.yaml includes, read into one text with it.

Refuses to know what is in them; which of them may be missing, the patterns say: a name without * has to be there.
"""

import glob
import os
from collections.abc import Iterator
from pathlib import Path

from zoosup.host.config.text_file import UnreadableError, read_text
from zoosup.spec import fragments
from zoosup.spec.fragments import Fragment

MOST = 1000
"""Files that may be included."""


def whole(path: Path, text: str) -> str:
    """The text of the file at `path` with those that it includes; blocks. UnreadableError where one can't be read."""
    text = _without_separator(path, text)
    found = dict.fromkeys(
        name for pattern in fragments.patterns(text) for name in _names(path.parent, pattern)
    )
    if len(found) > MOST:
        raise UnreadableError(f"{path} includes more than {MOST} files")
    return fragments.join(text, (Fragment(name, _read(path.parent / name)) for name in found))


def watched(path: Path, text: str) -> tuple[Path, ...]:
    """Paths at which something may change: each pattern, and each file that it names."""
    main, found = fragments.split(text)
    names = (*fragments.patterns(main), *(each.name for each in found))
    return tuple(path.parent / name for name in names)


def _names(directory: Path, pattern: str) -> Iterator[str]:
    """Paths as they are written: relative to the directory, or absolute; hidden files are none."""
    if not glob.has_magic(pattern):
        yield pattern
        return
    for name in sorted(glob.glob(pattern, root_dir=directory)):  # noqa: PTH207 - names relative to the directory
        if os.path.isfile(directory / name):  # noqa: PTH113 - is_file raises where we may not look
            yield name


def _read(path: Path) -> str:
    return _without_separator(path, read_text(path))


def _without_separator(path: Path, text: str) -> str:
    if fragments.SEPARATOR in text:
        raise UnreadableError(f"{path} holds the character U+001E, which can't stand in YAML")
    return text
