"""Models that do not go when they are asked to: whoever is counted after “stopped” is counted by the kernel."""

import os
import signal

import pytest

from tests.faults.faulty_zoo import OFTEN, faulty, running_zoo
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
def zoo(tmp_path_factory):
    with running_zoo(tmp_path_factory.mktemp("leaving"), MODELS) as zoo:
        yield zoo


@pytest.fixture(autouse=True)
def _neighbour(zoo):
    yield
    zoo.unharmed()


@fault("SIGTERM ignored", "SIGKILL when the grace is over", 4)
def test_a_model_that_ignores_sigterm_is_killed_after_its_grace(zoo):
    zoo.start("deaf")
    assert 1 == len(zoo.living("deaf"))
    zoo.stop("deaf")
    assert [] == zoo.living("deaf")
    assert "SIGKILL" == zoo.zoosup.model("deaf")["last_exit"]["signal"]


@fault(
    "SIGSTOPped model",
    "unready, not killed; continued it is ready again; stopped for good it goes by SIGTERM",
    4,
    13,
)
def test_a_suspended_model_loses_readiness_and_can_still_be_stopped(zoo):
    zoo.start("halted")
    [pid] = zoo.living("halted")
    os.kill(pid, signal.SIGSTOP)
    zoo.zoosup.wait_phase("halted", "unready")
    os.kill(pid, signal.SIGCONT)
    zoo.zoosup.wait_phase("halted", "ready")
    os.kill(pid, signal.SIGSTOP)
    zoo.zoosup.wait_phase("halted", "unready")
    assert [pid] == zoo.living("halted")
    zoo.stop("halted")
    assert [] == zoo.living("halted")
    assert "SIGTERM" == zoo.zoosup.model("halted")["last_exit"]["signal"]


@fault("fork-on-TERM", "finds and ends the deaf children, in sessions of their own, that SIGTERM made", 3, 4)
def test_children_forked_on_sigterm_are_ended_before_it_says_stopped(zoo):
    zoo.start("multiplies")
    zoo.stop("multiplies")
    assert [] == zoo.living("multiplies")


@fault("200 children", "ends them all, half of them in sessions of their own", 4, 20)
def test_two_hundred_children_are_ended(zoo):
    zoo.start("brood")
    zoo.wait_living("brood", BROOD + 1)
    zoo.stop("brood")
    assert [] == zoo.living("brood")


@fault("200 children left by a leader that was killed", "clears them away before the next run starts", 1, 3)
def test_the_children_of_a_killed_leader_are_gone_before_the_next_run(zoo):
    first = zoo.start("brood")["pid"]
    brood = set(zoo.wait_living("brood", BROOD + 1))
    os.kill(first, signal.SIGKILL)
    zoo.zoosup.wait(lambda s: s["models"]["brood"]["pid"] not in {None, first}, "the next run of brood")
    assert set() == brood & set(zoo.living("brood"))
    zoo.wait_living("brood", BROOD + 1)
    zoo.stop("brood")
    assert [] == zoo.living("brood")


@fault("cleared environment", "knows leader and stray child by descent, and ends both", 4)
def test_a_model_that_clears_its_environment_is_ended_whole(zoo):
    zoo.start("cleared")
    zoo.wait_living("cleared", 2)
    oracle.wait(
        lambda: all(_has_no_environment(pid) for pid in zoo.living("cleared")), "environments to be cleared"
    )
    zoo.stop("cleared")
    assert [] == zoo.living("cleared")


def _has_no_environment(pid):
    path = f"/proc/{pid}/environ"
    if not os.path.exists("/proc/self/environ"):  # noqa: PTH110 - macOS has none, and believes the program
        return True
    with open(path, "rb") as file:  # noqa: PTH123
        return file.read() == b""
