"""DESIGN §5.4: when the memory of a stopped model counts as back."""

from dataclasses import replace

import pytest

from tests.core.zoo import GIB, cooling_down
from zoosup.core.memory import reclaim
from zoosup.spec.model.memory import CooldownSpec as Bounds

MIB = 2**20
BOUNDS = Bounds()  # at least 0 s, at most 30 s
ZERO = 100.0


def watch(*samples, **kw):
    return cooling_down("a", since=ZERO, samples=samples, **{"expected": "4GiB", "baseline": "10GiB", **kw})


def outcome(watch, after, bounds=BOUNDS, loading=False):
    found = reclaim.outcome(watch, ZERO + after, bounds, loading=loading)
    return found[0] if found else None


def test_memory_is_recovered_when_two_samples_see_nine_tenths_of_it():
    assert outcome(watch((0.0, "13.7GiB"), (0.01, "13.7GiB")), 0.01) == "recovered"


def test_one_sample_proves_nothing():
    assert outcome(watch((0.0, "14GiB")), 0.01) is None


def test_two_samples_that_disagree_are_believed_as_far_as_the_lesser():
    assert outcome(watch((0.0, "14GiB"), (0.01, "11GiB")), 0.01) is None
    assert outcome(watch((0.0, "11GiB"), (0.01, "14GiB")), 0.01) is None


def test_less_than_nine_tenths_is_not_yet_recovered():
    assert outcome(watch((0.0, "13.5GiB"), (0.01, "13.5GiB")), 0.01) is None


def test_a_small_model_is_not_waited_for_within_the_noise():
    assert outcome(watch((0.0, "10GiB"), (0.01, "10GiB"), expected="20MiB"), 0.01) == "recovered"


def test_never_before_min_though_everything_is_back():
    """`min: 2s` is the fixed pause of the design that zoosup came from."""
    back = watch((0.0, "14GiB"), (1.9, "14GiB"))
    assert outcome(back, 1.99, Bounds(min="2s")) is None
    assert outcome(back, 2.0, Bounds(min="2s")) == "recovered"


def test_memory_that_has_not_moved_for_one_and_a_half_seconds_has_settled_short():
    flat = watch(*((i / 10, "11GiB") for i in range(16)))
    assert outcome(flat, 1.49) is None
    assert outcome(flat, 1.5) == "settled short"


def test_memory_that_still_moves_has_not_settled():
    moving = watch(*((i / 10, int((11 + i / 10) * GIB)) for i in range(16)))
    assert outcome(moving, 1.5) is None


@pytest.mark.parametrize(("moved", "said"), [(32 * MIB, "settled short"), (32 * MIB + 1, None)])
def test_noise_is_no_movement(moved, said):
    noisy = watch(*((i / 10, 11 * GIB + (i % 2) * moved) for i in range(16)))
    assert said == outcome(noisy, 1.5)


@pytest.mark.parametrize(
    ("now", "more"), [("11GiB", "; 3 GiB of 4 GiB is held by others"), ("14GiB", ""), ("15GiB", "")]
)
def test_at_its_end_it_says_what_others_have_taken(now, more):
    found = reclaim.outcome(watch((0.0, now), (29.0, now)), ZERO + 30, Bounds(), loading=True)
    assert ("max", f"gave up waiting for the memory of a after 30.0 s{more}") == found


def test_movement_at_the_beginning_of_the_window_is_seen():
    """Samples from before the last 1.5 s say nothing about flatness, those within it all do."""
    late = watch((0.0, "11GiB"), (1.4, "11GiB"), (1.5, "12GiB"), (2.8, "12GiB"))
    assert outcome(late, 2.9) is None
    assert outcome(late, 3.0) == "settled short"


def test_max_is_the_end_though_nothing_came_back():
    assert outcome(watch((0.0, "9GiB"), (29.9, "10GiB")), 29.9) is None
    assert outcome(watch((0.0, "9GiB"), (29.9, "10GiB")), 30.0) == "max"


def test_max_is_the_end_though_memory_was_never_read():
    assert outcome(watch(), 29.0) is None
    assert outcome(watch(), 30.0) == "max"


def test_a_model_that_crashed_before_the_baseline_gives_no_difference_to_go_by():
    crashed = watch((0.0, "20GiB"), (0.01, "20GiB"), baseline=None)
    assert reclaim.came_back(crashed) is None
    assert outcome(crashed, 0.01) is None


def test_while_another_loads_in_the_pool_neither_a_difference_nor_flatness_proves_anything():
    back = watch(*((i / 10, "14GiB") for i in range(16)))
    assert outcome(back, 1.5, loading=True) is None
    assert outcome(back, 30.0, loading=True) == "max"


def test_a_difference_is_signed_because_others_may_allocate_meanwhile():
    assert -2 * GIB == reclaim.came_back(watch((0.0, "8GiB"), (0.01, "8GiB")))


def test_a_shortfall_is_told_with_its_size():
    flat = watch(*((i / 10, "11GiB") for i in range(16)))
    assert reclaim.outcome(flat, ZERO + 1.5, BOUNDS, loading=False) == (
        "settled short", "free memory has settled after 1.50 s; 3 GiB of 4 GiB is held by others",
    )  # fmt: skip


def test_what_came_back_is_told_with_its_size():
    assert reclaim.outcome(watch((0.0, "14GiB"), (0.1, "14GiB")), ZERO + 0.1, BOUNDS, loading=False) == (
        "recovered", "4 GiB of 4 GiB came back in 0.10 s",
    )  # fmt: skip


def test_two_looks_in_one_moment_are_one_sample():
    """A turn of the loop plans several times over; two readings microseconds apart can't agree or disagree."""
    one = replace(watch(), samples=reclaim.sampled(watch(), ZERO, 14 * GIB))
    two = replace(one, samples=reclaim.sampled(one, ZERO + 0.0001, 14 * GIB))
    assert reclaim.agreed(two) is None
    three = replace(two, samples=reclaim.sampled(two, ZERO + 0.01, 13 * GIB))
    assert 13 * GIB == reclaim.agreed(three)


def test_samples_older_than_what_flatness_looks_at_are_dropped():
    full = watch(*((float(i), "1GiB") for i in range(10)))
    assert [8.0, 9.0, 10.0] == [at - ZERO for at, _ in reclaim.sampled(full, ZERO + 10.0, GIB)]


@pytest.mark.parametrize("since", [0.0, 1e9])
def test_a_sample_that_comes_exactly_when_it_was_asked_for_is_kept(since):
    from zoosup.core.scheduler.stop import COOLDOWN_POLL  # noqa: PLC0415

    first = cooling_down(since=since, samples=[(0.0, GIB)])
    assert 2 == len(reclaim.sampled(first, since + COOLDOWN_POLL, GIB))
