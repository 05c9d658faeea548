"""A zoosup that runs out of processes or descriptors: what runs goes on, what waits is started when they are back."""

import os
import signal
import time

import pytest

from tests.faults.faulty_zoo import LONG, faulty, keeping
from tests.faults.resource_limits import as_mere_user, without_descriptors, without_processes
from tests.faults.table import fault

LASTS = 12.0 if LONG else 1.5
"""Seconds: several tries of a start, and more than one look at the file."""


def through_env(model):
    """access(2) forgets capabilities: for it a mere user may not execute what is below /root; env(1) may."""
    return {**model, "command": ["/usr/bin/env", *model["command"]]}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    user = as_mere_user()
    if isinstance(user, str):
        pytest.skip(user)
    models = {name: through_env(faulty("none")) for name in ("steady", "late", "leaves", "crashes")}
    with keeping(tmp_path_factory.mktemp("shortage"), models, user) as house:
        yield house


@pytest.fixture(autouse=True)
def _neighbour(house):
    yield
    house.unharmed()


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
def test_a_start_that_the_kernel_refuses_is_tried_until_it_succeeds(house, shortage):
    with house.line() as ask, shortage(house.pid):
        ask("late", "start")
        time.sleep(LASTS)
        assert [] == house.living("late")
    house.zoo.wait_phase("late", "ready")
    assert 1 == len(house.living("late"))
    house.stop("late")


@shortages
@fault("EAGAIN, EMFILE, while a model crashes", "its successor starts when they are back", 1, 9)
def test_a_crash_in_the_shortage_is_answered_when_it_is_over(house, shortage):
    house.start("crashes")
    [pid] = house.living("crashes")
    with shortage(house.pid):
        os.kill(pid, signal.SIGKILL)
        time.sleep(LASTS)
        assert [] == house.living("crashes")
    house.zoo.wait(lambda s: s["models"]["crashes"]["phase"] == "ready", "its successor")
    assert 1 == len(house.living("crashes"))
    assert [pid] != house.living("crashes")
    house.stop("crashes")


@shortages
@fault("EAGAIN, EMFILE, while a model is stopped", "it is gone, and nothing of it left", 4)
def test_a_stop_in_the_shortage_leaves_nobody(house, shortage):
    house.start("leaves")
    with house.line() as ask, shortage(house.pid):
        ask("leaves", "stop")
        time.sleep(LASTS)
    house.zoo.wait_phase("leaves", "stopped")
    assert [] == house.living("leaves")


@shortages
@fault(
    "EAGAIN, EMFILE, while the file is edited",
    "the edit is in force when they are back, if not before",
    6,
    15,
)
def test_an_edit_in_the_shortage_comes_into_force_when_it_is_over(house, shortage):
    generation = house.zoo.status()["config"]["generation"]
    text = house.zoo.file.read_text()
    with shortage(house.pid):
        house.zoo.file.write_text(
            text.replace("grace: 5", "grace: 15") if "grace: 5" in text else house.text()
        )
        time.sleep(LASTS)
    house.zoo.wait(lambda s: s["config"]["generation"] > generation, "the edit to be in force")
    house.zoo.wait(lambda s: s["config"]["error"] is None, "no error to be left of it")
