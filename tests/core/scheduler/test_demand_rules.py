"""The rules of demand one by one, at their bounds; what they come to in a pass stands in `test_demand`."""

from dataclasses import replace
from math import inf

import pytest

from tests.core.zoo import (
    NOW,
    a_host,
    a_model,
    a_zoo,
    by_hand,
    idle,
    on_demand,
    ready,
    resting,
    served,
    starting,
    waits,
)
from zoosup.core.scheduler.demand import (
    RESTING,
    Claim,
    gateway,
    given_back,
    idle_timeout,
    idle_until,
    lets_in,
    may_leave_at,
    wanted,
)
from zoosup.core.state.observed import Demand
from zoosup.core.state.phases import Override, Phase
from zoosup.spec.model.gateway import GatewaySpec

CLIENT = Claim(NOW - 60, "one")


def a(state, spec=None):
    return state("a", spec or on_demand())


def leaves_at(state, demand=None, claim=CLIENT, active=()):
    spec = a_zoo({"a": on_demand(), "b": on_demand()}, active)
    host = a_host(spec, a=state, demand={} if demand is None else {"a": demand})
    return may_leave_at(claim, host.models["a"], spec, host)


def test_a_file_without_a_gateway_has_the_usual_rules():
    spec = a_zoo({"a": on_demand()})
    patient = GatewaySpec(patience="1s")
    assert patient is gateway(spec.model_copy(update={"gateway": patient}))
    assert GatewaySpec() == gateway(spec.model_copy(update={"gateway": None}))


def test_clients_are_served_in_the_order_in_which_they_came_whoever_has_no_time_last():
    spec = a_zoo({"a": on_demand(), "b": on_demand(), "c": on_demand()})
    demand = {"a": Demand(1, 0), "b": Demand(0, 1, 0.0), "c": Demand(0, 1, -1.0)}
    assert ("c", "b", "a") == wanted(spec, a_host(spec, demand=demand), ()).asked


@pytest.mark.parametrize(("active", "at"), [(["a"], NOW), ([], NOW + 6)])
def test_before_what_only_rests_one_that_nobody_asked_for_stays_its_time_unless_it_only_rests_too(active, at):
    assert at == leaves_at(ready(ready_at=NOW - 4), None, RESTING, active)


def test_what_only_rests_waits_for_the_last_use_and_for_the_end_of_a_load():
    assert NOW - 3 + 10 == leaves_at(ready(ready_at=NOW - 4), idle(3), RESTING)
    assert NOW - 4 + 10 == leaves_at(ready(ready_at=NOW - 4), idle(9), RESTING)
    assert leaves_at(starting(), idle(3), RESTING) is None
    assert leaves_at(ready(), served(), RESTING) is None


@pytest.mark.parametrize(("came", "at"), [(59.9, NOW - 40), (60, None), (61, None)])
def test_a_busy_model_leaves_when_patience_is_over_unless_its_own_clients_came_no_later(came, at):
    assert at == leaves_at(ready(), waits(came, inflight=1))


@pytest.mark.parametrize(
    ("demand", "lets"),
    [
        (waits(), True),
        (waits(used=91), True),  # ready for 90 s, last used before that
        (waits(used=90), False),
        (waits(used=89), False),
        (waits(inflight=1), False),
        (served(0), False),
    ],
)
def test_one_lets_its_clients_in_that_none_has_used_since_it_is_ready(demand, lets):
    assert lets is lets_in(a(ready()), demand)


@pytest.mark.parametrize("state", [resting(), starting(), ready(ready_at=None)])
def test_one_that_is_not_ready_lets_nobody_in(state):
    assert not lets_in(a(state), waits())


@pytest.mark.parametrize(
    ("said", "stay", "seconds"),
    [
        ("5m", None, 300),
        ("5m", 7.0, 7.0),
        ("5m", 0.0, 0.0),
        ("5m", inf, None),
        ("0s", None, None),
        ("0s", 7.0, 7.0),
    ],
)
def test_a_model_stays_as_long_as_a_client_says_or_else_the_file_and_0_in_a_file_is_for_ever(
    said, stay, seconds
):
    assert seconds == idle_timeout(on_demand(idle_timeout=said), Demand(stay=stay))


def test_the_time_runs_from_the_last_use_but_not_from_before_it_was_ready():
    spec = on_demand(idle_timeout="5m")
    model = a(ready(ready_at=NOW - 4))
    assert NOW - 1 + 300 == idle_until(model, spec, idle(1))
    assert NOW - 4 + 300 == idle_until(model, spec, idle(60))
    assert NOW - 4 + 300 == idle_until(model, spec, Demand())
    for bounded_by_nothing in (a(resting()), a(ready(ready_at=None))):
        assert idle_until(bounded_by_nothing, spec, idle(1)) is None
    assert idle_until(model, on_demand(idle_timeout="0s"), idle(1)) is None


def test_memory_is_given_back_that_clients_are_done_with_and_that_is_theirs_to_give():
    done = idle(1, stay=0.0)
    assert given_back(a(ready()), on_demand(), done)
    assert not given_back(a(ready()), on_demand(), idle(1, stay=1.0))
    assert not given_back(a(ready()), on_demand(), idle(1))
    assert not given_back(a(ready()), on_demand(), replace(served(), stay=0.0))
    assert not given_back(a(resting()), on_demand(), done)
    assert not given_back(a(ready()), a_model(), done)
    assert not given_back(a(by_hand(Override.START, ready())), on_demand(), done)


def test_only_one_that_is_ready_or_was_has_a_time_to_stay():
    assert NOW == leaves_at(starting(), idle(1))
    assert NOW + 6 == leaves_at(ready(ready_at=NOW - 4), replace(idle(1), last_client="two"))
    unready = replace(a(ready(ready_at=NOW - 4)), phase=Phase.UNREADY)
    assert NOW + 6 == leaves_at(lambda *_: unready, replace(idle(1), last_client="two"))
