"""Lets the random worlds, histories and laws go where they have not been: rounds of other seeds, for a fixed time.

    python tests/explore/run.py [TEST…] [--minutes 60 | --seeds N | --seed S… | --short]

A round is one seed for every test that draws at random, with ten times the examples of an everyday run. Exits 1 when
one has found something, or could not be played; what it prints then has the shortest example and how to see it again.
"""

# ruff: noqa: T201  it reports to a person

import argparse
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # a script, so that the repository is no package path yet

from tests.explore import rounds
from tests.explore.rounds import Round

PROFILE, PROFILE_SHORT = "nightly", "brief"
SEEDS_SHORT = (1, 2)
"""Fixed: a change must not fail for what chance has found in the code before it."""

MOST_JOBS = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Play, report; 1 when a round was not clean."""
    given = _arguments(arguments)
    profile = PROFILE_SHORT if given.short else PROFILE
    print(f"{'seed':>40} {'seconds':>8} {'examples':>9}  found", flush=True)
    played: list[Round] = []
    for each in play_all(_seeds(given, played), given.tests, profile, given.jobs):
        _show(each, given.tests)
        played.append(each)
    bad = [each for each in played if not each.clean]
    print(f"\n{len(played)} seeds, {sum(each.tried for each in played)} examples, {len(bad)} not clean")
    return 1 if bad or not played else 0


def play_all(seeds: Iterable[int], tests: Sequence[str], profile: str, jobs: int) -> Iterator[Round]:
    """The rounds as they end, so many at once; `seeds` is asked for the next when one can begin."""
    with ThreadPoolExecutor(jobs) as threads:
        running: set[Future[Round]] = set()
        for seed in seeds:
            running.add(threads.submit(rounds.play, seed, tests, profile))
            if len(running) == jobs:
                ended, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (each.result() for each in ended)
        for each in running:
            yield each.result()


def _seeds(given: argparse.Namespace, played: Sequence[Round]) -> Iterable[int]:
    if given.short:
        return SEEDS_SHORT
    if given.seed:
        return given.seed
    if given.seeds:
        return (_fresh() for _ in range(given.seeds))
    return until(time.monotonic() + 60 * given.minutes, played)


def until(end: float, played: Sequence[Round], now: Callable[[], float] = time.monotonic) -> Iterator[int]:
    """Fresh seeds for as long as a round like the longest so far would be over before `end`; one in any case."""
    yield _fresh()
    while now() + max((each.seconds for each in played), default=0.0) < end:
        yield _fresh()


def _fresh() -> int:
    return secrets.randbits(64)


def _show(each: Round, tests: Sequence[str]) -> None:
    found = ", ".join(each.found) if each.complete else "COULD NOT BE PLAYED"
    print(f"{each.seed:40} {each.seconds:8.0f} {each.tried:9}  {found or 'nothing'}", flush=True)
    if not each.clean:
        again = " ".join(each.found if each.complete else tests)
        print(
            f"\n{each.output}\n\nagain: python tests/explore/run.py {again} --seed {each.seed}\n", flush=True
        )


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tests", nargs="*", metavar="TEST", default=list(rounds.TESTS), help="only in these")
    how_long = parser.add_mutually_exclusive_group()
    how_long.add_argument("--minutes", type=float, default=60, metavar="N", help="begin rounds for so long")
    how_long.add_argument("--seeds", type=int, metavar="N", help="so many fresh seeds")
    how_long.add_argument("--seed", type=int, nargs="+", metavar="S", help="these")
    how_long.add_argument(
        "--short", action="store_true", help="two fixed seeds, few examples: a minute, for CI"
    )
    cores = min(os.cpu_count() or 1, MOST_JOBS)
    parser.add_argument("--jobs", type=int, default=cores, metavar="N", help="rounds at once")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
