"""What a run is booked with on its way into a sleep, asleep, and on the way back."""

from dataclasses import replace

import pytest

from tests.core.zoo import GIB, NOW, a_model, parked, parking
from zoosup.core.lifecycle.sleep import booking
from zoosup.core.lifecycle.transitions import apply
from zoosup.core.state.facts import Adopted, Measured, ProbedReady, Rebooked, WakeBegun, Woken
from zoosup.core.state.phases import Phase
from zoosup.core.state.runs import Run, Sleep, SleepStage

ASLEEP = Sleep(SleepStage.ASLEEP, {"ram": 4 * GIB}, {"ram": GIB}, True, NOW)


def a_run(**fields):
    return replace(Run("a-1", "local", a_model(), 1, {"ram": GIB, "vram:x": 0}, NOW, 0.0), **fields)


def test_one_that_wakes_is_booked_in_each_pool_with_the_greater_of_what_it_holds_and_will_hold():
    model = parked(reserved={"ram": 2 * GIB, "vram:x": 0})("a", a_model())
    woken = apply(model, WakeBegun("a-1", {"ram": GIB, "vram:x": 3 * GIB, "vram:y": 0}, NOW))
    assert {"ram": 2 * GIB, "vram:x": 3 * GIB, "vram:y": 0} == woken.run.reserved
    assert (Phase.STARTING, "wakes", NOW) == (woken.phase, woken.message, woken.run.booked_at)


def test_one_that_wakes_is_booked_at_once_with_more_by_the_file_and_with_less_once_it_is_ready():
    model = parked(reserved={"ram": 2 * GIB, "vram:x": 0})("a", a_model())
    waking = apply(model, WakeBegun("a-1", {"ram": 4 * GIB, "vram:x": GIB}, NOW))
    said = apply(waking, Rebooked("a-1", {"ram": 3 * GIB, "vram:x": 2 * GIB}))
    assert {"ram": 4 * GIB, "vram:x": 2 * GIB} == said.run.reserved
    ready = apply(apply(said, Woken("a-1", NOW)), ProbedReady("a-1", NOW))
    assert {"ram": 3 * GIB, "vram:x": 2 * GIB} == ready.run.reserved


def test_what_sleeps_is_booked_with_what_it_is_known_to_hold_or_is_measured_to_if_that_is_more():
    known = {"ram": GIB, "vram:x": 0}
    assert known == booking(a_run(), ASLEEP)
    assert {"ram": 2 * GIB, "vram:x": 5} == booking(a_run(measured={"ram": 2 * GIB, "vram:x": 5}), ASLEEP)
    assert known == booking(a_run(measured={"ram": 7}), ASLEEP)


def test_where_nothing_is_known_a_booking_stays_until_it_is_measured():
    of, sleep = a_run(reserved={"ram": 4 * GIB, "vram:x": GIB}), replace(ASLEEP, known=False)
    assert of.reserved == booking(of, sleep)
    assert {"ram": 7, "vram:x": GIB} == booking(replace(of, measured={"ram": 7}), sleep)


@pytest.mark.parametrize(
    ("stage", "words"), [(SleepStage.ASLEEP, "adopted asleep"), (SleepStage.WAKING, "adopted half asleep")]
)
@pytest.mark.parametrize("ready_at", [None, 7.0])
def test_one_that_was_found_in_its_sleep_has_been_ready_before(stage, words, ready_at):
    found = a_run(sleep=replace(ASLEEP, stage=stage), ready_at=ready_at)
    model = apply(replace(parked()("a", a_model()), phase=Phase.STOPPED, run=None), Adopted(found))
    assert (Phase.ASLEEP, words) == (model.phase, model.message)
    assert (NOW if ready_at is None else 7.0) == model.run.ready_at


def test_on_its_way_into_sleep_a_booking_grows_with_what_is_held_and_no_peak_is_seen():
    model = parking()("a", a_model("4GiB"))
    seen = apply(model, Measured("a-1", {"ram": 5 * GIB}))
    assert ({"ram": 5 * GIB}, {"ram": 5 * GIB}, {}) == (seen.run.reserved, seen.run.measured, seen.run.peak)
    assert {"ram": 5 * GIB} == apply(seen, Measured("a-1", {"ram": GIB})).run.reserved
