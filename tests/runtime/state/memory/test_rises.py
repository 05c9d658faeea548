import pytest

from zoosup.host.ports.host import PoolReading
from zoosup.runtime.state.memory.rises import STEPS, Rises


def reading(available, pool="ram"):
    return PoolReading(pool, "ram", "RAM", 1000, available, "psutil")


def sampled(*available):
    rises = Rises()
    for at, free in enumerate(available):
        rises.sample([reading(free)], float(at))
    return rises


@pytest.mark.parametrize(
    ("free", "known"),
    [
        ([100], {}),
        ([100, 90], {}),
        ([100, 130], {"ram": 30}),
        ([100, 130, 90], {"ram": 30}),  # a stranger has taken it: that is no proof that nobody gave it back
        ([100, 60, 90], {"ram": 30}),
        ([100, 110, 130], {"ram": 30}),
        ([100, None, 130], {"ram": 30}),
        ([None, 130], {}),
    ],
)
def test_what_comes_free_counts_step_by_step(free, known):
    assert known == sampled(*free).known()


def test_a_look_knows_what_came_free_before_it_began():
    rises = sampled(100, 110, 130, 170)
    rises.looked(2.0)
    assert {"ram": 40} == rises.known()
    rises.looked(3.0)
    assert {} == rises.known()


def test_pools_are_told_apart():
    rises = sampled(100)
    rises.sample([reading(101), reading(5, "vram:x")], 1.0)
    rises.sample([reading(101), reading(9, "vram:x")], 2.0)
    assert {"ram": 1, "vram:x": 4} == rises.known()


def test_of_too_many_steps_the_first_become_one_that_no_earlier_look_knows():
    rises = sampled(*range(STEPS + 3))
    assert {"ram": STEPS + 2} == rises.known()
    rises.looked(2.0)
    assert {"ram": STEPS + 2} == rises.known()
    rises.looked(3.0)
    assert {"ram": STEPS - 1} == rises.known()
