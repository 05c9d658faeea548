"""DESIGN §4.4: how long a crashed model waits, and when it is given up."""

import pytest
from hypothesis import given, strategies as st

from zoosup.core.lifecycle.backoff import Crash, after, delay, exhausted, unsettled
from zoosup.core.state.runs import Backoff
from zoosup.spec.model.process.lifetime import RestartLimitSpec, RestartSpec

POLICY = RestartSpec()  # 2 s, doubling, at most 5 min, forgotten after 10 min


def crash(now, ready_for=0.0, jitter=0.0):
    return Crash(now, jitter, ready_for)


@pytest.mark.parametrize(
    ("counted", "seconds"), [(0, 0), (1, 2), (2, 4), (3, 8), (8, 256), (9, 300), (10, 300), (1000, 300)]
)
def test_the_first_crash_costs_nothing_and_each_further_one_twice_as_much_up_to_five_minutes(
    counted, seconds
):
    assert seconds == delay(counted, 0.0, POLICY)


@pytest.mark.parametrize(("jitter", "seconds"), [(-1.0, 3.6), (0.0, 4.0), (0.5, 4.2), (1.0, 4.4)])
def test_jitter_spreads_a_delay_by_a_tenth_either_way(jitter, seconds):
    assert seconds == pytest.approx(delay(2, jitter, POLICY))


def test_jitter_never_goes_beyond_max():
    assert POLICY.max == delay(40, 1.0, POLICY)


def test_the_steepest_factor_that_a_file_may_have_is_still_a_number_of_seconds():
    assert delay(1_000_000, 1.0, RestartSpec(factor=100.0)) == POLICY.max


def test_the_delay_is_counted_from_when_the_remains_were_gone():
    assert Backoff(count=2, until=102.0) == after(crash(100.0), Backoff(count=1), POLICY)


def test_ten_minutes_of_readiness_make_the_next_crash_a_first_one():
    before = Backoff(count=7, until=400.0)
    assert Backoff(count=1, until=1000.0) == after(crash(1000.0, ready_for=600.0), before, POLICY)


def test_a_moment_less_than_ten_minutes_of_readiness_forgives_nothing():
    before = Backoff(count=2, until=0.0)
    assert Backoff(count=3, until=1004.0) == after(crash(1000.0, ready_for=599.9), before, POLICY)


def test_a_limit_counts_the_crashes_within_its_window_only():
    policy = RestartSpec(limit=RestartLimitSpec(count=3, within="60s"))
    state = Backoff()
    for now in (0.0, 50.0, 100.0):
        state = after(crash(now), state, policy)
    assert not exhausted(state, policy.limit)
    state = after(crash(109.0), state, policy)
    assert exhausted(state, policy.limit)
    assert (50.0, 100.0, 109.0) == state.crashes


def test_a_crash_that_lies_just_as_far_back_as_the_limit_looks_counts():
    policy = RestartSpec(limit=RestartLimitSpec(count=2, within="60s"))
    state = after(crash(60.0), after(crash(0.0), Backoff(), policy), policy)
    assert exhausted(state, policy.limit)


def test_a_limit_holds_though_readiness_has_reset_the_delay():
    policy = RestartSpec(limit=RestartLimitSpec(count=2, within="1h"), reset_after="10s")
    state = after(crash(100.0, ready_for=50.0), Backoff(), policy)
    state = after(crash(200.0, ready_for=50.0), state, policy)
    assert exhausted(state, policy.limit)


def test_without_a_limit_no_crash_is_kept():
    state = Backoff()
    for now in range(100):
        state = after(crash(float(now)), state, POLICY)
    assert () == state.crashes


@given(
    st.lists(st.tuples(st.floats(0, 500), st.floats(-1, 1), st.floats(1, 100), st.floats(1, 500)), min_size=1)
)
def test_without_a_reset_the_next_start_never_moves_nearer(crashes):
    """Invariant 10, with policies that are edited between any two crashes."""
    now, state = 0.0, Backoff()
    for wait, jitter, factor, longest in crashes:
        now += wait
        policy = RestartSpec.model_construct(
            initial=2.0, factor=factor, max=longest, reset_after=600.0, limit=None, policy="always"
        )
        later = after(crash(now, jitter=jitter), state, policy)
        assert later.until >= max(now, state.until)
        assert later.count == state.count + 1
        state = later


@pytest.mark.parametrize(
    ("count", "ready_for", "counts"),
    [
        (0, 0.0, 0),
        (1, 0.0, 1),
        (1, 59.9, 1),
        (1, 60.0, 0),
        (3, 60.0, 3),
        (3, 599.9, 3),
        (3, 600.0, 0),
    ],
)
def test_one_crash_is_over_after_a_minute_and_a_loop_after_ten(count, ready_for, counts):
    assert counts == unsettled(count, ready_for, POLICY)


def test_nobody_is_unsettled_for_longer_than_the_file_remembers_crashes():
    assert 0 == unsettled(1, 20.0, RestartSpec(reset_after=20.0))
