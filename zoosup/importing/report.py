"""What could not be carried over, and where it stands.

Refuses to know what it is about.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Origin:
    """A line of a file that was read, counted from 1; 0: no line of it, or no file."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that is not as it was."""

    at: Origin
    what: str

    def __str__(self) -> str:
        return f"{self.at}: {self.what}"


@dataclass(slots=True)
class Report:
    """All of them, in the order in which they were found; the same one counts once."""

    found: dict[Remark, None] = field(default_factory=dict)

    def add(self, at: Origin, what: str) -> None:
        """Note one."""
        self.found[Remark(at, what)] = None

    def drop(self, at: Origin, what: str) -> None:
        """Forget one that no longer holds."""
        self.found.pop(Remark(at, what), None)

    @property
    def remarks(self) -> list[Remark]:
        """In the order of the files and their lines."""
        files = list(dict.fromkeys(each.at.file for each in self.found))
        return sorted(self.found, key=lambda each: (files.index(each.at.file), each.at.line))
