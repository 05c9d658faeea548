"""The planted bugs as the files of `planted/` keep them: what each changes, what it breaks, who must notice it.

Knows how one is read and put into a copy of the sources. Refuses to run anything.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LISTS = Path(__file__).with_name("planted")


class DoesNotApplyError(Exception):
    """The sources have moved on and a mutation has not; the text says which and how."""


@dataclass(frozen=True)
class Mutation:
    """One bug: in `file` (of the root) `old`, found exactly once, becomes `new`, and one of `tests` must fail."""

    name: str
    file: str
    old: str
    new: str
    breaks: str
    tests: tuple[str, ...]

    def plant(self, root: Path) -> None:
        """Change the copy of the sources at `root`; DoesNotApplyError when it can't be done without a doubt."""
        path = root / self.file
        text = path.read_text() if path.is_file() else ""
        if text.count(self.old) != 1:
            found = f"{text.count(self.old)} times" if path.is_file() else "not, the file is gone"
            raise DoesNotApplyError(f"{self.name}: the text to change is found {found} in {self.file}")
        path.write_text(text.replace(self.old, self.new))


def planted() -> dict[str, Mutation]:
    """All of them by name, in the order of the files."""
    found: dict[str, Mutation] = {}
    for path in sorted(LISTS.glob("*.toml")):
        for name, table in tomllib.loads(path.read_text()).items():
            if name in found:
                raise ValueError(f"{path.name}: {name} is planted twice")
            found[name] = _mutation(name, table)
    return found


def _mutation(name: str, table: dict[str, Any]) -> Mutation:
    return Mutation(name, **{key: tuple(value) if key == "tests" else value for key, value in table.items()})
