"""Who is told to leave and why, at which time the next step is due, and when a pass looks again."""

from dataclasses import replace
from math import inf

import pytest

from tests.core.zoo import (
    NOW,
    a_host,
    a_model,
    a_zoo,
    by_hand,
    condition,
    cooling_down,
    decide,
    idle,
    in_words,
    leaving,
    on_demand,
    parking,
    ready,
    running,
    starting,
    stuck,
    switched,
)
from zoosup.core.scheduler.cycle import Cycle
from zoosup.core.scheduler.stop import COOLDOWN_POLL, COOLDOWN_SHARE, COOLDOWN_SLOW, end_cooldowns
from zoosup.core.state.observed import SwitchOutcome
from zoosup.core.state.phases import Cause, Override, Phase

ONE = a_zoo({"a": "4GiB"}, ["a"])


def told(spec, host):
    """What is done, each with its message."""
    return [(in_words(each), each.message) for each in decide(spec, host).actions if hasattr(each, "message")]


# cool-downs


@pytest.mark.parametrize(
    ("waited", "again"),
    [
        (0.0, COOLDOWN_POLL),
        (0.15, COOLDOWN_POLL),
        (1.0, COOLDOWN_SHARE),
        (5.0, COOLDOWN_SLOW),
        (20.0, COOLDOWN_SLOW),
    ],
)
def test_memory_that_comes_back_is_looked_at_often_at_first_and_then_every_fiftieth_of_the_wait(
    waited, again
):
    cycle = Cycle(ONE, a_host(ONE, cooling=[cooling_down(since=NOW - waited)]))
    end_cooldowns(cycle)
    assert NOW + again == pytest.approx(cycle.wake_at, abs=1e-9)
    assert 1 == len(cycle.cooling)


def test_a_wait_that_is_over_is_ended_and_the_others_go_on():
    over, lasts = cooling_down("x", since=NOW - 31), cooling_down("y")
    cycle = Cycle(ONE, a_host(ONE, cooling=[over, lasts]))
    end_cooldowns(cycle)
    assert ["end cool-down of x: max"] == [in_words(each) for each in cycle.actions]
    assert (lasts,) == cycle.cooling


# on the way out


@pytest.mark.parametrize(
    ("shutdown", "cause", "due"),
    [
        (False, Cause.NOT_WANTED, 599),  # stop.drain
        (True, Cause.NOT_WANTED, 29),  # or stop.grace, if that is shorter
        (False, Cause.PRESSURE, 29),
    ],
)
def test_a_drain_has_its_time_and_less_where_there_is_none(shutdown, cause, due):
    host = a_host(ONE, shutdown=shutdown, a=leaving(Phase.DRAINING, cause))
    assert ([], NOW + due) == (told(ONE, host), decide(ONE, host).wake_at)


def test_what_has_drained_is_stopped_for_the_reason_it_was_told():
    host = a_host(ONE, shutdown=True, a=leaving(Phase.DRAINING, drained=True))
    assert [("stop a NotWanted", "NotWanted")] == told(ONE, host)


@pytest.mark.parametrize(("retry_at", "acts"), [(NOW, ["stop a NotWanted"]), (NOW + 9, [])])
def test_what_is_stuck_is_said_and_tried_again_in_its_time(retry_at, acts):
    host = a_host(ONE, a=stuck(retry_at))
    assert acts == [word for word, _ in told(ONE, host)]
    said = condition(ONE, host, "a", "TerminationStuck")
    assert (True, "Survivors", "pid 7 (D)") == (said.status, said.reason, said.message)
    assert not acts or retry_at <= NOW


# at fault


@pytest.mark.parametrize(
    ("state", "act", "message"),
    [
        (ready(sick="GET /health: 500"), "stop a LivenessFailed", "GET /health: 500"),
        (starting(sick="no port"), "stop a LivenessFailed", "no port"),
        (starting(booked_at=NOW - 600), "stop a StartupDeadline", "not ready within 600 s (ready.deadline)"),
    ],
)
def test_one_at_fault_leaves_for_what_is_wrong_with_it(state, act, message):
    assert (act, message) in told(ONE, a_host(ONE, a=state))


def test_the_deadline_tells_what_the_probe_saw_last():
    host = a_host(ONE, a=lambda n, s: replace(starting(booked_at=NOW - 700)(n, s), message="503"))
    assert ("stop a StartupDeadline", "not ready within 600 s (ready.deadline): 503") in told(ONE, host)


def test_before_its_deadline_it_is_looked_at_again_then():
    host = a_host(ONE, a=starting(booked_at=NOW - 599))
    assert ([], NOW + 1) == (told(ONE, host), decide(ONE, host).wake_at)


def test_one_that_would_not_sleep_or_wake_says_so():
    host = a_host(ONE, a=lambda n, s: replace(parking(sick="500")(n, s), message="room for b"))
    assert ("stop a MadeRoom", "room for b; it would not sleep: 500") in told(ONE, host)
    asleep = parking()("a", a_model()).run.sleep
    host = a_host(ONE, a=starting(sick="500", sleep=asleep))
    assert ("stop a StartupDeadline", "it would not wake: 500") in told(ONE, host)


# nobody wants it


@pytest.mark.parametrize(
    ("spec", "fields", "state", "cause", "message"),
    [
        (ONE, {"shutdown": True}, ready(), "Shutdown", "zoosup ends"),
        (a_zoo({"a": "4GiB"}), {}, ready(), "NotWanted", "not in active"),
        (a_zoo({"b": "4GiB"}), {}, ready(), "NotWanted", "taken out of the file"),
        (ONE, {}, by_hand(Override.STOP, ready()), "StoppedByHand", "stopped by hand"),
        (
            ONE, {}, ready(recalled=(Cause.SPEC_CHANGED, "command changed")), "SpecChanged", "command changed",
        ),
        (
            ONE, {}, by_hand(Override.UNLOAD, ready(recalled=(Cause.SPEC_CHANGED, "again"))),
            "Unloaded", "unloaded by hand",
        ),
        (
            a_zoo({"a": "4GiB", "b": "4GiB"}, ["b"]),
            {"switch": switched("a", "b", outcome=SwitchOutcome.DONE)}, ready(), "NotWanted", "b took over",
        ),
    ],
)  # fmt: skip
def test_one_that_nobody_wants_leaves_and_says_why(spec, fields, state, cause, message):
    said = told(spec, a_host(spec, a=state, **fields))
    assert (f"stop a {cause}", message) in said


def kept(spec, demand):
    zoo = a_zoo({"a": spec})
    host = a_host(zoo, a=running(spec=FIVE, ready_at=0.0), demand={"a": demand})
    return told(zoo, host), decide(zoo, host).wake_at


FIVE = on_demand(idle_timeout="5m")


def test_one_on_demand_stays_for_its_time():
    assert ([], NOW + 1) == kept(FIVE, idle(299))
    assert [("stop a Idle", "nobody has asked for it for 5m (idle_timeout)")] == kept(FIVE, idle(300))[0]


def test_a_client_says_better_how_long_it_stays():
    assert [("stop a Idle", "nobody has asked for it for 7s (keep_alive)")] == kept(FIVE, idle(7, stay=7.0))[
        0
    ]
    assert [("stop a Idle", "a client has given it back (keep_alive)")] == kept(FIVE, idle(0, stay=0.0))[0]
    assert [] == kept(FIVE, idle(999, stay=inf))[0]


def test_one_that_is_only_kept_is_not_kept_as_the_file_no_longer_has_it():
    changed = on_demand(idle_timeout="5m", env={"A": "1"})
    assert [("stop a SpecChanged", "env changed in the file")] == kept(changed, idle(1))[0]
