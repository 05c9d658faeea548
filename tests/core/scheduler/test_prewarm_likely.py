"""Whose weights are kept in memory because they are likely to be asked for: only what nobody else needs, ever."""

from dataclasses import replace

import pytest
from hypothesis import example, given, strategies as st

from tests.core.scheduler.test_prewarm import with_weights
from tests.core.zoo import (
    GIB,
    a_booked_hold,
    a_host,
    a_model,
    a_zoo,
    by_hand,
    cooling_down,
    leaving,
    on_demand,
    parked,
    parking,
    ready,
    resting,
    starting,
    waits,
)
from zoosup.core.scheduler.cycle import Cycle
from zoosup.core.scheduler.prewarm import LEAST, NextModel, likely_to_warm
from zoosup.core.state.phases import Override, Phase, Reason
from zoosup.core.state.pools import Pressure
from zoosup.spec.model.gateway import GatewaySpec

LIKELY = GatewaySpec(prewarm="likely")


def zoo(gateway=LIKELY, budget="28GiB", **models):
    declared = {"a": on_demand(), "b": on_demand(), "c": on_demand()} | models
    return a_zoo(declared, [], budget=budget).model_copy(update={"gateway": gateway})


ZOO = zoo()


def chosen(host, likeliest="abc", spec=ZOO):
    return [(each.model, each.limit / GIB) for each in likely_to_warm(spec, host, likeliest)]


def pressed(host, **pressure):
    node = replace(host.nodes[0], pressures=(Pressure("ram", **pressure),))
    return replace(host, nodes=(node,))


def test_the_likeliest_are_read_in_their_order_as_far_as_memory_is_free():
    host = a_host(ZOO, a=ready(), b=with_weights(8 * GIB), c=with_weights(8 * GIB), free="14GiB")
    # 2 of the 14 are the reserve; a runs, and holds what it has been promised
    assert [("b", 8), ("c", 4)] == chosen(host)
    assert [("c", 8), ("b", 4)] == chosen(host, "cb")


def test_one_of_unknown_size_takes_what_is_left():
    host = a_host(ZOO, b=with_weights(8 * GIB), free="14GiB")
    assert [("b", 8), ("a", 4)] == chosen(host, "bac")


def test_what_others_were_promised_and_do_not_hold_yet_is_not_read_into():
    spec = zoo(c=a_model("6GiB"))
    host = a_host(spec, a=ready(holds="4GiB"), c=ready(holds="1GiB"), b=with_weights(9 * GIB), free="20GiB")
    # a may still take 8, c 5
    assert [("b", 5)] == chosen(host, spec=spec)
    held = a_host(spec, b=with_weights(9 * GIB), free="20GiB", holds=[a_booked_hold("12GiB", "0GiB")])
    assert [("b", 6)] == chosen(held, "b", spec=spec)


@pytest.mark.parametrize(
    "state",
    [ready(), parked(), by_hand(Override.STOP), resting(Phase.FAILED, Reason.CRASH_LOOP)],
    ids=["runs", "sleeps", "stopped by hand", "failed"],
)
def test_who_could_not_be_started_by_a_request_is_not_read(state):
    assert [] == chosen(a_host(ZOO, a=state), "a")


def test_who_is_not_on_demand_or_not_in_the_file_is_not_read():
    spec = zoo(c=a_model("6GiB"))
    assert [] == chosen(a_host(spec), ["c", "nobody"], spec=spec)


@pytest.mark.parametrize(
    "other",
    [
        {"c": starting()},
        {"c": leaving()},
        {"c": parking()},
        {"cooling": [cooling_down()]},
        {"demand": {"c": waits()}},
        {"shutdown": True},
        {"unknown": True},
        {"free": "2GiB"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_nothing_is_read_while_a_model_comes_or_goes_or_nothing_is_free(other):
    assert [("a", 8)] == chosen(a_host(ZOO, a=with_weights(8 * GIB)), "a")
    assert [] == chosen(a_host(ZOO, a=with_weights(8 * GIB), **other), "a")


def test_who_waits_for_a_model_that_runs_holds_nothing_up():
    host = a_host(ZOO, a=with_weights(8 * GIB), c=ready(), demand={"c": waits()}, free="14GiB")
    assert [("a", 8)] == chosen(host, "a")


@pytest.mark.parametrize(
    ("pressure", "calm"),
    [({}, True), ({"stalled": 0.0}, True), ({"stalled": 0.02}, False), ({"short_since": 1.0}, False)],
)
def test_the_first_sign_of_pressure_ends_it(pressure, calm):
    host = pressed(a_host(ZOO, a=with_weights(8 * GIB)), **pressure)
    assert calm == bool(chosen(host, "a"))


@pytest.mark.parametrize("gateway", [GatewaySpec(), GatewaySpec(prewarm=False), False])
def test_only_a_file_that_says_so_has_them_read(gateway):
    assert [] == chosen(a_host(ZOO, a=with_weights(8 * GIB)), spec=zoo(gateway))


LARGE = zoo(d=on_demand(), budget="64GiB")
STATES = st.one_of(
    st.builds(with_weights, st.integers(0, 20 * GIB)),
    st.builds(with_weights, st.integers(LEAST, 12 * GIB)),
    st.just(resting()),
    st.builds(lambda holds: ready(holds=holds), st.integers(0, 14 * GIB)),
    st.just(parked()),
)
HOSTS = st.builds(
    lambda free, used, a, b, c, d: a_host(
        LARGE, free=free, holds=[a_booked_hold("6GiB", used)], a=a, b=b, c=c, d=d
    ),
    st.integers(0, 40 * GIB), st.integers(0, 6 * GIB), STATES, STATES, STATES, STATES,
)  # fmt: skip
RANKINGS = st.lists(st.sampled_from("abcdx"), max_size=8)


@given(host=HOSTS, likeliest=RANKINGS)
@example(a_host(LARGE, free="12GiB", a=with_weights(8 * GIB), b=with_weights(8 * GIB)), ["a", "b"])
def test_never_more_than_what_is_free_less_reserve_and_promises(host, likeliest):
    found = likely_to_warm(LARGE, host, likeliest)
    (pool,) = host.nodes[0].pools
    (ledger,) = Cycle(LARGE, host).ledgers.values()
    promised = sum(max(0, each.need - each.measured) for each in ledger.holdings.values())
    assert sum(each.limit for each in found) <= max(0, pool.available - pool.reserve - promised)


@given(host=HOSTS, likeliest=RANKINGS)
def test_never_a_model_that_runs_and_each_once_in_order(host, likeliest):
    names = [each.model for each in likely_to_warm(LARGE, host, likeliest)]
    assert names == [name for name in dict.fromkeys(likeliest) if name in names]
    assert all(host.models[name].run is None for name in names)


@given(host=HOSTS, likeliest=RANKINGS)
def test_asked_twice_it_says_the_same_and_never_more_than_there_is(host, likeliest):
    found = likely_to_warm(LARGE, host, likeliest)
    assert found == likely_to_warm(LARGE, host, [each.model for each in found])
    for each in found:
        size = host.models[each.model].weights_size
        assert LEAST <= each.limit
        assert size is None or each.limit <= size


def test_the_order_of_the_likeliest_decides_not_that_of_the_file():
    host = a_host(ZOO, a=with_weights(8 * GIB), b=with_weights(8 * GIB), free="10GiB")
    assert [NextModel("b", 8 * GIB)] == list(likely_to_warm(ZOO, host, ["b", "a"]))
