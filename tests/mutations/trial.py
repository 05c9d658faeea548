"""One trial: some tests, run in a copy of the sources with one change in it or none, and how they ended.

Nothing that a trial starts lives on, and the working tree is only read. Knows no list of bugs, and not who should
notice which.
"""

import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.mutations import cage

PARTS = ("zoosup", "tests", "examples", "schemas", "README.md", "pyproject.toml")
"""What a copy needs for the tests to run in it."""

LIMIT = 600.0
"""Seconds for all tests of one mutant; each single one has pytest's own limit."""

_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S*?::\S+)", re.MULTILINE)
_TESTS_FAILED = 1  # pytest.ExitCode; 2 is an interrupted collection, 4 and 5 mean that no test was run


@dataclass(frozen=True)
class Outcome:
    """How one run of tests ended. `failed` is the test that did, as pytest names it, "" when all passed."""

    failed: str
    seconds: float

    @property
    def killer(self) -> str:
        """Its name alone."""
        return self.failed.partition("::")[2]


class ProvesNothingError(Exception):
    """The tests did not get as far as to pass or fail; the text is the end of what pytest said."""


class NoEndError(ProvesNothingError):
    """They did not end in time."""


def copy(source: Path, target: Path) -> None:
    """Make `target` a checkout in which the tests can run, with the bytecode that `source` has."""
    target.mkdir()
    for part in PARTS:
        if (source / part).is_dir():
            shutil.copytree(
                source / part,
                target / part,
                symlinks=True,
                ignore=shutil.ignore_patterns(".*"),
            )
        else:
            shutil.copy2(source / part, target / part)


def run(
    tests: Iterable[str],
    pristine: Path,
    place: Path,
    plant: Callable[[Path], None] | None = None,
    limit: float = LIMIT,
) -> Outcome:
    """Run the tests in a copy of the sources, after `plant` has changed it; ProvesNothingError where none had a say."""
    copy(pristine, place)
    try:
        if plant is not None:
            plant(place)
        began = time.monotonic()
        try:
            status, output = cage.run(_command(tests), cwd=place, env=environment(place), limit=limit)
        except cage.TooLongError:
            raise NoEndError(f"no end within {limit:.0f} s") from None
        return Outcome(_killer(status, output), time.monotonic() - began)
    finally:
        with suppress(OSError):
            shutil.rmtree(place)


def _command(tests: Iterable[str]) -> list[str]:
    options = ["-x", "-q", "--tb=no", "-p", "no:cacheprovider", "--timeout=30"]
    return [sys.executable, "-m", "pytest", *options, *tests]


def environment(place: Path) -> dict[str, str]:
    """First of all the copy, also in programs that tests start elsewhere: zoosup may be installed from the checkout."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    ours = {"HYPOTHESIS_PROFILE": "unshrunk"} | ours
    ours.pop("PYTHONPYCACHEPREFIX", None)  # a copy brings its own
    return ours | {"PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1"}


def _killer(status: int, output: str) -> str:
    failed = _FAILED.search(output)
    if status == 0:
        return ""
    if status != _TESTS_FAILED or failed is None:
        raise ProvesNothingError(" | ".join(output.strip().splitlines()[-3:]) or f"status {status}")
    return failed[1]
