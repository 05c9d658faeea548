"""Time that jumps, and time that zoosup itself misses: only stamps may tell of it."""

import os
import signal
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.faulty_zoo import LONG, OFTEN, faulty, keeping
from tests.faults.table import fault
from tests.peers import oracle

DAY = 86_400
PAUSE = 2.0
"""Seconds from the second crash on."""

SUSPENDED = 120.0 if LONG else 3.5
"""Seconds; in both more than the deadline of the model that loads meanwhile."""

LIVELY = {"http": "/health", "period": "500ms", "timeout": "500ms", "failures": 2}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    folder = tmp_path_factory.mktemp("time")
    pause = f"{PAUSE:g}s"
    models = {
        "crashes": faulty("none", restart={"initial": pause, "max": pause}),
        "loads": faulty("none", ready={**OFTEN, "deadline": "1m"}),
        "loads-late": faulty("none", ready={**OFTEN, "deadline": "2s"}),
        "lively": faulty("none", live=LIVELY),
    }
    wrapper = (
        sys.executable,
        "-P",
        str(Path(__file__).with_name("zoosup_with_jumping_clock.py")),
        str(folder),
    )
    with keeping(folder, models, wrapper) as house:
        yield house


@pytest.fixture(autouse=True)
def _neighbour(house):
    yield
    house.unharmed()


def jump(house, seconds):
    draft = house.folder / "jump.new"
    draft.write_text(str(seconds))
    draft.replace(house.folder / "jump")


def kill(house, name):
    [pid] = house.living(name)
    os.kill(pid, signal.SIGKILL)
    return pid


@pytest.mark.parametrize("seconds", [DAY, -DAY], ids=["ahead", "back"])
@fault("wall clock jumps ±1 day", "back-off, deadlines and processes stay as they are", 10, 16, 17)
def test_a_jump_of_the_clock_moves_nothing_but_stamps(house, seconds):
    house.say("loads", "503")
    house.start("loads", "starting")
    house.start("crashes")
    first = kill(house, "crashes")  # answered at once
    house.zoo.wait(lambda s: _is_another(s, "crashes", first), "the first restart")
    house.zoo.wait_phase("crashes", "ready")
    before = len(house.events("steady", "Phase"))
    crashed = time.monotonic()
    second = kill(house, "crashes")
    house.zoo.wait_phase("crashes", "backoff")
    jump(house, seconds)
    house.zoo.wait(lambda s: abs(s["at"] - time.time() - seconds) < DAY / 2, "the clock to have jumped")
    house.zoo.wait(lambda s: _is_another(s, "crashes", second), "the second restart")
    assert time.monotonic() - crashed > PAUSE * 0.9  # less the jitter
    [loading] = house.living("loads")
    house.say("loads", "200")
    assert loading == house.zoo.wait_phase("loads", "ready")["pid"]
    assert before == len(house.events("steady", "Phase"))
    jump(house, 0)
    for name in ("crashes", "loads"):
        house.stop(name)


def _is_another(status, name, pid):
    return status["models"][name]["pid"] not in {None, pid}


@fault(
    "zoosup suspended (SIGSTOP, 2 min)",
    "no model feels it, not even one whose deadline passes meanwhile; what has died is started at once",
    1, 9, 13,
)  # fmt: skip
def test_a_suspended_supervisor_makes_good_what_it_missed_and_harms_nobody(house):
    for name in ("lively", "crashes"):
        house.start(name)
    house.say("loads-late", "503")
    house.start("loads-late", "starting")
    oracle.wait(lambda: "503" in house.zoo.model("loads-late")["message"], "health to be asked")
    kept = {name: house.living(name) for name in ("lively", "loads-late")}
    with suspended(house.pid):
        gone = kill(house, "crashes")
        house.say("loads-late", "200")
        time.sleep(SUSPENDED)
    house.zoo.wait(lambda s: _is_another(s, "crashes", gone), "the restart of what has died")
    for name in ("crashes", "loads-late"):
        house.zoo.wait_phase(name, "ready")
    time.sleep(1.5)  # several of the lively one's periods
    assert kept == {name: house.living(name) for name in kept}
    assert [1, 1, 1] == [len(house.living(name)) for name in (*kept, "crashes")]
    for name in (*kept, "crashes"):
        house.stop(name)


@contextmanager
def suspended(pid):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
