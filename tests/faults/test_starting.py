"""Models that can't be started, or end at the worst moment: it says why, tries again, and clears up first."""

import os
import socket
import sys

import pytest

from tests.e2e.driver import free_ports
from tests.faults.faulty_zoo import FAULTY, faulty, running_zoo
from tests.faults.table import fault

PHASES = ("exit-early", "exit-loading", "exit-ready")


def program(folder):
    """A program that is not there yet, or may not be executed."""
    return {"command": [str(folder / "program"), "none", "${PORT}"]}


def elsewhere(other, wanted):
    """A server that takes no heed of ${PORT}."""
    command = faulty("none")["command"]
    ready = {"http": "/health", "deadline": "6s"}
    return {
        "command": [*command[:-1], str(other)],
        "port": wanted,
        "ready": ready,
        "restart": {"policy": "never"},
    }


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("starting")
    port, other, wanted = free_ports(3)
    models = {
        "absent": program(folder / "models" / "absent"),
        "forbidden": program(folder / "models" / "forbidden"),
        "taken": faulty("none", port=port),
        "elsewhere": elsewhere(other, wanted),
        "exit-stopping": faulty("exit-stopping"),
        **{phase: faulty(phase, restart={"limit": {"count": 3, "within": "1m"}}) for phase in PHASES},
    }
    with running_zoo(folder, models) as zoo:
        yield zoo


@pytest.fixture(autouse=True)
def _neighbour(zoo):
    yield
    zoo.unharmed()


def write_program(path, mode):
    draft = path.with_name("draft")
    interpreter = os.path.realpath(sys.executable)
    draft.write_text(f'#!/bin/sh\nexec "{interpreter}" -I -S "{FAULTY}" "$@"\n')
    draft.chmod(mode)
    draft.replace(path)


@fault("exec: ENOENT", "failed at once, with the path; starts by itself when the file appears", 9)
def test_a_missing_executable_is_named_and_tried_again_when_it_appears(zoo):
    path = zoo.place("absent") / "program"
    failed = zoo.start("absent", "failed")
    assert "NotExecutable" == failed["reason"]
    assert str(path) in failed["message"]
    assert [] == zoo.living("absent")
    write_program(path, 0o755)
    zoo.zoosup.wait_phase("absent", "ready")
    zoo.stop("absent")


@fault("exec: EACCES", "failed at once, with the path; starts by itself when it may be executed", 9)
def test_a_file_that_may_not_be_executed_is_named_and_tried_again_when_it_may(zoo):
    path = zoo.place("forbidden") / "program"
    write_program(path, 0o644)
    failed = zoo.start("forbidden", "failed")
    assert "NotExecutable" == failed["reason"]
    assert str(path) in failed["message"]
    path.chmod(0o755)
    zoo.zoosup.wait_phase("forbidden", "ready")
    zoo.stop("forbidden")


@pytest.mark.parametrize("phase", PHASES)
@fault(
    "exit before it listens, while it loads, just after ready",
    "a crash each time: cleared, restarted, failed at its limit",
    1,
    9,
)
def test_an_exit_in_any_phase_is_a_crash_that_is_counted(zoo, phase):
    failed = zoo.start(phase, "failed")
    assert "CrashLoop" == failed["reason"]
    assert ("Error", 3) == (failed["last_exit"]["reason"], failed["last_exit"]["code"])
    assert [] == zoo.living(phase)
    assert 3 == len(zoo.events(phase, "Gone"))


@fault("exit with an error while it is stopped", "stopped, with the code; no crash, no restart", 4)
def test_an_exit_with_an_error_on_the_way_out_is_no_crash(zoo):
    zoo.start("exit-stopping")
    zoo.stop("exit-stopping")
    assert [] == zoo.living("exit-stopping")
    assert (3, 0) == (
        zoo.zoosup.model("exit-stopping")["last_exit"]["code"],
        zoo.zoosup.model("exit-stopping")["restarts"],
    )


@fault(
    "its port is held by a stranger", "pending, with the holder; starts by itself when the port is free", 5, 9
)
def test_a_fixed_port_that_a_stranger_holds_is_waited_for(zoo):
    with socket.create_server(("127.0.0.1", zoo.models["taken"]["port"])):
        zoo.start("taken", "pending")
        zoo.zoosup.wait(lambda s: s["models"]["taken"]["reason"] == "PortInUse", "the holder to be found")
        waiting = zoo.zoosup.model("taken")
        assert str(os.getpid()) in waiting["message"]
        assert [] == zoo.living("taken")
    zoo.zoosup.wait_phase("taken", "ready")
    zoo.stop("taken")


@fault(
    "it listens on another port than ${PORT}", "says where it listens, while it loads and as the reason", 9
)
def test_a_server_that_listens_elsewhere_is_told_where(zoo):
    model = zoo.models["elsewhere"]
    said = f"nothing listens on 127.0.0.1:{model['port']}; its processes listen on 127.0.0.1:{model['command'][-1]}"
    zoo.start("elsewhere", "starting")
    zoo.zoosup.wait(lambda s: s["models"]["elsewhere"]["message"] == said, "the word on where it listens")
    zoo.zoosup.wait_phase("elsewhere", "failed")
    end = zoo.zoosup.model("elsewhere")["last_exit"]
    assert "StartupDeadline" == end["reason"]
    assert said in end["message"]
    assert [] == zoo.living("elsewhere")
