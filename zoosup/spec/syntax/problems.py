"""What is wrong with a zoo.yaml, where, and what was expected instead.

Knows how problems are gathered, ordered and worded; refuses to know how they are found.
"""

from dataclasses import dataclass

from zoosup.errors import InvalidFileError


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake; line and column count from 1, `path` is the place in the document: models.a.port."""

    file: str
    line: int
    column: int
    path: str
    what: str
    expected: str

    def __str__(self) -> str:
        """Write `file:line:column: path: what, expected what`."""
        where = f"{self.file}:{self.line}:{self.column}: {self.path}: " if self.path else self.place
        return f"{where}{self.what}{', expected ' * bool(self.expected)}{self.expected}"

    @property
    def place(self) -> str:
        """`file:line:column: `, for a problem of the file as a whole."""
        return f"{self.file}:{self.line}:{self.column}: "


class SpecError(InvalidFileError):
    """zoo.yaml is not valid; `problems` holds every mistake in the order of the file."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))


class Problems:
    """A file's mistakes while they are being found; the same one found twice counts once."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._files = [file]
        self.found: dict[Problem, None] = {}

    def of(self, file: str) -> "Problems":
        """The same mistakes, where those that are added stand in another file."""
        other = Problems(file)
        if file not in self._files:
            self._files.append(file)
        other.found, other._files = self.found, self._files
        return other

    @property
    def file(self) -> str:
        """The file of those that are added."""
        return self._file

    @property
    def ordered(self) -> tuple[Problem, ...]:
        """File by file, in the order of each."""
        return tuple(
            sorted(self.found, key=lambda each: (self._files.index(each.file), each.line, each.column))
        )

    def add(self, at: tuple[int, int], path: str, what: str, expected: str = "") -> None:
        """Note a mistake at (line, column), both counted from 1."""
        self.found[Problem(self._file, *at, path, what, expected)] = None

    def check(self) -> None:
        """Raise SpecError if anything was found."""
        if self.found:
            raise SpecError(self.ordered)
