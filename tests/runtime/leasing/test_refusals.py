"""What a client is told that it waits for."""

from dataclasses import replace

import pytest

from tests.runtime.builders import ManualClock, a_zoo, make_ready
from zoosup.core.state.phases import Phase
from zoosup.runtime.leasing.refusals import wait_in_words


def a_model(**changes):
    zoo = a_zoo(ManualClock(), "{active: [], models: {a: {command: [serve]}}}")
    make_ready(zoo, "a")
    return replace(zoo.models["a"], message="", **changes)


@pytest.mark.parametrize(
    ("phase", "message", "words"),
    [
        (Phase.STOPPED, "", "a is about to be started"),
        (Phase.STOPPED, "stopped by hand", "a is stopped: stopped by hand"),
        (Phase.READY, "", "a is answering as many requests as it may"),
        (Phase.STARTING, "", "a is starting"),
        (Phase.PENDING, "waits for b to leave", "a is pending: waits for b to leave"),
    ],
)
def test_what_a_client_waits_for_is_what_the_model_is_at(phase, message, words):
    assert words == wait_in_words(replace(a_model(), phase=phase, message=message), "a")


def test_of_one_that_nobody_knows_yet_nothing_else_is_to_be_said():
    assert "a is about to be started" == wait_in_words(None, "a")
