"""What a reason means: the tables by which a verdict is an admission, a wait or a refusal."""

import pytest

from zoosup.core.scheduler.verdicts import (
    AWAITING_ROOM,
    GIVEN_UP,
    POLLED,
    REFUSALS,
    SHORT_WAITS,
    Outcome,
    Placement,
    Verdict,
)
from zoosup.core.state.phases import Reason

WAITS = {
    Reason.CHECKING, Reason.MEMORY, Reason.MEMORY_UNKNOWN, Reason.COOL_DOWN, Reason.EVICTION, Reason.PORT,
    Reason.TURN, Reason.HOSTS, Reason.BACK_OFF, Reason.INTERNAL_ERROR, Reason.ENGINE_UNREACHABLE, Reason.PULLING_IMAGE,
    Reason.FETCHING_WEIGHTS,
}  # fmt: skip
NAMES_OF_REST = {Reason.NOT_WANTED, Reason.STOPPED_BY_HAND, Reason.UNLOADED, Reason.SHUTDOWN}
"""Nobody wants it, so that nobody waits and nobody is refused."""


def test_every_reason_is_a_wait_a_refusal_or_the_name_of_a_rest():
    assert set(Reason) == WAITS | REFUSALS | NAMES_OF_REST
    assert not WAITS & REFUSALS
    assert GIVEN_UP < REFUSALS
    assert AWAITING_ROOM < SHORT_WAITS < WAITS
    assert POLLED < WAITS - SHORT_WAITS


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [("", Outcome.ADMITTED), (Reason.PORT, Outcome.WAITS), ("OOM", "refused")],
)
def test_a_verdict_s_outcome_follows_from_its_reason(reason, outcome):
    assert outcome == Verdict(reason, "").outcome
    assert (outcome == "admitted") == Placement("local", Verdict(reason, "")).starts
