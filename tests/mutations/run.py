"""Plants the bugs of `planted/` one at a time in a copy of the checkout and shows that the tests notice each.

    python tests/mutations/run.py [NAME…] [--list] [--by TEST…]

Exits 1 when a bug survives, can't be planted, or proves nothing. The working tree is only read.
"""

# ruff: noqa: T201  it reports to a person

import argparse
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # a script, so that the repository is no package path yet

from tests.mutations import cage
from tests.mutations.planted import ROOT, DoesNotApplyError, Mutation, planted

PARTS = ("zoosup", "tests", "examples", "schemas", "README.md", "pyproject.toml")
"""What a copy needs for the tests to run in it."""

LIMIT = 600.0
"""Seconds for all tests of one mutant; each single one has pytest's own limit."""

_FAILED = re.compile(r"^(?:FAILED|ERROR) \S*?::(\S+)", re.MULTILINE)
_TESTS_FAILED = 1  # pytest.ExitCode; 2 is an interrupted collection, 4 and 5 mean that no test was run


@dataclass(frozen=True)
class Outcome:
    """How one run of tests ended. `killer` is the test that failed, "" when all passed."""

    killer: str
    seconds: float


class ProvesNothingError(Exception):
    """The tests did not get as far as to pass or fail; the text is the end of what pytest said."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Plant, test, report; 1 when the table has anything but kills."""
    given = _arguments(arguments)
    everything = planted()
    unknown = [name for name in given.names if name not in everything]
    if unknown:
        print(f"no such mutation: {', '.join(unknown)}; --list shows all", file=sys.stderr)
        return 64
    chosen = [everything[name] for name in given.names or everything]
    if given.list:
        for each in chosen:
            print(f"{each.name:34} {each.file:32} {each.breaks}")
        return 0
    with tempfile.TemporaryDirectory(prefix="zoosup-mutations-") as folder:
        pristine = Path(folder, "pristine")
        _copy(ROOT, pristine)
        return _try_all(chosen, given.by, pristine)


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these mutations")
    parser.add_argument("--list", action="store_true", help="show them and what each breaks, run nothing")
    parser.add_argument(
        "--by", nargs="+", default=[], metavar="TEST", help="run these tests, not those named"
    )
    return parser.parse_args(arguments)


def _copy(source: Path, target: Path) -> None:
    target.mkdir()
    for part in PARTS:
        if (source / part).is_dir():
            shutil.copytree(
                source / part,
                target / part,
                symlinks=True,
                ignore=shutil.ignore_patterns("__pycache__", ".*"),
            )
        else:
            shutil.copy2(source / part, target / part)


def _try_all(chosen: Sequence[Mutation], by: Sequence[str], pristine: Path) -> int:
    """Print the table; the unchanged sources come first, for tests that fail anyway prove nothing."""
    began = time.monotonic()
    width = max(len(each.name) for each in chosen)
    if not _is_green(list(dict.fromkeys(by or [t for each in chosen for t in each.tests])), pristine):
        return 1
    bad = []
    for each in chosen:
        said, killed = _try(each, by, pristine)
        print(f"{each.name:{width}}  {said}", flush=True)
        bad += [] if killed else [each]
    total = time.monotonic() - began
    print(f"\n{len(chosen) - len(bad)} of {len(chosen)} mutants killed, {total:.0f} s")
    for each in bad:
        print(f"not killed: {each.name} ({each.file}): {each.breaks}")
    return 1 if bad else 0


def _is_green(tests: Sequence[str], pristine: Path) -> bool:
    try:
        unchanged = _test(tests, pristine, pristine.parent / "unchanged", None)
    except ProvesNothingError as error:
        print(f"the unchanged sources can't be tested: {error}")
        return False
    if unchanged.killer:
        print(f"the unchanged sources fail already: {unchanged.killer}")
        return False
    print(f"unchanged sources: all named tests pass, {unchanged.seconds:.1f} s\n", flush=True)
    return True


def _try(mutation: Mutation, by: Sequence[str], pristine: Path) -> tuple[str, bool]:
    """A line of the table, and whether it is a kill."""
    try:
        outcome = _test(by or mutation.tests, pristine, pristine.parent / mutation.name, mutation)
    except DoesNotApplyError as error:
        return f"CAN'T BE PLANTED  {error}", False
    except ProvesNothingError as error:
        return f"PROVES NOTHING    {error}", False
    return f"{outcome.seconds:6.1f} s  {outcome.killer or 'SURVIVES'}", bool(outcome.killer)


def _test(tests: Iterable[str], pristine: Path, place: Path, mutation: Mutation | None) -> Outcome:
    """Run the tests in a copy of the sources, with the mutation in it if there is one."""
    _copy(pristine, place)
    try:
        if mutation is not None:
            mutation.plant(place)
        began = time.monotonic()
        try:
            status, output = cage.run(_command(tests), cwd=place, env=_environment(place), limit=LIMIT)
        except cage.TooLongError:
            raise ProvesNothingError(f"no end within {LIMIT:.0f} s") from None
        return Outcome(_killer(status, output), time.monotonic() - began)
    finally:
        with suppress(OSError):
            shutil.rmtree(place)


def _command(tests: Iterable[str]) -> list[str]:
    options = ["-x", "-q", "--tb=no", "-p", "no:cacheprovider", "--timeout=30"]
    return [sys.executable, "-m", "pytest", *options, *tests]


def _environment(place: Path) -> dict[str, str]:
    """First of all the copy, also in programs that tests start elsewhere: zoosup may be installed from the checkout."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    ours = {"HYPOTHESIS_PROFILE": "unshrunk"} | ours
    return ours | {"PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1"}


def _killer(status: int, output: str) -> str:
    failed = _FAILED.search(output)
    if status == 0:
        return ""
    if status != _TESTS_FAILED or failed is None:
        raise ProvesNothingError(" | ".join(output.strip().splitlines()[-3:]) or f"status {status}")
    return failed[1]


if __name__ == "__main__":
    sys.exit(main())
