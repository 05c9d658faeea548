"""Models that do not go when they are asked to: whoever is counted after “stopped” is counted by the kernel."""

import os
import signal

import pytest

from tests.faults.faulty_zoo import OFTEN, faulty, keeping
from tests.faults.table import fault
from tests.peers import oracle

BROOD = 200  # as faulty_model.py has it

MODELS = {
    "deaf": faulty("deaf"),
    "halted": faulty("none", ready=OFTEN),
    "multiplies": faulty("fork-on-term"),
    "brood": faulty("brood"),
    "cleared": faulty("cleared"),
}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    with keeping(tmp_path_factory.mktemp("leaving"), MODELS) as house:
        yield house


@pytest.fixture(autouse=True)
def _neighbour(house):
    yield
    house.unharmed()


@fault("SIGTERM ignored", "SIGKILL when the grace is over", 4)
def test_a_model_that_ignores_sigterm_is_killed_after_its_grace(house):
    house.start("deaf")
    assert 1 == len(house.living("deaf"))
    house.stop("deaf")
    assert [] == house.living("deaf")
    assert "SIGKILL" == house.zoo.model("deaf")["last_exit"]["signal"]


@fault(
    "SIGSTOPped model",
    "unready, not killed; continued it is ready again; stopped for good it goes by SIGTERM",
    4,
    13,
)
def test_a_suspended_model_loses_readiness_and_can_still_be_stopped(house):
    house.start("halted")
    [pid] = house.living("halted")
    os.kill(pid, signal.SIGSTOP)
    house.zoo.wait_phase("halted", "unready")
    os.kill(pid, signal.SIGCONT)
    house.zoo.wait_phase("halted", "ready")
    os.kill(pid, signal.SIGSTOP)
    house.zoo.wait_phase("halted", "unready")
    assert [pid] == house.living("halted")
    house.stop("halted")
    assert [] == house.living("halted")
    assert "SIGTERM" == house.zoo.model("halted")["last_exit"]["signal"]


@fault("fork-on-TERM", "finds and ends the deaf children, in sessions of their own, that SIGTERM made", 3, 4)
def test_children_forked_on_sigterm_are_ended_before_it_says_stopped(house):
    house.start("multiplies")
    house.stop("multiplies")
    assert [] == house.living("multiplies")


@fault("200 children", "ends them all, half of them in sessions of their own", 4, 20)
def test_two_hundred_children_are_ended(house):
    house.start("brood")
    house.wait_living("brood", BROOD + 1)
    house.stop("brood")
    assert [] == house.living("brood")


@fault("200 children left by a leader that was killed", "clears them away before the next run starts", 1, 3)
def test_the_children_of_a_killed_leader_are_gone_before_the_next_run(house):
    first = house.start("brood")["pid"]
    brood = set(house.wait_living("brood", BROOD + 1))
    os.kill(first, signal.SIGKILL)
    house.zoo.wait(lambda s: s["models"]["brood"]["pid"] not in {None, first}, "the next run of brood")
    assert set() == brood & set(house.living("brood"))
    house.wait_living("brood", BROOD + 1)
    house.stop("brood")
    assert [] == house.living("brood")


@fault("cleared environment", "knows leader and stray child by descent, and ends both", 4)
def test_a_model_that_clears_its_environment_is_ended_whole(house):
    house.start("cleared")
    house.wait_living("cleared", 2)
    oracle.wait(
        lambda: all(_has_no_environment(pid) for pid in house.living("cleared")), "environments to be cleared"
    )
    house.stop("cleared")
    assert [] == house.living("cleared")


def _has_no_environment(pid):
    path = f"/proc/{pid}/environ"
    if not os.path.exists("/proc/self/environ"):  # noqa: PTH110 - macOS has none, and believes the program
        return True
    with open(path, "rb") as file:  # noqa: PTH123
        return file.read() == b""
