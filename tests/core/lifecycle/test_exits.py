"""What the end of a run adds up to: how it is named, and when its model is given up."""

from dataclasses import replace

import pytest

from tests.core.zoo import GIB, NOW, a_model, an_exit, leaving, ready, starting
from zoosup.core.lifecycle.exits import describe
from zoosup.core.lifecycle.transitions import apply
from zoosup.core.state.facts import Exited, Gone, StopBegun
from zoosup.core.state.phases import Cause, ExitReason, Phase, Reason
from zoosup.core.state.runs import Backoff, Exit, Leaving
from zoosup.core.state.usage import Ooms
from zoosup.spec.model.process.lifetime import RestartLimitSpec, RestartSpec

KILLED = an_exit(reason=ExitReason.OOM_KILLED)
TWICE = RestartSpec(limit=RestartLimitSpec(count=2, within="60s"))


def a(state, **fields):
    return replace(state("a", a_model("4GiB")), **fields)


def ended(model, end, policy=RestartSpec()):  # noqa: B008 - frozen
    """The model once its run has crashed so, and nothing of it is left."""
    return apply(apply(model, Exited("a-1", end, NOW)), Gone("a-1", end, NOW, policy, 0.0))


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (Exit(ExitReason.ERROR, 0.0, code=3), "exited with code 3"),
        (Exit(ExitReason.SIGNALED, 0.0, signal="SIGSEGV"), "killed by SIGSEGV"),
        (Exit(ExitReason.ERROR, 0.0, code=3, message="no such file"), "no such file"),
    ],
)
def test_an_end_is_told_by_its_message_or_else_by_its_signal_or_code(end, words):
    assert words == describe(end)


def test_a_crash_below_the_limit_is_tried_again():
    model = ended(a(ready()), an_exit(), TWICE)
    assert (Phase.STOPPED, 1) == (model.phase, model.restarts)
    assert Phase.FAILED == ended(a(ready(), backoff=model.backoff), an_exit(), TWICE).phase


def test_a_crash_of_another_kind_after_ooms_of_other_weights_is_no_want_of_memory():
    before = a(ready(), ooms=Ooms("of old weights", 2))
    assert (Phase.STOPPED, 1) == ((after := ended(before, an_exit())).phase, after.restarts)


def test_a_second_oom_is_told_as_one_also_where_the_limit_is_reached():
    before = a(ready(fingerprint="f"), ooms=Ooms("f", 1), backoff=Backoff(1, 0.0, (NOW,)))
    after = ended(before, KILLED, TWICE)
    assert (Phase.FAILED, Reason.OOM) == (after.phase, after.reason)
    assert "2 times, at last with 4 GiB of ram" in after.message
    unbooked = ended(a(ready(fingerprint="f", reserved={}), ooms=Ooms("f", 1)), KILLED)
    assert "at last with 0 B of ram" in unbooked.message
    first = ended(a(ready(fingerprint="f"), backoff=Backoff(1, 0.0, (NOW,))), KILLED, TWICE)
    assert (Reason.CRASH_LOOP, Ooms("f", 1)) == (first.reason, first.ooms)


def test_a_crash_that_nobody_saw_is_dated_by_when_it_was_missed():
    model = a(starting(booked_at=NOW - 60, started_at=5000.0))
    end = apply(model, Gone("a-1", None, NOW, RestartSpec(), 0.0)).last_exit
    assert Exit(ExitReason.ERROR, 5060.0, message="ended, nobody saw how") == end


def test_what_was_known_of_the_last_run_stays_where_the_end_of_this_one_was_not_seen():
    model = apply(a(leaving(), last_exit=an_exit(7)), Gone("a-1", None, NOW, RestartSpec(), 0.0))
    assert an_exit(7) == model.last_exit


def test_a_run_that_had_to_go_for_want_of_memory_says_so_and_is_no_crash():
    short = Leaving(Cause.PRESSURE, "ram: 1 GiB missing", NOW)
    model = apply(a(ready(holds=4 * GIB)), StopBegun("a-1", short))
    assert model.run.leaving.ladder
    rested = apply(model, Gone("a-1", an_exit(143), NOW, RestartSpec(), 0.0))
    assert ("ram: 1 GiB missing", 143, 0) == (
        rested.last_exit.message, rested.last_exit.code, rested.restarts
    )  # fmt: skip


@pytest.mark.parametrize(("ready_for", "count"), [(599.0, 2), (600.0, 1)])
def test_an_oom_long_after_the_last_one_is_the_first_again(ready_for, count):
    """What it was given after the last one has sufficed, as crashes are forgotten after `reset_after`."""
    before = a(ready(fingerprint="f", ready_since=NOW - ready_for), ooms=Ooms("f", 1))
    after = ended(before, KILLED)
    assert (Ooms("f", count), Phase.FAILED if count > 1 else Phase.STOPPED) == (after.ooms, after.phase)
