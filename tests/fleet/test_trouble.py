"""Why the fleet does not answer: what can be told apart is."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from zoosup.fleet import trouble
from zoosup.fleet.trouble import why_silent, why_unreachable

STORE = Path("/state/fleet/head")


@pytest.mark.parametrize(
    ("free", "store", "reason"),
    [
        (0, STORE, "HeadStoreFull"),
        (10**9, STORE, "HeadUnreachable"),
        (0, None, "HeadUnreachable"),  # it is another host's, or kept elsewhere
        (None, STORE, "HeadUnreachable"),  # there is no such directory yet
    ],
)
def test_a_head_whose_disk_is_full_is_told_apart(monkeypatch, free, store, reason):
    def usage(place):
        if free is None:
            raise FileNotFoundError(place)
        return SimpleNamespace(free=free)

    monkeypatch.setattr(trouble.shutil, "disk_usage", usage)
    said = why_unreachable("10.0.0.5:6379", store, ConnectionRefusedError(111, "Connection refused"))
    assert reason == said[0]
    assert (
        str(STORE) if reason == "HeadStoreFull" else "10.0.0.5:6379 can't be reached: Connection"
    ) in said[1]


def test_a_head_that_says_nothing_at_all_can_be_told_apart_by_nobody():
    said = why_unreachable("10.0.0.5:6379", None, TimeoutError())
    assert ("HeadUnreachable", "10.0.0.5:6379 can't be reached: no answer") == said


@pytest.mark.parametrize(
    ("words", "reason"),
    [("x\nInvalidAuthToken: y", "WrongToken"), ("AuthenticationError", "WrongToken"), ("", "NoAnswer")],
)
def test_a_token_that_is_not_taken_is_told_by_what_the_link_prints(words, reason):
    assert reason == why_silent(words, Path("/etc/token"), 30.0)[0]
