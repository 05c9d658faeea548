"""How a container has ended, told as an exit."""

import pytest

from zoosup.core.state.phases import ExitReason as Why
from zoosup.core.state.runs import Exit
from zoosup.host.container.engine import ContainerState
from zoosup.host.runs.exits import exit_of_client, exit_of_container


def state(**said):
    shown = {"running": False, "exit_code": 0, "oom_killed": False, "error": ""} | said
    return ContainerState("c" * 64, "zoo", "r1", None, **shown)


@pytest.mark.parametrize(
    ("said", "reason", "code", "signal"),
    [
        ({"exit_code": 0}, Why.COMPLETED, 0, None),
        ({"exit_code": 3}, Why.ERROR, 3, None),
        ({"exit_code": 127}, Why.ERROR, 127, None),
        ({"exit_code": 137}, Why.SIGNALED, None, "SIGKILL"),
        ({"exit_code": 139}, Why.SIGNALED, None, "SIGSEGV"),
        ({"exit_code": 255}, Why.ERROR, 255, None),
        ({"exit_code": 137, "oom_killed": True}, Why.OOM_KILLED, None, "SIGKILL"),
        ({"exit_code": None, "error": "no such file"}, Why.ERROR, None, None),
    ],
)
def test_by_the_engine(said, reason, code, signal):
    ended = exit_of_container(state(**said), 7.0)
    assert (reason, code, signal, 7.0) == (ended.reason, ended.code, ended.signal, ended.at)


def test_one_that_the_engine_no_longer_has_was_removed():
    assert "removed by somebody else" in exit_of_container(None, 7.0).message


def test_the_engines_own_reason_is_told():
    assert "no such file" in exit_of_container(state(exit_code=127, error="no such file"), 7.0).message


KILLED = Exit(Why.SIGNALED, 7.0, signal="SIGKILL", message="killed by SIGKILL")
FAILED = Exit(Why.ERROR, 7.0, code=139, message="exited with code 139")


@pytest.mark.parametrize(
    ("client", "said", "reason", "words"),
    [
        (KILLED, state(running=True, exit_code=None), Why.SIGNALED, "its container lived on"),
        (KILLED, None, Why.SIGNALED, "killed by SIGKILL"),
        (FAILED, None, Why.SIGNALED, "SIGSEGV"),
        (FAILED, state(exit_code=139), Why.SIGNALED, "SIGSEGV"),
        (FAILED, state(exit_code=137, oom_killed=True), Why.OOM_KILLED, "want of memory"),
    ],
)
def test_by_its_client(client, said, reason, words):
    ended = exit_of_client(client, said)
    assert reason == ended.reason
    assert words in ended.message
