"""Which tests run which line of the package, as one covered run of the everyday suite has seen it.

Only what runs in the tests' own process is seen. Knows no mutant, and judges none.
"""

import ast
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from coverage import CoverageData

from tests.mutations import cage, trial

FIRST, NEXT, MOST = 25, 150, 600
"""Tests of the first stage, up to the second, and in all: whoever runs the least is the nearest."""

LIMIT = 3600.0
"""Seconds for the covered run."""


class Reach:
    """What was seen. Tests are functions, `tests/…/test_x.py::test_y`: all cases of one count as one."""

    def __init__(self, database: Path, root: Path) -> None:
        """Read what `learn` has written; `root` has the sources that were run."""
        self._root = root
        data = CoverageData(str(database))
        data.read()
        self._lines = {_within(file): _tests(data, file) for file in data.measured_files()}
        self._breadth = Counter(
            test for lines in self._lines.values() for tests in lines.values() for test in tests
        )

    def stages(self, file: str, line: int) -> list[list[str]]:
        """Who should notice a change of the line, the nearest first, so many at a time.

        Where it was seen to be run by none, a program that its room's tests start may still do so.
        """
        tests = self._of_line(file, line) or [*_room(self._root, file), *self._of_import(file)]
        parts = tests[:FIRST], tests[FIRST:NEXT], tests[NEXT:MOST]
        return [part for part in parts if part]

    def _of_line(self, file: str, line: int) -> list[str]:
        lines = self._lines.get(file, {})
        return self._nearest(
            {test for each in _statement(self._root / file, line) for test in lines.get(each, ())}
        )

    def _of_import(self, file: str) -> list[str]:
        """Of what runs once, as the module is imported: whoever runs anything of it, then of those that name it."""
        found = self._nearest(self._of_file(file))
        for user in _users(self._root, file):
            found += [test for test in self._nearest(self._of_file(user)) if test not in found]
        return found

    def _of_file(self, file: str) -> set[str]:
        return {test for tests in self._lines.get(file, {}).values() for test in tests}

    def _nearest(self, tests: set[str]) -> list[str]:
        return sorted(tests, key=lambda test: (self._breadth[test], test))


def learn(pristine: Path, database: Path, processes: int) -> None:
    """Run the everyday suite over the sources and write down who ran what; tests that fail have run all the same."""
    options = [
        "-q",
        "-m",
        "not e2e",
        "-p",
        "no:cacheprovider",
        "-n",
        str(processes),
        "--no-loadscope-reorder",
    ]
    covered = ["--cov=zoosup", "--cov-branch", "--cov-context=test", "--cov-report="]
    environment = trial.environment(pristine) | {"COVERAGE_FILE": str(database)}
    del environment["PYTHONDONTWRITEBYTECODE"]  # its copies start faster with it
    command = [sys.executable, "-m", "pytest", *options, *covered, "tests"]
    status, output = cage.run(command, cwd=pristine, env=environment, limit=LIMIT)
    if not database.exists():
        raise OSError(f"the everyday suite can't be run, status {status}: {output[-300:]}")


def is_of_the_whole_machine(tests: Sequence[str]) -> bool:
    """Whether they look at all processes of the machine, so that two at once would disturb each other."""
    return any(
        test.startswith(("tests/host", "tests/faults", "tests/cli", "tests/supervisor")) for test in tests
    )


def _within(file: str) -> str:
    return "zoosup/" + file.rpartition("/zoosup/")[2]


def _tests(data: CoverageData, file: str) -> dict[int, set[str]]:
    """By line who ran it; pytest-cov's names are `test[case]|phase`, and "" as modules were imported."""
    found = data.contexts_by_lineno(file).items()
    return {
        line: {name.rpartition("|")[0].partition("[")[0] for name in names if name} for line, names in found
    }


def _statement(path: Path, line: int) -> range:
    """The lines of the innermost statement around the line; of an `if` or a loop its head, of a function all."""
    around = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    inner = max(around, key=lambda node: node.lineno)
    end = inner.end_lineno or inner.lineno
    if body := getattr(inner, "body", None):
        end = end if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) else body[0].lineno - 1
    return range(inner.lineno, max(end, line) + 1)


def _room(root: Path, file: str) -> list[str]:
    """The tests of its folder, its own first: tests mirror the package."""
    path = PurePosixPath(file)
    found = sorted(Path(root, "tests", *path.parts[1:-1]).glob("test_*.py"))
    found.sort(key=lambda test: not test.name.startswith(f"test_{path.stem}"))
    return [test.relative_to(root).as_posix() for test in found]


def _users(root: Path, file: str) -> Iterator[str]:
    """The modules that import a module, by its name or by its folder's and its own."""
    name = file.removesuffix(".py").replace("/", ".")
    folder, _, last = name.rpartition(".")
    for path in sorted((root / "zoosup").rglob("*.py")):
        text = path.read_text()
        if f"from {name} import" in text or (f"from {folder} import" in text and last in text):
            yield path.relative_to(root).as_posix()
