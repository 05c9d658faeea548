"""Lives that the random ones have found and that broke a law once: each is lived through again, law by law."""

import pytest

from tests.core.simulation.test_simulation import Zoo
from tests.core.zoo import a_model, a_zoo


@pytest.fixture
def zoo():
    """A life whose steps a test takes; it is brought to peace as every random one is."""
    life = Zoo()
    yield life
    life.teardown()


def test_somebody_leaves_for_one_whose_room_is_kept_for_an_earlier_one_that_comes_back(zoo):
    """c drains and is asked for again, b after it: a leaves for b, though b would fit if c only went."""
    crowd = {"park": None, "on_demand": True, "need": "9GiB"}
    Zoo.crowd(zoo, **crowd, order="abcd", wanted=0, rivals=3, gap=0.0, hold=40.0, pause=12.004)
    pinned = crowd | {"on_demand": False, "need": "6GiB"}
    Zoo.crowd(zoo, **pinned, order="abcd", wanted=1, rivals=3, gap=8.0, hold=0.0, pause=0.0)
    Zoo.crowd(zoo, **crowd, order="adbc", wanted=0, rivals=2, gap=0.0, hold=0.0, pause=3.0)
    assert "a" in {name for _, name in zoo.sim.stops}


def test_one_wakes_beside_another_that_still_gives_back_what_it_held_awake(zoo):
    """c was looked at halfway to sleep: what it may yet take is promised to it, and not free for a."""
    usual = {"on_demand": True, "hold": 0.0}
    sleeps = {"sleep": "POST /sleep", "wake": "POST /wake_up", "holds": {"ram": "1GiB"}}
    small, large = usual | {"need": "6GiB", "park": None}, usual | {"need": "15GiB"}
    Zoo.crowd(zoo, **small, order="dbca", wanted=2, rivals=3, gap=1.0, pause=3.0)
    Zoo.crowd(zoo, **small, order="acdb", wanted=1, rivals=2, gap=0.02, pause=3.0)
    Zoo.crowd(zoo, **large, park=None, order="adcb", wanted=0, rivals=2, gap=0.0, pause=0.3)
    Zoo.crowd(zoo, **large, park=sleeps, order="cbad", wanted=1, rivals=2, gap=8.0, pause=0.0)
    assert "c" in {name for _, name in zoo.sim.fell_asleep}


def test_one_starts_where_another_that_is_awake_has_given_back_its_memory_for_a_moment(zoo):
    """What a server has unloaded it loads again when it is asked, and is promised until it ends."""
    model = a_model("9GiB", on_demand=True, idle_timeout="20s", ready={"deadline": "20s"})
    zoo.sim.edit(a_zoo({"a": model, "b": model}, ["a"], "64GiB"))
    Zoo.wait(zoo, 3.0)
    Zoo.strangers(zoo, pause=3.0, amount=14)
    Zoo.give_back(zoo, pause=0.0, name="a", share=1.0)
    Zoo.request(zoo, pause=3.0, name="b", hold=0.0, count=1)
    assert ["a"] == [name for _, name in zoo.sim.stops]
