"""DESIGN §6: what a request starts, what it may displace and when, and what comes back afterwards."""

from dataclasses import replace
from math import inf

import pytest

from tests.core.zoo import (
    NOW,
    a_host,
    a_model,
    a_zoo,
    acts,
    by_hand,
    crashed,
    decide,
    idle,
    leaving,
    on_demand,
    ready,
    resting,
    served,
    starting,
    switched,
    waits,
    why,
)
from zoosup.core.state.observed import SwitchOutcome
from zoosup.core.state.phases import Override, Phase, Reason

PINNED = a_model("12GiB")


def zoo(active=(), **models):
    """Models of which two of 12 GiB never fit beside each other."""
    return a_zoo(models, active)


# the table


def test_a_model_that_is_not_on_demand_is_not_started_by_a_request():
    spec = zoo(a=PINNED)
    assert [] == acts(spec, a_host(spec, demand={"a": waits()}))


def test_a_request_starts_an_on_demand_model():
    spec = zoo(a=on_demand())
    assert ["start a"] == acts(spec, a_host(spec, demand={"a": waits()}))


def test_without_a_request_it_is_not_started():
    spec = zoo(a=on_demand())
    assert [] == acts(spec, a_host(spec))


def test_one_that_a_person_has_stopped_is_not_started_by_a_request():
    spec = zoo(a=on_demand())
    host = a_host(
        spec, a=by_hand(Override.STOP, resting(reason=Reason.STOPPED_BY_HAND)), demand={"a": waits()}
    )
    assert [] == acts(spec, host)


def test_an_active_model_runs_without_a_request_whether_on_demand_or_not():
    spec = a_zoo({"a": a_model("4GiB"), "b": on_demand("4GiB")}, ["a", "b"])
    assert ["start a", "start b"] == acts(spec, a_host(spec))


def test_a_request_never_displaces_a_pinned_model():
    spec = zoo(["a"], a=PINNED, b=on_demand())
    host = a_host(spec, a=ready(), demand={"b": waits(3600)})
    assert ["hold b pending ExceedsBudget"] == acts(spec, host)
    assert "ram is short of 4 GiB: needs 12 GiB, budget 20 GiB less a 12 GiB" == why(spec, host, "b")


def test_a_request_displaces_an_idle_active_model_that_is_on_demand():
    spec = zoo(["a"], a=on_demand(), b=on_demand())
    host = a_host(spec, a=ready(), demand={"b": waits()})
    assert ["stop a MadeRoom", "hold b pending WaitingForEviction"] == acts(spec, host)


def test_even_while_it_still_loads_for_nobody():
    spec = zoo(["a"], a=on_demand(), b=on_demand())
    host = a_host(spec, a=starting(), demand={"b": waits()})
    assert ["stop a MadeRoom", "hold b pending WaitingForEviction"] == acts(spec, host)


def test_it_comes_back_when_the_demand_is_over():
    spec = zoo(["a"], a=on_demand(), b=on_demand())
    host = a_host(spec, b=ready(), demand={"b": idle(10)})
    assert ["stop b MadeRoom", "hold a pending WaitingForEviction"] == acts(spec, host)


def test_not_between_two_requests():
    spec = zoo(["a"], a=on_demand(), b=on_demand())
    host = a_host(spec, b=ready(), demand={"b": idle(9)})
    assert ["hold a pending WaitingForEviction"] == acts(spec, host)
    assert "waits until b may leave" == why(spec, host, "a")
    assert NOW + 1 == decide(spec, host).wake_at


def test_nor_while_one_is_answered():
    spec = zoo(["a"], a=on_demand(), b=on_demand())
    assert ["hold a pending WaitingForEviction"] == acts(
        spec, a_host(spec, b=ready(), demand={"b": served()})
    )


def test_a_pinned_model_needs_no_patience():
    spec = zoo(["a"], a=PINNED, b=on_demand())
    host = a_host(spec, b=ready(), demand={"b": served()})
    assert ["drain b MadeRoom", "hold a pending WaitingForEviction"] == acts(spec, host)


def test_by_hand_is_pinned():
    spec = zoo(a=on_demand(), b=on_demand())
    host = a_host(spec, a=by_hand(Override.START, ready()), demand={"b": waits(3600)})
    assert ["hold b pending ExceedsBudget"] == acts(spec, host)


# residency and patience


def test_one_that_demand_has_just_loaded_stays_its_time():
    spec = zoo(a=on_demand(), b=on_demand())
    host = a_host(spec, a=ready(ready_at=NOW - 4), demand={"a": idle(1), "b": waits(3600)})
    assert ["hold b pending WaitingForEviction"] == acts(spec, host)
    assert NOW + 6 == decide(spec, host).wake_at


def test_but_not_for_the_only_client_that_has_used_it():
    spec = zoo(a=on_demand(), b=on_demand())
    used = replace(idle(1), last_client="one")
    for client, act in (("one", "stop a MadeRoom"), ("two", None)):
        demand = {"a": used, "b": replace(waits(), client=client)}
        host = a_host(spec, a=ready(ready_at=NOW - 4), demand=demand)
        assert [x for x in (act, "hold b pending WaitingForEviction") if x] == acts(spec, host)


def test_a_load_that_its_client_has_abandoned_yields_at_once():
    spec = zoo(a=on_demand(), b=on_demand())
    host = a_host(spec, a=starting(), demand={"b": waits()})
    assert ["stop a MadeRoom", "hold b pending WaitingForEviction"] == acts(spec, host)


def test_one_that_loads_for_a_client_is_left_alone():
    spec = zoo(a=on_demand(), b=on_demand())
    host = a_host(spec, a=starting(), demand={"a": waits(1), "b": waits(3600)})
    assert ["hold b pending WaitingForEviction"] == acts(spec, host)


def test_its_own_clients_that_came_before_are_served_first():
    spec = zoo(a=on_demand(max_inflight=1), b=on_demand())
    host = a_host(spec, a=ready(), demand={"a": waits(61, inflight=1), "b": waits(60)})
    assert ["hold b pending WaitingForEviction"] == acts(spec, host)
    assert {"a": NOW - 60} == decide(spec, host).closed


def test_its_own_clients_that_came_after_are_not():
    spec = zoo(a=on_demand(max_inflight=1), b=on_demand())
    host = a_host(spec, a=ready(), demand={"a": waits(59, inflight=1), "b": waits(60)})
    assert ["drain a MadeRoom", "hold b pending WaitingForEviction"] == acts(spec, host)


def test_within_patience_later_clients_may_overtake():
    spec = zoo(a=on_demand(max_inflight=1), b=on_demand())
    host = a_host(spec, a=ready(), demand={"a": waits(20, inflight=1), "b": waits(19)})
    assert ({}, NOW + 1) == (decide(spec, host).closed, decide(spec, host).wake_at)


def test_a_pinned_model_with_clients_waits_no_longer_than_one_without():
    spec = zoo(["a"], a=PINNED, b=on_demand())
    host = a_host(spec, b=ready(), demand={"a": waits(1), "b": served()})
    assert ["drain b MadeRoom", "hold a pending WaitingForEviction"] == acts(spec, host)


def test_a_busy_model_is_left_alone_until_patience_is_over():
    spec = zoo(a=on_demand(), b=on_demand())
    host = a_host(spec, a=ready(), demand={"a": served(), "b": waits(19)})
    assert ["hold b pending WaitingForEviction"] == acts(spec, host)
    assert NOW + 1 == decide(spec, host).wake_at


def test_then_it_finishes_what_it_answers_and_leaves():
    spec = zoo(a=on_demand(), b=on_demand())
    host = a_host(spec, a=ready(), demand={"a": served(), "b": waits(20)})
    assert ["drain a MadeRoom", "hold b pending WaitingForEviction"] == acts(spec, host)


def test_an_idle_model_leaves_before_a_busy_one():
    spec = a_zoo({"a": on_demand("9GiB"), "b": on_demand("9GiB"), "c": on_demand("9GiB")})
    host = a_host(spec, a=ready(), b=ready(), demand={"a": served(), "b": idle(60), "c": waits(60)})
    assert ["stop b MadeRoom", "hold c pending WaitingForEviction"] == acts(spec, host)


def test_also_where_the_busy_one_would_cost_less():
    spec = a_zoo({"a": on_demand("9GiB"), "b": on_demand("11GiB"), "c": on_demand("9GiB")})
    host = a_host(spec, a=ready(), b=ready(), demand={"a": served(), "b": idle(0), "c": waits(60)})
    assert ["stop b MadeRoom", "hold c pending WaitingForEviction"] == acts(spec, host)


def test_an_on_demand_model_leaves_before_a_pinned_one_of_lower_priority():
    spec = a_zoo({"a": a_model("9GiB"), "b": a_model("9GiB"), "c": on_demand("9GiB")}, ["a", "b"])
    host = a_host(spec, b=ready(), c=ready(), demand={"c": idle(60)})
    assert ["stop c MadeRoom", "hold a pending WaitingForEviction"] == acts(spec, host)


def test_who_has_waited_longest_is_served_first():
    spec = zoo(a=on_demand(), b=on_demand())
    host = a_host(spec, demand={"a": waits(1), "b": waits(2)})
    assert ["start b", "hold a pending WaitingForEviction"] == acts(spec, host)


def test_who_waits_for_what_strangers_hold_keeps_nobody_waiting():
    spec = zoo(a=on_demand("18GiB"), b=on_demand("4GiB"))
    host = a_host(spec, free="8GiB", demand={"a": waits(60), "b": waits(1)})
    assert ["hold a pending WaitingForMemory", "start b"] == acts(spec, host)


# fixed ports


def same_port(active=(), a=None):
    """Two models that fit beside each other, but for their port."""
    models = {"a": a or on_demand("4GiB", port=8000), "b": on_demand("4GiB", port=8000)}
    return a_zoo(models, active)


def test_a_port_that_a_busy_model_holds_is_waited_for_as_memory_is():
    spec = same_port()
    host = a_host(spec, a=ready(), demand={"a": served(), "b": waits(19)})
    assert ["hold b pending WaitingForEviction"] == acts(spec, host)
    assert "waits until a may leave: port 8000 is used by a" == why(spec, host, "b")
    assert NOW + 1 == decide(spec, host).wake_at


def test_for_its_port_too_a_busy_model_drains_when_patience_is_over():
    spec = same_port()
    host = a_host(spec, a=ready(), demand={"a": served(), "b": waits(20)})
    assert ["drain a MadeRoom", "hold b pending WaitingForEviction"] == acts(spec, host)


def test_and_stops_as_soon_as_nobody_uses_it():
    spec = same_port()
    host = a_host(spec, a=ready(), demand={"a": idle(0), "b": waits(19)})
    assert ["stop a MadeRoom", "hold b pending WaitingForEviction"] == acts(spec, host)


def test_one_that_has_just_been_loaded_keeps_its_port_its_time():
    spec = same_port()
    host = a_host(spec, a=ready(ready_at=NOW - 4), demand={"a": idle(1), "b": waits(3600)})
    assert ["hold b pending WaitingForEviction"] == acts(spec, host)
    assert NOW + 6 == decide(spec, host).wake_at


def test_one_that_nobody_asks_for_waits_for_a_port_until_its_holder_is_idle():
    spec = same_port(["b"])
    host = a_host(spec, a=ready(), demand={"a": served()})
    assert ["hold b pending WaitingForEviction"] == acts(spec, host)
    assert None is decide(spec, host).wake_at


def test_when_strangers_hold_the_memory_besides_it_is_the_memory_that_is_told():
    spec = same_port()
    host = a_host(spec, a=ready(holds=0), demand={"a": served(), "b": waits()}, free="1GiB")
    assert ["hold b pending WaitingForMemory"] == acts(spec, host)


def test_the_port_of_a_pinned_model_is_not_waited_for():
    spec = same_port(["a"], a=a_model("4GiB", port=8000))
    host = a_host(spec, a=ready(), demand={"b": waits(3600)})
    assert ["hold b pending PortInUse"] == acts(spec, host)
    assert "port 8000 is used by a, which stays" == why(spec, host, "b")


# what stays, and for how long


def test_a_model_nobody_asks_for_any_more_stays_for_its_idle_timeout():
    spec = zoo(a=on_demand(idle_timeout="60s"))
    host = a_host(spec, a=ready(), demand={"a": idle(59)})
    assert [] == acts(spec, host)
    assert NOW + 1 == decide(spec, host).wake_at


def test_then_it_is_stopped():
    spec = zoo(a=on_demand(idle_timeout="60s"))
    host = a_host(spec, a=ready(), demand={"a": idle(60)})
    assert ["stop a Idle"] == acts(spec, host)
    assert "nobody has asked for it for 1m (idle_timeout)" == decide(spec, host).actions[0].message


def test_one_whose_client_has_hung_up_counts_from_its_readiness():
    spec = zoo(a=on_demand(idle_timeout="60s"))
    assert [] == acts(spec, a_host(spec, a=ready(ready_at=NOW - 59)))
    assert ["stop a Idle"] == acts(spec, a_host(spec, a=ready(ready_at=NOW - 60)))


def test_idle_timeout_0_never_stops_it():
    spec = zoo(a=on_demand(idle_timeout="0s"))
    assert [] == acts(spec, a_host(spec, a=ready(), demand={"a": idle(10**6)}))


def test_an_active_one_has_no_idle_timeout():
    spec = zoo(["a"], a=on_demand(idle_timeout="60s"))
    assert [] == acts(spec, a_host(spec, a=ready(), demand={"a": idle(10**6)}))


@pytest.mark.parametrize("declared", ["0s", "1s", "1h"])
def test_a_client_may_say_how_long_it_stays_whatever_the_file_says(declared):
    spec = zoo(a=on_demand(idle_timeout=declared))
    assert [] == acts(spec, a_host(spec, a=ready(), demand={"a": idle(59, stay=60)}))
    decided = decide(spec, a_host(spec, a=ready(), demand={"a": idle(60, stay=60)}))
    assert ["nobody has asked for it for 1m (keep_alive)"] == [each.message for each in decided.actions]


def test_a_client_may_have_it_stay_until_it_has_to_make_room():
    spec = zoo(a=on_demand(idle_timeout="1s"), b=on_demand())
    assert [] == acts(spec, a_host(spec, a=ready(), demand={"a": idle(10**6, stay=inf)}))
    host = a_host(spec, a=ready(), demand={"a": idle(10**6, stay=inf), "b": waits()})
    assert "stop a MadeRoom" in acts(spec, host)


def test_one_that_a_client_gives_back_goes_once_nobody_uses_it():
    spec = zoo(a=on_demand())
    used = replace(served(), stay=0.0)
    assert [] == acts(spec, a_host(spec, a=ready(), demand={"a": used}))
    decided = decide(spec, a_host(spec, a=ready(), demand={"a": idle(0, stay=0)}))
    assert ["a client has given it back (keep_alive)"] == [each.message for each in decided.actions]


def test_one_that_is_pinned_stays_whatever_clients_say():
    spec = zoo(["a"], a=PINNED)
    assert [] == acts(spec, a_host(spec, a=ready(), demand={"a": idle(9, stay=0)}))


def test_one_that_loads_for_a_client_who_is_gone_is_not_stopped_for_that():
    spec = zoo(a=on_demand(idle_timeout="1s"))
    assert [] == acts(spec, a_host(spec, a=starting()))


def test_an_idle_one_that_the_file_has_changed_is_not_kept():
    spec = zoo(a=on_demand(command=["better"]))
    host = a_host(spec, a=ready(spec=on_demand()), demand={"a": idle(1)})
    assert ["stop a SpecChanged"] == acts(spec, host)


def test_a_used_one_that_the_file_has_changed_finishes_what_it_answers():
    spec = zoo(a=on_demand(command=["better"]))
    host = a_host(spec, a=ready(spec=on_demand()), demand={"a": served()})
    assert ["drain a SpecChanged"] == acts(spec, host)


def test_what_a_switch_has_taken_out_stays_while_it_is_on_demand():
    spec = a_zoo({"a": on_demand("4GiB"), "b": a_model("4GiB")}, ["b"])
    done = switched("a", "b", outcome=SwitchOutcome.DONE)
    assert [] == acts(spec, a_host(spec, a=ready(), b=ready(), switch=done, demand={"a": idle(5)}))


# what can't run


def test_what_can_never_fit_costs_an_idle_model_nothing():
    spec = zoo(a=on_demand(), b=on_demand("40GiB"))
    host = a_host(spec, a=ready(), demand={"a": idle(3600), "b": waits(3600)})
    assert ["hold b pending ExceedsBudget"] == acts(spec, host)


def test_one_in_back_off_is_not_started_by_a_request():
    spec = zoo(a=on_demand())
    host = a_host(spec, a=crashed(3, NOW + 8), demand={"a": waits()})
    assert not [word for word in acts(spec, host) if word.startswith("start")]


def test_one_that_was_given_up_stays_so_with_and_without_requests():
    spec = zoo(a=on_demand())
    given_up = resting(Phase.FAILED, Reason.CRASH_LOOP, "crashed 3 times")
    for demand in ({}, {"a": waits()}):
        host = a_host(spec, a=given_up, demand=demand)
        assert [] == acts(spec, host)
        assert "crashed 3 times" == why(spec, host, "a")


def test_a_wanted_model_that_leaves_leaves_first():
    spec = zoo(a=on_demand())
    assert [] == acts(spec, a_host(spec, a=leaving(), demand={"a": waits()}))


def test_requests_that_are_being_answered_make_a_stop_by_hand_gentle():
    spec = a_zoo({"a": a_model("4GiB")}, ["a"])
    stopped = by_hand(Override.STOP, ready())
    assert ["stop a StoppedByHand"] == acts(spec, a_host(spec, a=stopped))
    assert ["drain a StoppedByHand"] == acts(spec, a_host(spec, a=stopped, demand={"a": served()}))


@pytest.mark.parametrize("replaced", ["auto", "replace"])
def test_the_old_active_model_drains_when_it_is_answering(replaced):
    spec = a_zoo({"a": "12GiB", "b": "12GiB"}, ["b"], strategy=replaced)
    host = a_host(spec, a=ready(), switch=switched("a", "b"), demand={"a": served()})
    assert ["drain a MadeRoom", "hold b pending WaitingForEviction"] == acts(spec, host)


def test_one_that_is_unloaded_leaves_whoever_uses_it_and_rests_until_somebody_waits():
    spec = zoo(["a"], a=on_demand())
    going = by_hand(Override.UNLOAD, ready(recalled=True))
    assert ["drain a Unloaded"] == acts(spec, a_host(spec, a=going, demand={"a": served()}))
    gone = by_hand(Override.UNLOAD, resting())
    assert ["hold a stopped Unloaded"] == acts(spec, a_host(spec, a=gone))
    assert ["start a"] == acts(spec, a_host(spec, a=gone, demand={"a": waits()}))
