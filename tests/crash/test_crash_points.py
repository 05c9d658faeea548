"""A sample of the instants at which zoosup may die; `python tests/crash/run.py --all` tries every one."""

import os
import random
from concurrent.futures import ThreadPoolExecutor

from tests.crash.cases import HISTORIES, run_case

SEED = int(os.environ.get("ZOOSUP_TEST_SEED", "3"))
INSTANTS = {"start": 12, "replace": 26, "overlap": 26, "stop": 16, "leave": 14}
"""How many each history has, more or less: what lies beyond is a death at its end."""

PER_HISTORY = 3


def sample() -> list[tuple[str, int, bool]]:
    """Instants from all over each history; every second one with the file edited meanwhile."""
    chance = random.Random(SEED)
    cases = []
    for history, count in INSTANTS.items():
        width = count / PER_HISTORY
        for nth in range(PER_HISTORY):
            instant = 1 + int(nth * width + chance.random() * width)
            cases.append((history, instant, bool(len(cases) % 2)))
    return cases


def test_wherever_it_dies_the_next_one_finds_all_and_leaves_none(oracle, home):
    cases = sample()
    assert set(HISTORIES) == {history for history, _, _ in cases}
    with ThreadPoolExecutor(3) as pool:
        outcomes = list(
            pool.map(
                lambda case: run_case(
                    oracle, home / f"{case[0]}-{case[1]}", case[0], case[1], edited=case[2]
                ),
                cases,
            )
        )
    assert [] == [(o.history, o.deadly, o.point, o.edited, o.wrong) for o in outcomes if o.wrong]
    assert sum(bool(o.point) for o in outcomes) >= len(cases) / 2, "hardly any of them died"


def test_an_oracle_that_sees_two_copies_says_so(oracle, daemon):
    """The proof that the case above can fail: the same model started by hand beside its run."""
    zoo = daemon(models="a")
    zoo.write("a")
    zoo.start()
    zoo.until(lambda: zoo.is_as("a"), "a to serve")
    second = zoo.start_by_hand("a")
    zoo.until(lambda: zoo.seen.wrong, "the oracle to notice")
    second.kill()
    second.wait()
    assert "at the same time" in zoo.seen.wrong[0]
