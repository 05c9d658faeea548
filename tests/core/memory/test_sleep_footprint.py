"""What a model holds while it sleeps and what it is booked with as it wakes, by the file's word or what was seen."""

from dataclasses import replace

import pytest

from tests.core.zoo import GIB, a_model, parked, ready
from zoosup.core.memory.sleep_footprint import awake, rules, sleeper, waking
from zoosup.core.state.phases import Cause, Phase
from zoosup.core.state.usage import HeldAsleep

PARK = {"sleep": {"http": "POST /sleep"}, "wake": {"http": "POST /wake"}}


def a_sleeper(holds=None, memory="4GiB", **fields):
    return a_model(memory, park=PARK if holds is None else {**PARK, "holds": holds}, **fields)


def of(spec, state=None, **fields):
    return sleeper(replace((state or ready())("a", spec), **fields), spec)


def test_what_the_file_says_it_holds_is_known():
    spec = a_sleeper({"ram": "1GiB", "vram": "3GiB"})
    found = of(
        spec, ready(gpus=("GPU-a", "GPU-b"), reserved={"ram": 4 * GIB, "vram:GPU-a": 1, "vram:GPU-b": 1})
    )
    assert (True, {"ram": GIB, "vram:GPU-a": 3 * GIB // 2, "vram:GPU-b": 3 * GIB // 2}) == (
        found.known, found.asleep
    )  # fmt: skip
    assert found.asleep == found.at_least


@pytest.mark.parametrize(("gpus", "ram"), [(None, 4), ((), 1)])
def test_without_gpu_memory_of_their_own_its_gpus_take_theirs_from_ram(gpus, ram):
    """One that is shown no GPU has none."""
    assert {"ram": ram * GIB} == of(a_sleeper({"ram": "1GiB", "vram": "3GiB"}), ready(gpus=gpus)).asleep


def test_where_nothing_is_known_it_is_all_that_it_holds_awake_and_its_gpus_part_once_more_in_ram():
    found = of(a_sleeper(), ready(reserved={"ram": 4 * GIB, "vram:GPU-a": GIB}))
    assert (False, {"ram": 5 * GIB, "vram:GPU-a": GIB}) == (found.known, found.asleep)
    assert {"ram": 0, "vram:GPU-a": 0} == found.at_least


def test_what_the_same_program_was_measured_to_hold_is_known_where_each_pool_was_measured():
    spec, state = a_sleeper(), ready(fingerprint="f")
    assert {"ram": 7} == of(spec, state, asleep=HeldAsleep("f", {"ram": 7, "vram:x": 1})).asleep
    assert not of(spec, state, asleep=HeldAsleep("g", {"ram": 7})).known
    assert not of(spec, state, asleep=HeldAsleep("f", {"vram:x": 1})).known


@pytest.mark.parametrize(
    "state",
    [
        ready(sick="hangs"),
        ready(recalled=(Cause.NOT_WANTED, "")),
        ready(pid=None),
        parked(),
    ],
)
def test_who_can_not_be_asked_holds_what_it_does(state):
    assert of(a_sleeper(), state) is None


def test_one_without_the_words_or_not_ready_can_not_be_asked():
    assert of(a_model()) is None
    assert of(a_sleeper(), phase=Phase.UNREADY) is None
    assert of(a_sleeper(), run=None) is None


def test_the_words_are_the_files_or_those_it_was_started_with_once_it_is_in_no_file():
    started, now = a_sleeper({"ram": "1GiB"}), a_sleeper({"ram": "2GiB"})
    run = ready()("a", started).run
    assert now.park == rules(run, now)
    assert started.park == rules(run, None)
    assert rules(run, a_model()) is None


def test_one_that_wakes_is_booked_with_what_it_held_awake_and_nowhere_less_than_now():
    auto = a_sleeper(memory="auto")
    model = parked(reserved={"ram": 2, "vram:x": 9})("a", a_sleeper())
    run = replace(model.run, sleep=replace(model.run.sleep, awake={"ram": 5, "vram:x": 3, "vram:y": 0}))
    assert {"ram": 5, "vram:x": 3, "vram:y": 0} == awake(model, run, auto)
    assert {"ram": 5, "vram:x": 9, "vram:y": 0} == waking(model, run, auto)
    said_better = awake(model, replace(run, peak={"vram:y": 4}), a_sleeper(memory="3GiB"))
    assert {"ram": 3 * GIB, "vram:x": 0, "vram:y": 4} == said_better
