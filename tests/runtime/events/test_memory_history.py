"""An hour of what pools held: a point each ten seconds, and never more than the bound."""

import json

from zoosup.runtime.events.memory_history import EVERY, POINTS, MemoryHistory


def at(time, held=5, reserved=7, foreign=3, pools=("ram",)):
    models = {"a": {"held": held, "reserved": reserved}, "b": {"held": 2, "reserved": 1}}
    made = [{"id": name, "held": held + 2, "foreign": foreign, "models": models} for name in pools]
    return {"at": time, "pools": made}


def test_a_point_has_what_is_held_promised_beyond_that_and_used_by_others():
    history = MemoryHistory()
    history.note(at(100.04))
    history.note(at(200.0, foreign=None))
    assert {"ram": [(100.0, 7, 2, 3), (200.0, 7, 2, None)]} == history.since(0)
    assert {"ram": [(200.0, 7, 2, None)]} == history.since(100.0)


def test_between_two_points_are_ten_seconds_however_often_is_published():
    history = MemoryHistory()
    for tenth in range(1000):
        history.note(at(1000.0 + tenth / 10))
    assert [1000.0 + n * EVERY for n in range(10)] == [point[0] for point in history.since(0)["ram"]]


def test_it_is_bounded_to_an_hour_and_small():
    history = MemoryHistory()
    for n in range(3 * POINTS):
        history.note(at(n * EVERY))
    points = history.since(-1)["ram"]
    assert POINTS == len(points)
    assert (3 * POINTS - 1) * EVERY == points[-1][0]
    assert len(json.dumps(points)) < 20_000


def test_a_pool_that_is_gone_is_forgotten_after_an_hour():
    history = MemoryHistory()
    history.note(at(0.0, pools=("ram", "gpu")))
    history.note(at(EVERY * POINTS, pools=("ram",)))
    assert {"ram", "gpu"} == set(history.since(-1))
    history.note(at(EVERY * (POINTS + 1), pools=("ram",)))
    assert {"ram"} == set(history.since(-1))


def test_a_clock_that_was_set_back_begins_anew():
    history = MemoryHistory()
    history.note(at(5000.0))
    history.note(at(1000.0))
    assert [1000.0] == [point[0] for point in history.since(0)["ram"]]


def test_before_the_first_pass_there_is_nothing():
    history = MemoryHistory()
    history.note({"at": 1.0})
    assert {} == history.since(0)
