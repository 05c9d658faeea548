"""Kills zoosup at every instant that matters and shows what became of its models.

    python tests/crash/run.py --all          every instant of every history, with the file edited meanwhile and not
    python tests/crash/run.py [HISTORY…]     of these; --at N for one instant, --once for the file as it is
    python tests/crash/run.py --wild N       N deaths of each history at any time, between the instants too
    python tests/crash/run.py --in docker --by client …     its models are containers of a private engine

Exits 1 when an invariant was violated. Linux only: the oracle reads /proc.
"""

# ruff: noqa: T201  it reports to a person

import argparse
import math
import random
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # a script, so that the repository is no package path yet

from tests.crash.cases import HISTORIES, Outcome, run_case
from tests.crash.containers import Containers, in_own_engine
from tests.crash.oracle import Oracle

Case = tuple[int, bool, float]
"""The deadly instant, whether the file is edited meanwhile, and the seconds after which it dies anyway."""

MARGIN = 3
"""Instants tried beyond those that a first life has shown: two lives are never quite the same."""


def main() -> int:
    """Run the cases that were asked for and print one line for each."""
    arguments = _arguments()
    chance = random.Random(arguments.seed)
    wrong: list[Outcome] = []
    with (
        tempfile.TemporaryDirectory(prefix="zoosup-crash-") as folder,
        Oracle() as oracle,
        ThreadPoolExecutor(arguments.jobs) as pool,
        in_own_engine(arguments.engine, arguments.by) if arguments.engine else nullcontext() as containers,
    ):
        for history in arguments.histories or HISTORIES:
            cases = _wild(history, arguments.wild, chance) if arguments.wild else []
            if not cases:
                whole = run_case(
                    oracle, Path(folder, history), history, 0, edited=False, containers=containers
                )
                wrong += _print(whole)
                last = whole.points + MARGIN
                instants = [arguments.at] if arguments.at else range(1, last + 1)
                forms = (False,) if arguments.once else (False, True)
                cases = [(instant, edited, math.inf) for instant in instants for edited in forms]
            homes = [Path(folder, f"{history}-{number}") for number in range(len(cases))]
            for outcome in pool.map(partial(_case, oracle, containers, history), homes, cases):
                wrong += _print(outcome)
    for outcome in wrong:
        print(f"\n{outcome.history} at {outcome.deadly}, {outcome.point}:\n{outcome.wrong}")
    print(f"\n{len(wrong)} violated" if wrong else "\nno invariant violated")
    return 1 if wrong else 0


def _wild(history: str, count: int, chance: random.Random) -> list[Case]:
    longest = 1.5 if HISTORIES[history].first is None else 0.4  # a start begins with an interpreter's
    return [(0, bool(number % 2), chance.uniform(0, longest)) for number in range(count)]


def _case(oracle: Oracle, containers: Containers | None, history: str, home: Path, case: Case) -> Outcome:
    deadly, edited, after = case
    return run_case(oracle, home, history, deadly, edited=edited, after=after, containers=containers)


def _print(outcome: Outcome) -> list[Outcome]:
    """One line of the table; the outcome again if it was wrong."""
    where = outcome.point or ("the whole life" if not outcome.deadly else "(over before)")
    edited = "edited" if outcome.edited else "as it was"
    verdict = "WRONG" if outcome.wrong else "ok"
    print(
        f"{outcome.history:<8} {outcome.deadly:>3}  {where:<22} {edited:<9} {verdict:<6}{outcome.seconds:6.1f} s",
        flush=True,
    )
    return [outcome] if outcome.wrong else []


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("histories", nargs="*", metavar="HISTORY", choices=[*HISTORIES, []])
    parser.add_argument("--all", action="store_true", help="every history; the same as naming none")
    parser.add_argument("--at", type=int, help="this instant alone")
    parser.add_argument("--once", action="store_true", help="no second form of each case with an edited file")
    parser.add_argument("--wild", type=int, metavar="N", help="N deaths of each history at any time")
    parser.add_argument("--seed", type=int, default=3, help="of the wild deaths")
    parser.add_argument(
        "--in", dest="engine", choices=("docker", "podman"), help="models are containers there"
    )
    parser.add_argument("--by", choices=("api", "client"), default="api", help="how it is told to make them")
    parser.add_argument("--jobs", type=int, default=3, help="cases at the same time")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
