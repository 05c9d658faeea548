"""What `zoosup plan` and the status say of each step, word by word: programs read it."""

import pytest

from zoosup.core.state.actions import (
    Drain,
    EndCooldown,
    FallAsleep,
    Hold,
    HoldRoom,
    Inspect,
    Kill,
    ReleaseRoom,
    Start,
    Stop,
    Wake,
)
from zoosup.core.state.phases import Cause, Phase, Reason
from zoosup.runtime.publish.plan_report import _action, _merged
from zoosup.runtime.publish.words import REASONS

NEED = {"ram": 7}


@pytest.mark.parametrize(
    ("action", "shown"),
    [
        (Start("a", "here", NEED, "fits"), {"action": "start", "need": NEED, "message": "fits"}),
        (
            Start("a", "here", NEED, "fits", gpus=("0", "1")),
            {"action": "start", "need": NEED, "message": "fits", "gpus": ["0", "1"]},
        ),
        (
            Drain("a", "a-1", Cause.IDLE, "too long"),
            {"action": "drain", "cause": "Idle", "message": "too long"},
        ),
        (
            Stop("a", "a-1", Cause.NOT_WANTED, "gone"),
            {"action": "stop", "cause": "NotWanted", "message": "gone"},
        ),
        (
            Kill("a", "a-1", Cause.PRESSURE, "now"),
            {"action": "kill", "cause": "MemoryPressure", "message": "now"},
        ),
        (
            FallAsleep("a", "a-1", NEED, True, "for b"),
            {"action": "park", "cause": "MadeRoom", "asleep": NEED, "message": "for b"},
        ),
        (Wake("a", "a-1", NEED, "asked for"), {"action": "wake", "need": NEED, "message": "asked for"}),
        (
            Hold("a", Phase.PENDING, Reason.TURN, "waits"),
            {"action": "hold", "phase": "pending", "cause": "WaitingForTurn", "message": "waits"},
        ),
        (
            EndCooldown("here", "ram", "a", "Settled", "back"),
            {"action": "end-cooldown", "cause": "Settled", "message": "back"},
        ),
        (HoldRoom("h1", NEED, "free"), {"action": "hold-room", "need": NEED, "message": "free"}),
        (ReleaseRoom("h1", "over"), {"action": "release-room", "message": "over"}),
        (
            Inspect("a", 8000),
            {"action": "inspect", "port": 8000, "message": "look at its files and port"},
        ),
    ],
)
def test_a_step(action, shown):
    found = _action(action)
    words = found.pop("words")
    assert {"model": found["model"], **shown} == found
    assert found["message"] in words
    assert REASONS.get(shown.get("cause", ""), "") in words


STOP = {
    "action": "stop",
    "model": "a",
    "cause": "SpecChanged",
    "message": "port changed",
    "words": "its port",
}
START = {"action": "start", "model": "a", "need": NEED, "message": "fits", "words": "it fits"}
RESTART = START | {key: STOP[key] for key in ("cause", "message", "words")} | {"action": "restart"}


@pytest.mark.parametrize(
    ("steps", "merged"),
    [
        ([STOP | {"action": "drain"}, STOP], [STOP]),
        ([STOP, START], [RESTART]),
        ([STOP | {"action": "drain"}, STOP, START], [RESTART]),
        ([STOP, START | {"model": "b"}], [STOP, START | {"model": "b"}]),
        ([START, STOP], [START, STOP]),
        ([STOP, STOP | {"model": "b"}, START], [STOP, STOP | {"model": "b"}, START]),
    ],
)
def test_a_start_right_after_its_stop_is_a_restart_and_a_drain_is_no_step_of_its_own(steps, merged):
    assert merged == _merged(steps)
