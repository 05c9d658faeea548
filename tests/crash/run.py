"""Kills zoosup at every instant that matters and shows what became of its models.

    python tests/crash/run.py --all          every instant of every history, with the file edited meanwhile and not
    python tests/crash/run.py [HISTORY…]     of these; --at N for one instant, --once for the file as it is

Exits 1 when an invariant was violated. Linux only: the oracle reads /proc.
"""

# ruff: noqa: T201  it reports to a person

import argparse
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # a script, so that the repository is no package path yet

from tests.crash.cases import HISTORIES, Outcome, run_case
from tests.crash.oracle import Oracle

MARGIN = 3
"""Instants tried beyond those that a first life has shown: two lives are never quite the same."""


def main() -> int:
    """Run the cases that were asked for and print one line for each."""
    arguments = _arguments()
    wrong: list[Outcome] = []
    with (
        tempfile.TemporaryDirectory(prefix="zoosup-crash-") as folder,
        Oracle() as oracle,
        ThreadPoolExecutor(arguments.jobs) as pool,
    ):
        for history in arguments.histories or HISTORIES:
            whole = run_case(oracle, Path(folder, history), history, 0, edited=False)
            _print(whole)
            instants = [arguments.at] if arguments.at else range(1, whole.points + 1 + MARGIN)
            cases = [
                (n, edited) for n in instants for edited in ((False,) if arguments.once else (False, True))
            ]
            outcomes = pool.map(
                lambda case, history=history: run_case(
                    oracle, Path(folder, f"{history}-{case[0]}-{case[1]:d}"), history, case[0], edited=case[1]
                ),
                cases,
            )
            for outcome in outcomes:
                _print(outcome)
                wrong += [outcome] if outcome.wrong else []
            wrong += [whole] if whole.wrong else []
    for outcome in wrong:
        print(f"\n{outcome.history} at {outcome.deadly}, {outcome.point}:\n{outcome.wrong}")
    print(f"\n{len(wrong)} violated" if wrong else "\nno invariant violated")
    return 1 if wrong else 0


def _print(outcome: Outcome) -> None:
    where = outcome.point or ("the whole life" if not outcome.deadly else "(over before)")
    edited = "edited" if outcome.edited else "as it was"
    verdict = "WRONG" if outcome.wrong else "ok"
    print(
        f"{outcome.history:<8} {outcome.deadly:>3}  {where:<22} {edited:<9} {verdict:<6}{outcome.seconds:6.1f} s",
        flush=True,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("histories", nargs="*", metavar="HISTORY", choices=[*HISTORIES, []])
    parser.add_argument("--all", action="store_true", help="every history; the same as naming none")
    parser.add_argument("--at", type=int, help="this instant alone")
    parser.add_argument("--once", action="store_true", help="no second form of each case with an edited file")
    parser.add_argument("--jobs", type=int, default=3, help="cases at the same time")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
