"""Which of several ways to lay a model out is the best, and what is said where none will do."""

from dataclasses import replace

import pytest

from tests.core.gpus import gpu_host, gpu_zoo, on_gpu, placed
from tests.core.zoo import GIB, a_host, a_model, a_zoo, parked
from zoosup.core.memory.gpu_layouts import NOWHERE, Layout
from zoosup.core.scheduler.cycle import Cycle
from zoosup.core.scheduler.placement.candidates import (
    Standing,
    best_placement,
    intended_layout,
    renewal,
    standing,
    wake_placement,
)
from zoosup.core.scheduler.verdicts import Placement, Verdict
from zoosup.core.state.phases import Reason

TWO = Layout({}, ("a", "b"))


def a_placement(reason="", layout=TWO, **fields):
    return Placement("local", Verdict(reason, ""), layout, **fields)


@pytest.mark.parametrize(
    ("placement", "fewest", "expected"),
    [
        (a_placement(), 2, Standing.AT_ONCE),
        (a_placement(Reason.TURN), 1, Standing.SOON),
        (a_placement(Reason.EVICTION), 1, Standing.SOON),
        (a_placement(Reason.COOL_DOWN), 1, Standing.SOON),
        (a_placement(), 1, Standing.SPLIT),
        (a_placement(Reason.EVICTION, victims=("x",)), 1, Standing.SENDS_AWAY),
        (a_placement(Reason.MEMORY), 1, Standing.BESIDE_STRANGERS),
        (a_placement(Reason.EXCEEDS_BUDGET, victims=("x",)), 1, Standing.REFUSED),
    ],
)
def test_how_good_a_placement_is(placement, fewest, expected):
    assert expected is standing(placement, fewest)


def test_at_once_goes_before_all_and_a_refusal_after_all():
    assert [
        "AT_ONCE", "SOON", "SPLIT", "SENDS_AWAY", "BESIDE_STRANGERS", "REFUSED",
    ] == [each.name for each in sorted(Standing)]  # fmt: skip


def of(asked, free, **states):
    spec = gpu_zoo({"a": asked, "b": on_gpu("12GiB")}, ["a", "b"])
    host = gpu_host(spec, free, **states)
    return Cycle(spec, host), host.models["a"], spec.models["a"]


def test_the_fewest_gpus_are_taken_where_it_may_start_at_once_on_them():
    placement = best_placement(*of(on_gpu("10GiB"), [12, 12]), "local")
    assert (True, ("GPU-0",)) == (placement.starts, placement.layout.gpus)


def test_of_several_refusals_that_on_the_fewest_gpus_is_told():
    placement = best_placement(*of(on_gpu("60GiB"), [24, 24]), "local")
    assert (Reason.EXCEEDS_BUDGET, 1) == (placement.verdict.reason, placement.layout.count)


def test_gpus_that_are_not_there_are_said():
    missing = of(on_gpu("4GiB", gpus=3), [24])
    assert Reason.GPU_MISSING == best_placement(*missing, "local").verdict.reason
    assert Reason.GPU_MISSING == renewal(*missing, "local").reason
    assert NOWHERE == intended_layout(*missing, "local")


def test_room_is_kept_by_the_first_layout_that_may_fit_one_day():
    assert ("GPU-0", "GPU-1") == intended_layout(*of(on_gpu("40GiB"), [0, 0]), "local").gpus
    assert NOWHERE == intended_layout(*of(on_gpu("90GiB"), [24, 24]), "local")


def test_one_that_runs_may_be_replaced_where_any_layout_would_do():
    running = placed({"GPU-0": "4GiB"})
    assert renewal(*of(on_gpu("40GiB"), [20, 24], a=running), "local") is None


def test_a_wait_says_more_of_why_it_is_not_replaced_than_a_refusal():
    """On one GPU it could never stand, on two it could, were strangers not there."""
    running = placed({"GPU-0": "4GiB"})
    said = renewal(*of(on_gpu("40GiB"), [1, 1], a=running), "local")
    assert Reason.MEMORY == said.reason
    assert Reason.EXCEEDS_BUDGET == renewal(*of(on_gpu("90GiB"), [20, 24], a=running), "local").reason


def test_one_that_sleeps_wakes_where_it_is_or_says_what_is_no_longer_there():
    spec = a_zoo({"a": a_model("4GiB")}, ["a"])
    host = a_host(spec, a=parked())
    model = host.models["a"]
    placement = wake_placement(Cycle(spec, host), model, spec.models["a"], model.run)
    assert (True, {"ram": 4 * GIB}) == (placement.starts, placement.layout.amounts)
    awake = {"ram": 4 * GIB, "vram:GPU-z": GIB}
    lost = replace(model.run, sleep=replace(model.run.sleep, awake=awake))
    placement = wake_placement(Cycle(spec, host), model, a_model("auto"), lost)
    assert (Reason.GPU_MISSING, "vram:GPU-z is no longer there") == (
        placement.verdict.reason, placement.verdict.message
    )  # fmt: skip
