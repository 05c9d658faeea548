"""Plants the bugs of `planted/` one at a time in a copy of the checkout and shows that the tests notice each.

    python tests/mutations/run.py [NAME…] [--list] [--by TEST…]

Exits 1 when a bug survives, can't be planted, or proves nothing. The working tree is only read.
"""

# ruff: noqa: T201  it reports to a person

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # a script, so that the repository is no package path yet

from tests.mutations import trial
from tests.mutations.planted import ROOT, DoesNotApplyError, Mutation, planted


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
        trial.copy(ROOT, pristine)
        return _try_all(chosen, given.by, pristine)


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these mutations")
    parser.add_argument("--list", action="store_true", help="show them and what each breaks, run nothing")
    parser.add_argument(
        "--by", nargs="+", default=[], metavar="TEST", help="run these tests, not those named"
    )
    return parser.parse_args(arguments)


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
        unchanged = trial.run(tests, pristine, pristine.parent / "unchanged")
    except trial.ProvesNothingError as error:
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
        outcome = trial.run(by or mutation.tests, pristine, pristine.parent / mutation.name, mutation.plant)
    except DoesNotApplyError as error:
        return f"CAN'T BE PLANTED  {error}", False
    except trial.ProvesNothingError as error:
        return f"PROVES NOTHING    {error}", False
    return f"{outcome.seconds:6.1f} s  {outcome.killer or 'SURVIVES'}", bool(outcome.killer)


if __name__ == "__main__":
    sys.exit(main())
