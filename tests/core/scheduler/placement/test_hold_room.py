"""Room for what is no model: in whose turn it is had, who makes it, and what it costs the models."""

from dataclasses import replace

import pytest

from tests.core.gpus import gpu_host, gpu_zoo, on_gpu, placed, shown, start_of
from tests.core.zoo import (
    GIB,
    NOW,
    a_booked_hold,
    a_hold,
    a_host,
    a_zoo,
    acts,
    condition,
    cooling_down,
    decide,
    idle,
    leaving,
    on_demand,
    ready,
    served,
    starting,
    waits,
    why,
)
from zoosup.core.scheduler.placement.hold_room import is_refused
from zoosup.core.state.actions import HoldRoom
from zoosup.core.state.observed import Demand

EMPTY = a_zoo({})
ONE_ACTIVE = a_zoo({"a": "12GiB"}, ["a"])
ONE_ON_DEMAND = a_zoo({"a": on_demand("12GiB")})


def verdict(spec, host):
    return decide(spec, host).holds["h"]


def test_it_is_had_at_once_where_there_is_room():
    assert ["book hold h"] == acts(EMPTY, a_host(EMPTY, holds=[a_hold("4GiB")]))


BESIDE_OTHERS = "needs 4 GiB, free 5 GiB, reserve 2 GiB, held by a 12 GiB, others 15 GiB"


@pytest.mark.parametrize(
    ("ram", "foreign", "message"),
    [
        ("21GiB", 0, "ram is short of 13 GiB: needs 21 GiB, budget 20 GiB less a 12 GiB"),
        ("9GiB", 0, "ram is short of 1 GiB: needs 9 GiB, budget 20 GiB less a 12 GiB"),
        ("4GiB", "15GiB", f"ram is short of 1 GiB: {BESIDE_OTHERS}"),
    ],
)
def test_what_can_not_be_had_is_refused_with_the_sum_and_costs_nobody_anything(ram, foreign, message):
    host = a_host(ONE_ACTIVE, foreign=foreign, holds=[a_hold(ram)], a=ready())
    assert [] == acts(ONE_ACTIVE, host)
    assert message == verdict(ONE_ACTIVE, host).message
    assert is_refused(verdict(ONE_ACTIVE, host))


@pytest.mark.parametrize(
    ("demand", "waited", "ready_for", "expected"),
    [
        (idle(60), 1, 90, ["stop a MadeRoom"]),
        (idle(1), 1, 2, []),  # min_residency
        (served(), 1, 90, []),
        (served(), 21, 90, ["drain a MadeRoom"]),  # patience
    ],
)
def test_a_model_on_demand_makes_room_for_it_as_for_a_client(demand, waited, ready_for, expected):
    runs = ready(ready_at=NOW - ready_for)
    host = a_host(ONE_ON_DEMAND, holds=[a_hold("9GiB", waited=waited)], demand={"a": demand}, a=runs)
    assert expected == acts(ONE_ON_DEMAND, host)
    assert not is_refused(verdict(ONE_ON_DEMAND, host))


def test_clients_who_come_later_for_a_busy_model_queue_behind_it():
    busy = Demand(1, 1, NOW - 25, NOW)  # one of its own clients came before
    spec = a_zoo({"a": on_demand("12GiB")})
    host = a_host(spec, holds=[a_hold("9GiB", waited=21)], demand={"a": busy}, a=ready())
    assert {"a": NOW - 21} == decide(spec, host).closed


def test_an_active_model_leaves_for_a_forced_one_alone():
    host = a_host(ONE_ACTIVE, holds=[a_hold("9GiB", forced=True)], a=ready())
    assert ["stop a MadeRoom"] == acts(ONE_ACTIVE, host)
    assert "waits for a to leave" == verdict(ONE_ACTIVE, host).message


def test_no_active_model_leaves_for_a_forced_one_where_idle_ones_suffice():
    spec = a_zoo({"a": "8GiB", "b": on_demand("8GiB")}, ["a"])
    host = a_host(spec, holds=[a_hold("9GiB", forced=True)], demand={"b": idle(60)}, a=ready(), b=ready())
    assert ["stop b MadeRoom"] == acts(spec, host)


def test_a_forced_one_that_never_fits_costs_no_active_model_its_place():
    host = a_host(ONE_ACTIVE, holds=[a_hold("21GiB", forced=True)], a=ready())
    assert [] == acts(ONE_ACTIVE, host)
    assert is_refused(verdict(ONE_ACTIVE, host))


def test_the_memory_of_who_made_room_is_proved_to_be_back_first():
    host = a_host(EMPTY, cooling=[cooling_down()], holds=[a_hold("4GiB")])
    assert [] == acts(EMPTY, host)
    assert "waits for the memory of x to be back" == verdict(EMPTY, host).message


def test_an_active_model_waits_for_what_is_held_and_is_not_refused():
    host = a_host(ONE_ACTIVE, holds=[a_booked_hold("9GiB")])
    assert ["hold a pending WaitingForMemory"] == acts(ONE_ACTIVE, host)
    assert "ram is short of 1 GiB: needs 12 GiB, budget 20 GiB less hold h 9 GiB" == why(
        ONE_ACTIVE, host, "a"
    )


def test_nothing_ends_a_hold_but_its_time():
    spec = a_zoo({"a": "12GiB", "b": on_demand("12GiB")}, ["a"])
    host = a_host(spec, holds=[a_booked_hold("9GiB")], demand={"b": waits(600)})
    assert not [act for act in acts(spec, host) if "release" in act]


@pytest.mark.parametrize(
    ("used", "foreign", "expected"),
    [
        (0, "12GiB", []),  # 20 free - 8 promised - 2 reserve: 10
        ("8GiB", "12GiB", []),  # 12 free - 0 promised - 2: 10
        ("8GiB", "10GiB", ["start a"]),
        ("3GiB", "10GiB", ["start a"]),
        ("9GiB", "9GiB", ["start a"]),  # what it takes beyond its room counts as a stranger's
        ("11GiB", "9GiB", []),
    ],
)
def test_what_its_process_holds_is_not_counted_twice_and_the_rest_stays_promised(used, foreign, expected):
    host = a_host(ONE_ACTIVE, foreign=foreign, holds=[a_booked_hold("8GiB", used)])
    assert expected == [act for act in acts(ONE_ACTIVE, host) if act.startswith("start")]


def test_turns_go_by_when_each_was_asked_for():
    spec = a_zoo({"a": on_demand("12GiB")})
    first = a_host(spec, holds=[a_hold("12GiB", waited=5)], demand={"a": waits(4)})
    assert ["book hold h", "hold a pending WaitingForMemory"] == acts(spec, first)
    second = a_host(spec, holds=[a_hold("12GiB", waited=4)], demand={"a": waits(5)})
    assert ["start a"] == acts(spec, second)


def test_a_hold_that_is_waited_for_keeps_its_room_from_those_who_come_later():
    spec = a_zoo({"a": on_demand("10GiB"), "b": on_demand("9GiB")})
    host = a_host(spec, holds=[a_hold("11GiB", waited=5)], demand={"a": served(), "b": waits(1)}, a=ready())
    assert ["hold b pending WaitingForEviction"] == [act for act in acts(spec, host) if " b" in act]


def test_one_that_is_refused_keeps_no_room_from_anybody():
    spec = a_zoo({"a": on_demand("12GiB")})
    assert ["start a"] == acts(spec, a_host(spec, holds=[a_hold("21GiB", waited=5)], demand={"a": waits(1)}))


def test_it_waits_its_turn_beside_a_model_whose_need_is_a_guess():
    spec = a_zoo({"a": on_demand("auto")})
    host = a_host(spec, holds=[a_hold("4GiB")], demand={"a": waits(9)}, a=starting())
    assert "a model whose need is a guess starts alone" == verdict(spec, host).message


def test_it_ends_when_its_time_is_over_and_is_looked_at_then():
    assert ["release hold h"] == acts(EMPTY, a_host(EMPTY, holds=[a_booked_hold("4GiB", lasts=60.0)]))
    assert NOW + 1 == decide(EMPTY, a_host(EMPTY, holds=[a_booked_hold("4GiB", lasts=61.0)])).wake_at
    waited = a_host(ONE_ON_DEMAND, holds=[a_hold("9GiB", waited=30, lasts=20.0)], a=leaving())
    assert "release hold h" in acts(ONE_ON_DEMAND, waited)


def test_nothing_is_booked_while_zoosup_ends():
    assert [] == acts(EMPTY, a_host(EMPTY, shutdown=True, holds=[a_hold("4GiB")]))


def test_a_budget_that_was_lowered_below_what_is_held_is_said():
    spec = a_zoo({}, budget="2GiB")
    assert not condition(spec, a_host(spec, holds=[a_booked_hold("4GiB")]), None, "WithinBudget").status


# on GPUs


def on_cards(vram, **fields):
    return a_hold(0, vram=vram * GIB, **fields)


def booked(spec, host):
    return next((dict(a.amounts), a.gpus) for a in decide(spec, host).actions if isinstance(a, HoldRoom))


def with_holds(host, *holds):
    return replace(host, holds=holds)


def test_it_stands_on_one_gpu_and_says_on_which():
    spec = gpu_zoo({}, [])
    host = with_holds(gpu_host(spec, [4, 20]), on_cards(10))
    assert ({"ram": 0, "vram:GPU-1": 10 * GIB}, ("GPU-1",)) == booked(spec, host)
    named = with_holds(gpu_host(spec, [24, 20]), on_cards(10, gpu="1"))
    assert ("GPU-1",) == booked(spec, named)[1]


@pytest.mark.parametrize(
    ("free", "fields", "message"),
    [
        ([], {}, "it is to have GPUs, and this host shows none"),
        ([24], {"gpu": "3"}, "3 is no GPU of this host; there are 0 (GPU-0)"),
        ([24, 24], {"vram": 30 * GIB}, "vram:GPU-0 is short of 6 GiB: needs 30 GiB, budget 24 GiB"),
    ],
)
def test_a_gpu_that_is_not_there_or_too_small_is_told(free, fields, message):
    spec = gpu_zoo({}, [])
    hold = a_hold(0, **{"vram": 10 * GIB} | fields)
    assert message == verdict(spec, with_holds(gpu_host(spec, free), hold)).message


def test_a_model_goes_to_the_gpu_that_nothing_is_held_on():
    spec = gpu_zoo({"a": on_gpu("16GiB")}, ["a"])
    held = on_cards(20, booked={"vram:GPU-0": 20 * GIB}, held_since=NOW)
    host = with_holds(gpu_host(spec, [24, 24]), held)
    assert ("GPU-1",) == shown(spec, host, "a")


@pytest.mark.parametrize(
    ("measured", "free", "expected"),
    [
        ({}, 24, {"GPU-0": 12.0}),  # nobody has looked: all of it is still to come
        ({}, 14, None),
        ({"ram": 1, "vram:GPU-0": 10 * GIB}, 14, {"GPU-0": 12.0}),
        (
            {"ram": 1},
            14,
            {"GPU-0": 12.0},
        ),  # the driver doesn't say: it counts as taken, and no more than that is free
        ({"ram": 1}, 24, {"GPU-0": 12.0}),
    ],
)
def test_gpu_memory_that_is_in_use_is_not_promised_besides(measured, free, expected):
    spec = gpu_zoo({"a": on_gpu("12GiB")}, ["a"])
    held = on_cards(10, booked={"vram:GPU-0": 10 * GIB}, held_since=NOW, measured=measured)
    assert expected == start_of(spec, with_holds(gpu_host(spec, [free]), held), "a")


def test_models_of_other_gpus_stay():
    spec = gpu_zoo({"a": on_gpu("12GiB", on_demand=True), "b": on_gpu("12GiB", on_demand=True)}, [])
    host = gpu_host(
        spec, [12, 12], a=placed({"GPU-0": "12GiB"}), b=placed({"GPU-1": "12GiB"}),
        demand={"a": idle(60), "b": idle(900)},
    )  # fmt: skip
    assert ["stop b MadeRoom"] == acts(spec, with_holds(host, on_cards(20, gpu="1")))
