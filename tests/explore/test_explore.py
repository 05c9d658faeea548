"""The exploration: what a law forbids is found and can be seen again, what can't be played is no good news."""

import textwrap

import pytest

from tests.explore import rounds, run
from tests.explore.rounds import Round

LAWS = """
from hypothesis import given, strategies as st


@given(st.integers(0, 3))
def test_holds(n):
    assert n < 4


@given(st.lists(st.integers(0, 1000)))
def test_is_broken(numbers):
    assert not numbers or max(numbers) < 7


def test_draws_nothing():
    raise AssertionError
"""


@pytest.fixture
def laws(tmp_path):
    file = tmp_path / "test_laws.py"
    file.write_text(textwrap.dedent(LAWS))
    return str(file)


def a_round(seed=1, seconds=100.0, found=(), tried=9, complete=True):
    return Round(seed, seconds, tried, tuple(found), "output", complete)


def test_a_broken_law_is_found_with_its_shortest_example_and_how_to_see_it_again(laws, capsys):
    assert 1 == run.main([laws, "--seed", "5", "--jobs", "1"])
    said = capsys.readouterr().out
    assert "numbers=[7]" in said
    [again] = [line for line in said.splitlines() if line.startswith("again: ")]
    assert again.endswith("::test_is_broken --seed 5")
    assert "1 seeds" in said
    assert "1 not clean" in said


def test_what_draws_nothing_is_not_run(laws):
    assert 0 == run.main([f"{laws}::test_holds", "--short", "--jobs", "2"])
    assert 1 == run.main([f"{laws}::test_draws_nothing", "--seed", "5"])


def test_tests_that_do_not_run_are_no_clean_round(tmp_path, capsys):
    (tmp_path / "test_laws.py").write_text("(")
    assert 1 == run.main([str(tmp_path), "--seed", "5"])
    assert "1 not clean" in capsys.readouterr().out


def test_examples_are_counted_and_finds_named():
    output = (
        "=== Hypothesis Statistics ===\n"
        "tests/x.py::a:\n  - during generate phase (1 seconds):\n"
        "    - 30 passing, 1 failing, and 2 invalid test cases\n"
        "  - during shrink phase (1 seconds):\n    - 4 passing examples, 5 failing examples, 6 invalid examples\n"
        "=== short test summary info ===\n"
        "FAILED tests/x.py::a - AssertionError\n"
    )
    judged = rounds.judge(7, 1.5, 1, output)
    assert 48 == judged.tried
    assert ("tests/x.py::a",) == judged.found
    assert "Statistics" not in judged.output
    assert "FAILED tests/x.py::a" in judged.output
    assert judged.complete
    assert not judged.clean


@pytest.mark.parametrize(
    ("status", "output"), [(0, "4 passed"), (2, "ERROR tests/x.py"), (5, "no tests ran")]
)
def test_a_round_in_which_nothing_was_tried_is_incomplete(status, output):
    assert not rounds.judge(7, 1.5, status, output).complete


def test_fresh_seeds_come_while_one_more_round_would_end_in_time():
    played, clock = [], iter([0.0, 40.0, 90.0, 130.0])
    seeds = run.until(200.0, played, lambda: next(clock))
    first = [next(seeds), next(seeds)]
    played.append(a_round(seconds=100.0))
    more = list(seeds)
    assert 4 == len({*first, *more})


def test_one_seed_is_tried_however_short_the_time():
    assert 1 == len(list(run.until(0.0, [], lambda: 1.0)))


def test_so_many_rounds_run_at_once_and_the_next_seed_is_asked_for_when_one_can_begin(monkeypatch):
    asked, ended = [], []

    def seeds():
        for seed in range(5):
            asked.append((seed, len(ended)))
            yield seed

    monkeypatch.setattr(rounds, "play", lambda seed, _tests, _profile: a_round(seed))
    for each in run.play_all(seeds(), [], "brief", 2):
        ended.append(each.seed)  # noqa: PERF401 - `seeds` looks at it meanwhile
    assert sorted(ended) == list(range(5))
    assert all(done >= seed - 2 for seed, done in asked)
