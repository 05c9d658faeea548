"""A zoosup that runs out of processes or descriptors: what runs goes on, what waits is started when they are back."""

import os
import signal
import time

import pytest

from tests.faults.faulty_zoo import LONG, faulty, running_zoo
from tests.faults.resource_limits import as_mere_user, without_descriptors, without_processes
from tests.faults.table import fault

LASTS = 12.0 if LONG else 1.5
"""Seconds: several tries of a start, and more than one look at the file."""


def through_env(model):
    """access(2) forgets capabilities: for it a mere user may not execute what is below /root; env(1) may."""
    return {**model, "command": ["/usr/bin/env", *model["command"]]}


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    user = as_mere_user()
    if isinstance(user, str):
        pytest.skip(user)
    models = {name: through_env(faulty("none")) for name in ("steady", "late", "leaves", "crashes")}
    with running_zoo(tmp_path_factory.mktemp("shortage"), models, user) as zoo:
        yield zoo


@pytest.fixture(autouse=True)
def _neighbour(zoo):
    yield
    zoo.unharmed()


def shortages(test):
    """Run a test under each shortage."""
    return pytest.mark.parametrize("shortage", [without_processes, without_descriptors])(test)


@shortages
@fault(
    "no process or thread to be had (EAGAIN), no descriptor (EMFILE), while a model is started",
    "tried again until it succeeds, then there is one process",
    1,
    9,
)
def test_a_start_that_the_kernel_refuses_is_tried_until_it_succeeds(zoo, shortage):
    with zoo.line() as ask, shortage(zoo.pid):
        ask("late", "start")
        time.sleep(LASTS)
        assert [] == zoo.living("late")
    zoo.zoosup.wait_phase("late", "ready")
    assert 1 == len(zoo.living("late"))
    zoo.stop("late")


@shortages
@fault("EAGAIN, EMFILE, while a model crashes", "its successor starts when they are back", 1, 9)
def test_a_crash_in_the_shortage_is_answered_when_it_is_over(zoo, shortage):
    zoo.start("crashes")
    [pid] = zoo.living("crashes")
    with shortage(zoo.pid):
        os.kill(pid, signal.SIGKILL)
        time.sleep(LASTS)
        assert [] == zoo.living("crashes")
    zoo.zoosup.wait(lambda s: s["models"]["crashes"]["phase"] == "ready", "its successor")
    assert 1 == len(zoo.living("crashes"))
    assert [pid] != zoo.living("crashes")
    zoo.stop("crashes")


@shortages
@fault("EAGAIN, EMFILE, while a model is stopped", "it is gone, and nothing of it left", 4)
def test_a_stop_in_the_shortage_leaves_nobody(zoo, shortage):
    zoo.start("leaves")
    with zoo.line() as ask, shortage(zoo.pid):
        ask("leaves", "stop")
        time.sleep(LASTS)
    zoo.zoosup.wait_phase("leaves", "stopped")
    assert [] == zoo.living("leaves")


@shortages
@fault(
    "EAGAIN, EMFILE, while the file is edited",
    "the edit is in force when they are back, if not before",
    6,
    15,
)
def test_an_edit_in_the_shortage_comes_into_force_when_it_is_over(zoo, shortage):
    generation = zoo.zoosup.status()["config"]["generation"]
    text = zoo.zoosup.file.read_text()
    with shortage(zoo.pid):
        zoo.zoosup.file.write_text(
            text.replace("grace: 5", "grace: 15") if "grace: 5" in text else zoo.text()
        )
        time.sleep(LASTS)
    zoo.zoosup.wait(lambda s: s["config"]["generation"] > generation, "the edit to be in force")
    zoo.zoosup.wait(lambda s: s["config"]["error"] is None, "no error to be left of it")
