"""Whether a host has room for one more, and what is said where it hasn't; likewise for those who are there already."""

import pytest
from hypothesis import given, strategies as st

from tests.core.fleet.worlds import GIB, need, needs, pools
from zoosup.core.fleet.placement.room import HostRoom
from zoosup.core.fleet.words import PoolRoom


def room(*args, **options):
    return HostRoom(pools(*args, **options))


FITS = [
    ("RAM alone", need(4), (4, 8), True),
    ("more RAM than there is", need(5), (4, 8), "needs 5 GiB of RAM, 4 GiB may be had"),
    ("RAM is short though a card is not", need(5, 1), (4, 8), "needs 5 GiB of RAM, 4 GiB may be had"),
    ("one card", need(1, 8), (4, 8), True),
    ("the card that is large enough", need(1, 8), (4, 4, 8), True),
    ("two cards where one is too small", need(1, 16), (4, 8, 8), True),
    ("no more than one card has", need(1, 12), (4, 8), "needs 12 GiB on a GPU, 8 GiB may be had"),
    (
        "cards are never summed",
        need(1, 13),
        (4, 8, 4),
        "needs 13 GiB on a GPU, 8 GiB may be had or needs 6.5 GiB on each of 2 GPUs, 4 GiB may be had",
    ),
    ("a card takes more when it is split", need(1, 16, each_gpu=GIB), (4, 8, 8), None),
    ("so many cards as it wants", need(1, 8, gpus=2), (4, 4, 4), True),
    ("two cards where there is one", need(1, 2, gpus=2), (4, 8), "needs 2 GPUs, and has 1"),
    ("two cards with room for half each", need(1, 10, gpus=2), (4, 8, 4), None),
    ("a named card", need(1, 8, cards=("1",)), (4, 4, 8), True),
    ("by its UUID", need(1, 8, cards=("GPU-h-1",)), (4, 4, 8), True),
    (
        "a named card that is too small",
        need(1, 8, cards=("0",)),
        (4, 4, 8),
        "needs 8 GiB on GPU 0, 4 GiB may be had",
    ),
    ("a named card that isn't there", need(1, 8, cards=("7",)), (4, 8), "has no GPU 7"),
    ("two named cards, equal shares", need(1, 8, cards=("0", "1")), (4, 4, 4), True),
    ("no card at all: all of it in RAM", need(1, 3), (4,), True),
    ("no card at all, and RAM for a part", need(1, 4), (4,), "needs 5 GiB of RAM, 4 GiB may be had"),
    ("cards where there are none", need(1, 1, gpus=1), (4,), "has no GPU"),
    ("without a card where none is large enough", need(1, 9, without=4), (4, 8), True),
    ("without a card only where none is", need(1, 8, without=4), (4, 8), True),
    ("no GPU wanted", need(1, 0, gpus=0), (4, 8), True),
]


@pytest.mark.parametrize(
    ("wanted", "shape", "says"), [case[1:] for case in FITS], ids=[case[0] for case in FITS]
)
def test_what_fits_and_what_is_said_otherwise(wanted, shape, says):
    found = room(*shape)
    assert (says is True) == (found.fits("m", wanted) is not None)
    if says is not None:
        assert ("" if says is True else says) == found.shortage("m", wanted)


def test_memory_of_gpus_without_any_of_their_own_is_ram():
    assert room(8, 8, unified=True).fits("m", need(1, 7, gpus=1)) is not None
    assert room(8, 8, unified=True).fits("m", need(1, 8, without=1)) is None
    found = room(8, 8, unified=True)
    found.keep("runs", {"ram": GIB, "vram:GPU-h-0": 4 * GIB})
    assert "needs 4 GiB of RAM, 3 GiB may be had" == found.shortage("m", need(4))


def test_all_cards_of_a_model_are_of_one_make():
    nvidia, amd = (PoolRoom(f"vram:{n}", n, 8 * GIB, 8 * GIB, n, make=n) for n in ("nvidia", "amd"))
    found = HostRoom([PoolRoom("ram", "RAM", 8 * GIB, 8 * GIB), nvidia, amd])
    assert found.fits("m", need(1, 8)) is not None
    assert found.fits("m", need(1, 16)) is None
    assert found.fits("m", need(1, 4, cards=("nvidia", "amd"))) is None


def test_one_that_could_be_on_a_card_waits_for_it_and_goes_without_none():
    found = room(8, 8)
    found.add("first", need(1, 8))
    assert "needs 8 GiB on a GPU, 0 B may be had" == found.shortage("m", need(1, 8, without=4))


def test_of_several_cards_the_fullest_that_suffices():
    found = room(8, 8, 4)
    found.add("small", need(1, 4))
    assert found.fits("large", need(1, 8)) is not None


def test_the_largest_is_laid_out_first_whoever_came_first():
    found = room(8, 6, 4)
    found.add("small", need(1, 4))
    found.add("other", need(1, 2))
    assert found.fits("large", need(1, 4)) is not None


def test_one_that_runs_stays_where_it_is():
    found = room(8, 6, 4)
    found.keep("small", {"ram": GIB, "vram:GPU-h-0": 4 * GIB})
    assert found.fits("large", need(1, 6)) is None
    assert found.fits("medium", need(1, 4)) is not None


def test_what_others_would_give_back_counts_as_room_of_the_second_choice():
    found = room(8)
    assert 0.5 == found.fits("m", need(4))
    found.lend("idle", {"ram": 6 * GIB})
    assert found.fits("m", need(4)) < 0
    found.keep("idle", {"ram": 6 * GIB})
    assert found.fits("m", need(4)) is None
    found.remove("idle")
    assert 0.5 == found.fits("m", need(4))


def test_a_host_that_holds_more_than_it_has_takes_nobody_and_keeps_all():
    found = room(4)
    found.keep("m", {"ram": 6 * GIB, "gone": GIB})
    assert found.may_keep("n", {"ram": GIB})
    assert "needs 1 GiB of RAM, 0 B may be had" == found.shortage("o", need(1))


@given(st.lists(needs(), max_size=6), st.permutations(range(6)))
def test_who_came_when_makes_no_difference(wanted, order):
    one, other = room(16, 8, 4), room(16, 8, 4)
    for at, each in enumerate(wanted):
        one.add(f"m{at}", each)
    for at in order:
        if at < len(wanted):
            other.add(f"m{at}", wanted[at])
    assert one.all_fit() == other.all_fit()
    assert one.fits("new", need(1, 2)) == other.fits("new", need(1, 2))


@given(st.lists(needs(), max_size=6), needs())
def test_to_try_something_out_changes_nothing(wanted, more):
    found = room(16, 8, 4)
    for at, each in enumerate(wanted):
        if found.fits(f"m{at}", each) is not None:
            found.add(f"m{at}", each)
    before = found.fits("new", more)
    trial = found.copy()
    trial.keep("x", {"ram": 8 * GIB})
    trial.remove("m0")
    assert before == found.fits("new", more)
    assert found.all_fit()
