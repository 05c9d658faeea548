"""Who is likely to be asked for next: by who was asked for after whom, the newer the more."""

import pytest
from hypothesis import given, strategies as st

from zoosup.core.scheduler.successors import LEAST, MANY, Successors

NAMES = st.sampled_from(["a", "b", "c", "d"])
ORDERS = st.lists(NAMES, max_size=60)


def learned(order, first=""):
    found, last = Successors(), first
    for model in order:
        found, last = found.seen(last, model), model
    return found


@pytest.mark.parametrize(
    ("order", "last", "likeliest"),
    [
        ("", "", ""),
        ("", "a", "a"),  # what was asked for last may be asked for again
        ("ab", "a", "ab"),
        ("abab", "b", "ba"),
        ("abacab", "a", "abc"),  # b came twice after a, c once
        ("ab" * 9 + "ac" * 8, "a", "acb"),  # what was so before counts less and less
        ("abcb", "d", "dbac"),  # nobody knows who comes after d: whoever comes often
    ],
)
def test_the_likeliest_come_first(order, last, likeliest):
    assert tuple(likeliest) == learned(order).likeliest(last)


@given(order=ORDERS, last=NAMES)
def test_each_is_named_once_and_nobody_who_was_never_asked_for(order, last):
    found = learned(order).likeliest(last)
    assert len(found) == len(set(found))
    assert set(found) <= {*order, last}
    assert last == found[0]


@given(order=ORDERS)
def test_counts_stay_bounded_and_those_that_faded_are_forgotten(order):
    counts = [count for row in learned(order).after.values() for count in row.values()]
    assert all(LEAST <= count < MANY for count in counts)


@given(order=ORDERS, model=NAMES)
def test_a_repetition_teaches_nothing(order, model):
    known = learned(order)
    assert known == known.seen(model, model)


@given(order=st.lists(NAMES, min_size=1, max_size=20))
def test_a_habit_that_lasts_wins(order):
    after = learned([*order, *["x", "y"] * 20])
    assert ("x", "y") == after.likeliest("x")[:2]
