"""Whether a conversation is saved, or computed again."""

import json

import pytest
from hypothesis import given, strategies as st

from zoosup.core.sessions.worth import (
    AGAIN,
    LASTING,
    Pace,
    Paces,
    after_skipping,
    as_kept,
    is_worth_restoring,
    is_worth_saving,
    paces_of,
    why_not,
)


def seconds(computed, saved, restored):
    """Paces of so many seconds for 1000 tokens; None: not known."""
    return Paces(*(Pace() if each is None else Pace(1000, each) for each in (computed, saved, restored)))


@pytest.mark.parametrize(
    ("computed", "saved", "restored", "saves", "restores"),
    [
        (None, None, None, True, True),
        (None, 9.0, 9.0, True, True),  # how fast it computes is not known: as if nothing was
        (1.0, None, None, True, True),
        (1.0, 0.2, None, True, True),
        (1.0, 1.2, None, False, True),  # whatever restoring takes
        (1.0, 0.2, 0.3, True, True),
        (1.0, 0.5, 0.5, True, True),
        (1.0, 0.6, 0.5, False, True),
        (1.0, 0.1, 1.1, False, False),
        (1.0, None, 1.1, False, False),
    ],
)
def test_what_takes_longer_than_computing_is_not_done(computed, saved, restored, saves, restores):
    paces = seconds(computed, saved, restored)
    assert (saves, restores) == (is_worth_saving(paces), is_worth_restoring(paces))
    assert saves is (not why_not(paces))


@pytest.mark.parametrize(
    ("paces", "words"),
    [
        (
            seconds(0.4, 1.25, 0.8),
            "400 ms to compute again, beside 1.2 s for saving and 800 ms for restoring them",
        ),
        (seconds(0.0123, 61.0, None), "12.3 ms to compute again, beside 61.0 s for saving them"),
    ],
)
def test_why_is_said_in_figures(paces, words):
    assert f"1000 tokens of a prompt take {words}" == why_not(paces)


def test_the_last_measurements_count_for_most():
    pace = Pace().after(LASTING, 100.0)
    for _ in range(5):
        pace = pace.after(LASTING, 10.0)
    assert pytest.approx(10 / LASTING, rel=0.4) == pace.per_token
    assert 10 / LASTING < pace.per_token


@pytest.mark.parametrize(("tokens", "took"), [(0, 1.0), (-1, 1.0), (5, -1.0)])
def test_what_measures_nothing_changes_nothing(tokens, took):
    assert Pace(10, 1.0) == Pace(10, 1.0).after(tokens, took)


def test_the_disk_is_tried_anew_after_so_many_ends():
    paces = seconds(1.0, 9.0, 9.0)
    for _ in range(AGAIN - 1):
        paces = after_skipping(paces)
        assert not is_worth_saving(paces)
    paces = after_skipping(paces)
    assert is_worth_saving(paces)
    assert Pace(1000, 1.0) == paces.computed, "that is measured all the while"


_PACES = st.builds(Pace, st.floats(1, 1e9, allow_nan=False), st.floats(0, 1e6, allow_nan=False)) | st.just(
    Pace()
)


@given(st.builds(Paces, _PACES, _PACES, _PACES, st.integers(0, AGAIN)))
def test_what_is_kept_is_read_again(paces):
    assert paces == paces_of(json.loads(json.dumps(as_kept(paces))))


@pytest.mark.parametrize(
    "kept",
    [None, [], "x", {}, {"computed": [1]}, {"saved": ["a", 1]}, {"restored": [0, 1]}, {"computed": [5, -1]}],
)
def test_what_can_not_be_read_is_not_known(kept):
    assert Paces() == paces_of(kept)
