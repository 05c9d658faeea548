"""Why Ray does not let a link in, by what it raises."""

import sys
from types import SimpleNamespace

import pytest

from zoosup.fleet import ray_transport
from zoosup.fleet.transport import FleetError

GIVEN_UP = ConnectionError("Failed to connect to Ray cluster at 10.0.0.5:6379")


def caused_by(text):
    """As Ray tells it after 20 tries, one a second."""
    error = ConnectionError(*GIVEN_UP.args)
    error.__cause__ = RuntimeError(f"Failed to connect to GCS. Last connection error: {text}")
    return error


@pytest.mark.parametrize(
    ("error", "reason", "words"),
    [
        (
            caused_by("ray.exceptions.AuthenticationError: RPC error: InvalidAuthToken: it is missing"),
            "WrongToken",
            "fleet.token_file has to be the same on all",
        ),
        (caused_by("timed out"), "Refused", "Failed to connect to Ray cluster at 10.0.0.5:6379"),
        (GIVEN_UP, "Refused", "Failed to connect to Ray cluster at 10.0.0.5:6379"),
        (RuntimeError("Version mismatch: 2.59"), "VersionMismatch", "another Ray or another Python"),
    ],
)
def test_why_it_is_refused_is_told_apart(monkeypatch, error, reason, words):
    def init(**_):
        raise error

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=init))
    with pytest.raises(FleetError, match=words) as caught:
        ray_transport.connect("10.0.0.5:6379", "10.0.0.7")
    assert reason == caught.value.reason
