"""Models that can't be started, or end at the worst moment: it says why, tries again, and clears up first."""

import os
import socket
import sys

import pytest

from tests.e2e.driver import free_ports
from tests.faults.faulty_zoo import FAULTY, faulty, keeping
from tests.faults.table import fault

PHASES = ("exit-early", "exit-loading", "exit-ready")


def program(folder):
    """A program that is not there yet, or may not be executed."""
    return {"command": [str(folder / "program"), "none", "${PORT}"]}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    folder = tmp_path_factory.mktemp("starting")
    [port] = free_ports(1)
    models = {
        "absent": program(folder / "models" / "absent"),
        "forbidden": program(folder / "models" / "forbidden"),
        "taken": faulty("none", port=port),
        "exit-stopping": faulty("exit-stopping"),
        **{phase: faulty(phase, restart={"limit": {"count": 3, "within": "1m"}}) for phase in PHASES},
    }
    with keeping(folder, models) as house:
        yield house


@pytest.fixture(autouse=True)
def _neighbour(house):
    yield
    house.unharmed()


def write_program(path, mode):
    draft = path.with_name("draft")
    interpreter = os.path.realpath(sys.executable)
    draft.write_text(f'#!/bin/sh\nexec "{interpreter}" -I -S "{FAULTY}" "$@"\n')
    draft.chmod(mode)
    draft.replace(path)


@fault("exec: ENOENT", "failed at once, with the path; starts by itself when the file appears", 9)
def test_a_missing_executable_is_named_and_tried_again_when_it_appears(house):
    path = house.place("absent") / "program"
    failed = house.start("absent", "failed")
    assert "NotExecutable" == failed["reason"]
    assert str(path) in failed["message"]
    assert [] == house.living("absent")
    write_program(path, 0o755)
    house.zoo.wait_phase("absent", "ready")
    house.stop("absent")


@fault("exec: EACCES", "failed at once, with the path; starts by itself when it may be executed", 9)
def test_a_file_that_may_not_be_executed_is_named_and_tried_again_when_it_may(house):
    path = house.place("forbidden") / "program"
    write_program(path, 0o644)
    failed = house.start("forbidden", "failed")
    assert "NotExecutable" == failed["reason"]
    assert str(path) in failed["message"]
    path.chmod(0o755)
    house.zoo.wait_phase("forbidden", "ready")
    house.stop("forbidden")


@pytest.mark.parametrize("phase", PHASES)
@fault(
    "exit before it listens, while it loads, just after ready",
    "a crash each time: cleared, restarted, failed at its limit",
    1,
    9,
)
def test_an_exit_in_any_phase_is_a_crash_that_is_counted(house, phase):
    failed = house.start(phase, "failed")
    assert "CrashLoop" == failed["reason"]
    assert ("Error", 3) == (failed["last_exit"]["reason"], failed["last_exit"]["code"])
    assert [] == house.living(phase)
    assert 3 == len(house.events(phase, "Gone"))


@fault("exit with an error while it is stopped", "stopped, with the code; no crash, no restart", 4)
def test_an_exit_with_an_error_on_the_way_out_is_no_crash(house):
    house.start("exit-stopping")
    house.stop("exit-stopping")
    assert [] == house.living("exit-stopping")
    assert (3, 0) == (
        house.zoo.model("exit-stopping")["last_exit"]["code"],
        house.zoo.model("exit-stopping")["restarts"],
    )


@fault(
    "its port is held by a stranger", "pending, with the holder; starts by itself when the port is free", 5, 9
)
def test_a_fixed_port_that_a_stranger_holds_is_waited_for(house):
    with socket.create_server(("127.0.0.1", house.models["taken"]["port"])):
        house.start("taken", "pending")
        house.zoo.wait(lambda s: s["models"]["taken"]["reason"] == "PortInUse", "the holder to be found")
        waiting = house.zoo.model("taken")
        assert str(os.getpid()) in waiting["message"]
        assert [] == house.living("taken")
    house.zoo.wait_phase("taken", "ready")
    house.stop("taken")
