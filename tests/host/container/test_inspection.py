"""What an engine says of a container, in the words of each of them."""

import pytest

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
