"""What a model holds on a GPU that it was not given: counted where it is, and told of once it has been ready."""

import pytest

from tests.core.gpus import gpu_host, gpu_zoo, on_gpu, placed, start_of
from tests.core.zoo import GIB, NOW, a_model, acts, condition, decide, why
from zoosup.core.state.phases import Cause, Phase
from zoosup.core.state.runs import Leaving

MIB = 2**20


def sits(holds, phase=Phase.READY, given="GPU-0", **run):
    """It was given 10 GiB on the first GPU, and holds so much on each."""
    return placed({given: "10GiB"} if given else {}, phase, holds=holds, **run)


@pytest.mark.parametrize(
    ("holds", "said"),
    [
        ({"GPU-0": 10 * GIB}, None),
        ({"GPU-0": 0, "GPU-1": 10 * GIB}, "holds 10 GiB of vram:GPU-1, and was given vram:GPU-0"),
        ({"GPU-0": 5 * GIB, "GPU-1": 5 * GIB}, "holds 5 GiB of vram:GPU-1, and was given vram:GPU-0"),
        # A driver's context on every card that it looks at: one part in twenty of its need.
        ({"GPU-0": 10 * GIB, "GPU-1": 512 * MIB}, None),
        (
            {"GPU-0": 10 * GIB, "GPU-1": 512 * MIB + 1},
            "holds 512 MiB of vram:GPU-1, and was given vram:GPU-0",
        ),
    ],
)
def test_a_model_that_sits_on_another_gpu_says_so_and_stays(holds, said):
    spec = gpu_zoo({"a": on_gpu("10GiB")}, ["a"])
    host = gpu_host(spec, [24, 24], a=sits(holds))
    assert [] == acts(spec, host)
    found = condition(spec, host, "a", "OnGivenGpus")
    assert (said, said is None) == (found and found.message, found is None)
    assert found is None or (False, "OtherGpu", True) == (found.status, found.reason, found.problem)


def test_of_a_small_model_less_than_64_mib_is_nothing_to_speak_of():
    spec = gpu_zoo({"a": on_gpu("1GiB")}, ["a"])
    small = {"GPU-0": GIB, "GPU-1": 64 * MIB}
    host = gpu_host(spec, [24, 24], a=placed({"GPU-0": "1GiB"}, holds=small))
    assert condition(spec, host, "a", "OnGivenGpus") is None
    host = gpu_host(spec, [24, 24], a=placed({"GPU-0": "1GiB"}, holds=small | {"GPU-1": 64 * MIB + 1}))
    assert condition(spec, host, "a", "OnGivenGpus") is not None


def test_a_model_that_was_given_no_gpu_and_holds_one_says_so():
    spec = gpu_zoo({"a": a_model("1GiB", gpus="none")}, ["a"])
    host = gpu_host(spec, [24], a=sits({"GPU-0": 3 * GIB}, given="", gpus=()))
    assert "holds 3 GiB of vram:GPU-0, and was given no GPU" == why(spec, host, "a", "OnGivenGpus")


@pytest.mark.parametrize(
    "state",
    [
        sits({"GPU-0": 0, "GPU-1": 10 * GIB}, Phase.STARTING),
        sits(
            {"GPU-0": 0, "GPU-1": 10 * GIB},
            Phase.STOPPING,
            leaving=Leaving(Cause.NOT_WANTED, "", NOW, ladder=True),
        ),
    ],
)
def test_one_that_loads_or_leaves_is_not_judged(state):
    spec = gpu_zoo({"a": on_gpu("10GiB")}, ["a"])
    assert condition(spec, gpu_host(spec, [24, 14], a=state), "a", "OnGivenGpus") is None


def test_what_it_holds_there_counts_there_and_what_it_was_given_stays_its_own():
    """By the budget, too, which knows nothing of what is free: both GPUs have 10 GiB of 12 promised."""
    models = {"a": on_gpu("10GiB"), "b": on_gpu("4GiB", gpus=1)}
    spec = gpu_zoo(models, ["a", "b"], budget={"vram": "12GiB"})
    host = gpu_host(spec, [24, 14], a=sits({"GPU-0": 0, "GPU-1": 10 * GIB}))
    assert start_of(spec, host, "b") is None
    on_a_third = gpu_host(spec, [24, 14, 24], a=sits({"GPU-0": 0, "GPU-1": 10 * GIB}))
    assert {"GPU-2": 4} == start_of(spec, on_a_third, "b")


def test_one_that_goes_gives_back_what_it_holds_there():
    models = {"a": on_gpu("10GiB", on_demand=True), "b": on_gpu("20GiB", gpus=[1])}
    spec = gpu_zoo(models, ["b"])
    host = gpu_host(spec, [24, 14], a=sits({"GPU-0": 0, "GPU-1": 10 * GIB}))
    assert ["stop a MadeRoom"] == [each for each in acts(spec, host) if each.startswith("stop")]


def test_where_a_driver_does_not_tell_nobody_is_judged():
    spec = gpu_zoo({"a": on_gpu("10GiB")}, ["a"])
    host = gpu_host(spec, [24, 14], a=sits({}))
    assert condition(spec, host, "a", "OnGivenGpus") is None


def test_what_is_held_on_a_gpu_that_has_vanished_is_in_no_sum_and_no_bug():
    spec = gpu_zoo({"a": on_gpu("10GiB")}, ["a"])
    host = gpu_host(spec, [24], a=sits({"GPU-0": 10 * GIB, "GPU-9": 10 * GIB}))
    assert not decide(spec, host).faults
