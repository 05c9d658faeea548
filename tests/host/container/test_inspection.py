"""What an engine says of a container, in the words of each of them."""

import pytest

from zoosup.host.container.engine import PLACE_LABEL, RUN_LABEL
from zoosup.host.container.inspection import state_of


@pytest.mark.parametrize(
    ("config", "signal"),
    [
        ({"StopSignal": "SIGQUIT"}, "QUIT"),
        ({"StopSignal": "int"}, "INT"),
        # Podman before 5 has it as a number, and a file for Docker may name one
        ({"StopSignal": 15}, "TERM"),
        ({"StopSignal": "2"}, "INT"),
        # of systemd in a container
        ({"StopSignal": "SIGRTMIN+3"}, "RTMIN+3"),
        ({"StopSignal": "999"}, "999"),
        ({"StopSignal": ""}, ""),
        ({}, ""),
        (None, ""),
    ],
)
def test_the_signal_that_ends_it_is_known_by_its_name(config, signal):
    assert signal == state_of({"Id": "c", "State": {}, "Config": config}).stop_signal


DEAD = {"Status": "exited", "Running": False, "Pid": 0, "ExitCode": 3}


@pytest.mark.parametrize(
    ("state", "running", "pid", "code", "error"),
    [
        ({"Status": "running", "Running": True, "Pid": 7, "ExitCode": 0, "Error": ""}, True, 7, None, ""),
        ({"Status": "running", "Pid": 7}, True, 7, None, ""),  # not every engine says `Running`
        (DEAD, False, None, 3, ""),
        (DEAD | {"Pid": 7, "Error": None}, False, None, 3, ""),
        (DEAD | {"ExitCode": None}, False, None, 0, ""),
        ({"Status": "Created", "ExitCode": 0}, False, None, None, ""),
        (
            {"Status": "created", "ExitCode": 127, "Error": "no such program"},
            False,
            None,
            127,
            "no such program",
        ),
    ],
)
def test_how_it_is(state, running, pid, code, error):
    found = state_of({"Id": "c", "State": state})
    assert (running, pid, code, error) == (found.running, found.pid, found.exit_code, found.error)


@pytest.mark.parametrize(
    ("said", "killed"), [({"OOMKilled": True}, True), ({"OOMKilled": False}, False), ({}, False)]
)
def test_whether_it_was_killed_for_want_of_memory(said, killed):
    assert killed is state_of({"Id": "c", "State": DEAD | said}).oom_killed


@pytest.mark.parametrize("status", ["created", "configured", "initialized", "Initialized"])
def test_one_that_was_never_started_has_not_ended(status):
    assert state_of({"Id": "c", "State": {"Status": status, "ExitCode": 0}}).exit_code is None


def test_whose_it_is_stands_in_its_labels():
    labels = {RUN_LABEL: "a-1", PLACE_LABEL: "here"}
    found = state_of({"Id": "c", "Name": "/zoosup-a", "State": DEAD, "Config": {"Labels": labels}})
    assert ("c", "zoosup-a", "a-1", "here") == (found.id, found.name, found.run_id, found.place)
    stranger = state_of({"Id": "c", "State": DEAD, "Config": {"Labels": None}})
    assert ("", "", "") == (stranger.name, stranger.run_id, stranger.place)


@pytest.mark.parametrize("found", [{}, {"Id": "c"}, {"State": {}}, {"Id": "c", "State": None}, []])
def test_what_is_no_container_is_refused(found):
    with pytest.raises(ValueError, match="no container"):
        state_of(found)
