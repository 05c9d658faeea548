"""Whose weights are read ahead, and how much of them: never more than what nobody has been promised."""

from dataclasses import replace

import pytest

from tests.core.zoo import (
    GIB,
    NOW,
    a_host,
    a_model,
    a_zoo,
    cooling_down,
    decide,
    leaving,
    ready,
    resting,
    switched,
)
from zoosup.core.scheduler.prewarm import NextModel, next_to_warm
from zoosup.core.state.runs import Preflight
from zoosup.core.state.weights import FileFacts, WeightFacts
from zoosup.spec.model.gateway import GatewaySpec

ZOO = a_zoo({"a": "12GiB", "b": "12GiB"}, ["b"])
SWITCH = switched("a", "b")


def with_weights(size):
    facts = WeightFacts((("m.gguf", FileFacts("plain", size)),))
    return resting(preflight=Preflight(NOW, weights=facts))


def warmed(spec, host):
    return next_to_warm(spec, host, decide(spec, host))


def test_a_model_that_waits_for_another_to_leave_is_read_ahead():
    host = a_host(ZOO, a=leaving(), b=with_weights(8 * GIB), free="12GiB", switch=SWITCH)
    # 12 free, 2 of them reserve, 4 of b's 12 are no weights
    assert NextModel("b", 6 * GIB) == warmed(ZOO, host)


def test_it_begins_with_the_pass_that_sends_the_other_away():
    host = a_host(ZOO, a=ready(), b=with_weights(8 * GIB), free="12GiB", switch=SWITCH)
    assert NextModel("b", 6 * GIB) == warmed(ZOO, host)


def test_it_goes_on_while_the_memory_of_the_one_before_comes_back():
    cooling = [cooling_down("a", expected="12GiB", baseline="12GiB")]
    host = a_host(ZOO, b=with_weights(8 * GIB), free="16GiB", cooling=cooling, switch=SWITCH)
    assert NextModel("b", 8 * GIB) == warmed(ZOO, host)


def test_no_more_is_read_than_there_are_weights():
    host = a_host(ZOO, a=leaving(), b=with_weights(GIB), free="15GiB", switch=SWITCH)
    assert NextModel("b", GIB) == warmed(ZOO, host)


@pytest.mark.parametrize(
    ("free", "limit"),
    [
        ("13GiB", 8),  # 11 without the reserve, 3 that b takes beside its weights
        ("8GiB", 3),
        ("5GiB", None),
    ],
)
def test_what_the_model_takes_beside_its_weights_stays_free(free, limit):
    spec = a_zoo({"a": "12GiB", "b": "12GiB"}, ["b"], budget="20GiB")
    host = a_host(spec, a=leaving(), b=with_weights(9 * GIB), free=free, switch=SWITCH)
    assert limit == (found.limit / GIB if (found := warmed(spec, host)) else None)


def test_weights_that_are_no_part_of_the_need_are_read_beside_it():
    spec = a_zoo({"a": "12GiB", "b": a_model("4GiB", port=20500), "c": a_model(port=20500)}, ["b"])
    host = a_host(spec, c=leaving(), b=with_weights(9 * GIB), free="12GiB", switch=switched("c", "b"))
    # its port is what it waits for: 10 without the reserve, 4 for b itself
    assert NextModel("b", 6 * GIB) == warmed(spec, host)


def test_what_others_are_promised_and_do_not_hold_yet_is_not_read_into():
    spec = a_zoo({"a": "12GiB", "b": "12GiB", "mapped": "6GiB"}, ["mapped", "b"])
    host = a_host(
        spec,
        a=leaving(),
        b=with_weights(8 * GIB),
        mapped=ready(holds="1GiB"),
        free="14GiB",
        switch=switched("a", "b"),
    )
    # mapped's 5 GiB of weights may lie in the page cache: they are not to be pushed out
    budget = replace(host.nodes[0].pools[0], budget=24 * GIB)
    host = replace(host, nodes=(replace(host.nodes[0], pools=(budget,)),))
    assert NextModel("b", 3 * GIB) == warmed(spec, host)


@pytest.mark.parametrize(("free", "limit"), [("12GiB", 10), ("6GiB", 4)])
def test_weights_of_unknown_size_may_be_all_of_the_need(free, limit):
    host = a_host(ZOO, a=leaving(), free=free, switch=SWITCH)
    assert NextModel("b", limit * GIB) == warmed(ZOO, host)


@pytest.mark.parametrize(
    "change",
    [
        {"free": "2GiB"},  # the reserve is all there is
        {"unknown": True},
        {"shutdown": True},
    ],
)
def test_nothing_is_read_without_memory_for_it(change):
    host = a_host(
        ZOO, **{"a": leaving(), "b": with_weights(8 * GIB), "free": "12GiB", "switch": SWITCH} | change
    )
    assert None is warmed(ZOO, host)


def test_a_model_that_can_start_reads_its_weights_itself():
    assert None is warmed(ZOO, a_host(ZOO, b=with_weights(8 * GIB)))


def test_a_model_that_waits_for_strangers_is_not_next():
    host = a_host(ZOO, b=with_weights(8 * GIB), free="12GiB")
    assert "WaitingForMemory" == decide(ZOO, host).verdicts["b"].reason
    assert None is warmed(ZOO, host)


@pytest.mark.parametrize(("gateway", "is_warmed"), [(GatewaySpec(prewarm=False), False), (False, True)])
def test_the_file_can_say_no_and_without_a_gateway_switches_are_warmed(gateway, is_warmed):
    spec = ZOO.model_copy(update={"gateway": gateway})
    host = a_host(spec, a=leaving(), b=with_weights(8 * GIB), free="12GiB", switch=SWITCH)
    assert is_warmed == (warmed(spec, host) is not None)
