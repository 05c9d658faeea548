"""Readings of the memory: which of them are news."""

import pytest

from tests.runtime.builders import GIB
from zoosup.host.ports.host import PoolReading
from zoosup.runtime.state.memory.pools import MOVED, have_moved

STEP = 64 * GIB // MOVED


def reading(free, pool="ram"):
    return PoolReading(pool, "ram", "RAM", 64 * GIB, free, "virtual")


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ([reading(8 * GIB)], [reading(8 * GIB)], False),
        ([reading(8 * GIB)], [reading(8 * GIB + STEP)], False),
        ([reading(8 * GIB)], [reading(8 * GIB + STEP + 1)], True),
        ([reading(8 * GIB)], [reading(8 * GIB - STEP - 1)], True),
        ([reading(8 * GIB)], [reading(None)], True),
        ([reading(None)], [reading(8 * GIB)], True),
        ([reading(None)], [reading(None)], False),
        ([reading(8 * GIB)], [reading(8 * GIB), reading(GIB, "vram:0")], True),
        ([reading(8 * GIB), reading(GIB, "vram:0")], [reading(8 * GIB)], True),
    ],
    ids=[
        "same",
        "a little",
        "more",
        "less",
        "unknown now",
        "known now",
        "unknown",
        "a pool more",
        "a pool less",
    ],
)
def test_free_memory_is_news_where_people_should_see_it(before, now, expected):
    assert expected == have_moved(tuple(before), tuple(now))
