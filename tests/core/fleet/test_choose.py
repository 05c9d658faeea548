"""Which host a request for a model on demand starts it on, sentence by sentence; and laws of it."""

from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from tests.core.fleet.worlds import fleets, model, need, report, running, spec, with_model
from zoosup.core.fleet.choose import choose
from zoosup.core.fleet.words import Assignment, Choice, FleetView, HostView

NEEDS = {"m": need(2), "n": need(2), "o": need(1)}
SPEC = spec(model("m", None, on_demand=True), model("n", None, on_demand=True), model("o", 0))


def view(*reports, lost=(), the_spec=SPEC, **rest):
    return FleetView(
        the_spec, hosts={each.node: HostView(each, lost=each.node in lost) for each in reports}, **rest
    )


def test_the_host_that_is_asked_runs_it_where_it_has_room():
    found = view(report("a", 64, needs=NEEDS), report("b", 2, needs=NEEDS))
    assert Choice("b") == choose(found, "m", "b")


def test_else_the_one_with_the_best_room():
    found = view(report("a", 1, needs=NEEDS), report("b", 3, needs=NEEDS), report("c", 8, needs=NEEDS))
    assert Choice("c") == choose(found, "m", "a")


@pytest.mark.parametrize("there", [{"ready": True}, {"phase": "starting", "ready": False}])
def test_where_it_runs_or_starts_already_one_more_joins(there):
    found = view(report("a", 64, needs=NEEDS), running(report("b", 2, needs=NEEDS), "m", **there))
    assert Choice("b") == choose(found, "m", "a")


def test_and_where_others_wait_for_it():
    waits = with_model(report("b", 2, needs=NEEDS), "m", phase="pending", waiting=1)
    assert Choice("b") == choose(view(report("a", 64, needs=NEEDS), waits), "m", "a")
    refused = with_model(waits, "m", refused="too large")
    assert Choice("a") == choose(view(report("a", 64, needs=NEEDS), refused), "m", "a")


def test_and_where_it_was_promised_a_moment_ago_whose_room_is_given():
    found = view(report("a", 3, needs=NEEDS), report("b", 3, needs=NEEDS))
    assert Choice("b") == choose(found, "m", "a", promised={"m": "b"})
    assert Choice("b") == choose(found, "n", "a", promised={"m": "a"})


def test_a_ready_copy_is_before_one_that_starts():
    found = view(
        running(report("a", 4, needs=NEEDS), "m", ready=False), running(report("b", 4, needs=NEEDS), "m")
    )
    assert Choice("b") == choose(found, "m", "a")


def test_nothing_is_displaced_where_there_is_room():
    full = running(report("a", 3, needs=NEEDS), "n", yields=True, idle=99.0)
    assert Choice("b") == choose(view(full, report("b", 2, needs=NEEDS)), "m", "a")


def test_who_makes_room_is_the_least_and_then_the_longest_idle():
    small = running(report("a", 2, needs={**NEEDS, "n": need(1)}), "n", yields=True, idle=1.0)
    large = running(report("b", 2, needs=NEEDS), "n", yields=True, idle=99.0)
    assert Choice("a") == choose(view(small, large), "m", "b")
    long = running(report("c", 2, needs=NEEDS), "n", yields=True, idle=100.0)
    assert Choice("c") == choose(view(large, long), "m", "b")
    assert Choice("b") == choose(view(large, replace(large, node="a")), "m", "b")


def test_no_more_make_room_than_must():
    wanted = {"m": need(2), "n": need(2), "o": need(1)}
    two = running(
        running(report("a", 3, needs=wanted), "n", yields=True, idle=5.0), "o", yields=True, idle=9.0
    )
    one = running(report("b", 2, needs=wanted), "n", yields=True, idle=4.0)
    assert Choice("a") == choose(view(two, one), "m", "c")


def test_who_is_in_use_makes_none():
    busy = [running(report(node, 3, needs=NEEDS), "n", inflight=1) for node in "ab"]
    text = "a: needs 2 GiB of RAM, 1 GiB may be had; b: needs 2 GiB of RAM, 1 GiB may be had"
    assert Choice(refusal=text) == choose(view(*busy), "m", "a")


def test_room_that_an_active_model_is_to_have_is_not_given_away():
    found = view(report("a", 2, needs=NEEDS), placements={"o": ("a",)})
    assert Choice(refusal="a: needs 2 GiB of RAM, 1 GiB may be had") == choose(found, "m", "a")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"assignment": Assignment(drained=True)}, "a: is drained"),
        ({"leaving": True}, "a: is shutting down"),
        ({"models": {}}, "a: has no such model in its zoo.yaml"),
    ],
)
def test_a_host_that_is_none_for_it_is_passed_over(changes, says):
    found = view(replace(report("a", 8, needs=NEEDS), **changes))
    assert Choice(refusal=says) == choose(found, "m", "a")


def test_so_is_one_that_is_lost_or_drained_a_moment_ago():
    found = view(report("a", 8, needs=NEEDS), lost="a")
    assert Choice(refusal="a: is lost") == choose(found, "m", "a")
    assert "a: is drained" == choose(view(report("a", 8, needs=NEEDS)), "m", "a", drained={"a"}).refusal


def test_hosts_holds_for_requests_too():
    pinned = spec(model("m", None, on_demand=True, hosts=("b",)))
    found = view(report("a", 8, needs=NEEDS), report("b", 8, needs=NEEDS), the_spec=pinned)
    assert Choice("b") == choose(found, "m", "a")
    nowhere = spec(model("m", None, on_demand=True, labels={"gpu": "a100"}))
    assert Choice(refusal="no host is gpu: a100") == choose(replace(found, spec=nowhere), "m", "a")


def test_what_the_fleets_file_does_not_have_and_what_takes_several_hosts():
    assert "the zoo.yaml of the fleet has no such model" == choose(view(), "x", "a").refusal
    wide = spec(model("m", None, on_demand=True, spans=2))
    assert (
        "it takes 2 hosts at once, which no request starts" == choose(view(the_spec=wide), "m", "a").refusal
    )


@given(fleets(), st.data())
def test_every_host_gives_the_same_answer_but_that_it_is_itself_the_first(fleet, data):
    the_spec, found = fleet
    seen = FleetView(the_spec, hosts={n: HostView(h.report) for n, h in found.items()})
    shuffled = replace(seen, hosts=dict(data.draw(st.permutations(list(seen.hosts.items())))))
    for each in the_spec.models:
        for node in (*found, "elsewhere"):
            choice = choose(seen, each.name, node)
            assert choice == choose(shuffled, each.name, node)
            assert bool(choice.node) != bool(choice.refusal)
            if choice.node not in {"", node}:
                assert choice.node == choose(seen, each.name, "elsewhere").node
