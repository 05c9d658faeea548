"""What a live run is promised once the file says something else of the same process."""

import pytest

from tests.core.gpus import on_gpu
from tests.core.zoo import GIB, a_model, ready
from zoosup.core.estimation.need import need
from zoosup.core.memory.gpu_layouts import rebooked, still_booked

BOTH = {"ram": GIB, "vram:GPU-a": 2 * GIB, "vram:GPU-b": 2 * GIB}
SEVEN = need(on_gpu("7GiB"))  # and 1 GiB of RAM


def a_run(**fields):
    return ready(**fields)("a", a_model()).run


@pytest.mark.parametrize(("gpus", "ram"), [(None, 8), ((), 1)])
def test_one_without_gpu_memory_has_it_in_ram_unless_it_was_shown_no_gpu(gpus, ram):
    assert {"ram": ram * GIB} == rebooked(SEVEN, a_run(gpus=gpus))


def test_what_is_declared_is_shared_by_the_gpus_that_it_has():
    shared = 7 * GIB // 2
    assert {"ram": GIB, "vram:GPU-a": shared, "vram:GPU-b": shared} == rebooked(SEVEN, a_run(reserved=BOTH))


def test_by_uuid_it_is_booked_anew_and_by_index_as_it_was():
    by_gpu = need(on_gpu({"GPU-a": "3GiB", "1": "9GiB"}))
    assert BOTH | {"vram:GPU-a": 3 * GIB} == rebooked(by_gpu, a_run(reserved=BOTH))


def test_a_guess_is_no_better_word_for_its_gpus():
    assert BOTH | {"ram": 8 * GIB} == rebooked(need(a_model("auto")), a_run(reserved=BOTH))


def test_what_it_was_seen_to_hold_stays_booked():
    run = a_run(peak={"ram": 2 * GIB})
    assert {"ram": 8 * GIB} == still_booked(SEVEN, run)
    assert {"ram": 9 * GIB} == still_booked(SEVEN, a_run(peak={"ram": 9 * GIB}))
