"""Time that jumps, and time that zoosup itself misses: only stamps may tell of it."""

import os
import signal
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.faulty_zoo import LONG, OFTEN, faulty, running_zoo
from tests.faults.table import fault
from tests.peers import oracle

DAY = 86_400
PAUSE = 2.0
"""Seconds from the second crash on."""

SUSPENDED = 120.0 if LONG else 3.5
"""Seconds; in both more than the deadline of the model that loads meanwhile."""

LIVELY = {"http": "/health", "period": "500ms", "timeout": "500ms", "failures": 2}


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
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
    with running_zoo(folder, models, wrapper) as zoo:
        yield zoo


@pytest.fixture(autouse=True)
def _neighbour(zoo):
    yield
    zoo.unharmed()


def jump(zoo, seconds):
    draft = zoo.folder / "jump.new"
    draft.write_text(str(seconds))
    draft.replace(zoo.folder / "jump")


def kill(zoo, name):
    [pid] = zoo.living(name)
    os.kill(pid, signal.SIGKILL)
    return pid


@pytest.mark.parametrize("seconds", [DAY, -DAY], ids=["ahead", "back"])
@fault("wall clock jumps ±1 day", "back-off, deadlines and processes stay as they are", 10, 16, 17)
def test_a_jump_of_the_clock_moves_nothing_but_stamps(zoo, seconds):
    zoo.say("loads", "503")
    zoo.start("loads", "starting")
    zoo.start("crashes")
    first = kill(zoo, "crashes")  # answered at once
    zoo.zoosup.wait(lambda s: _is_another(s, "crashes", first), "the first restart")
    zoo.zoosup.wait_phase("crashes", "ready")
    before = len(zoo.events("steady", "Phase"))
    crashed = time.monotonic()
    second = kill(zoo, "crashes")
    zoo.zoosup.wait_phase("crashes", "backoff")
    jump(zoo, seconds)
    zoo.zoosup.wait(lambda s: abs(s["at"] - time.time() - seconds) < DAY / 2, "the clock to have jumped")
    zoo.zoosup.wait(lambda s: _is_another(s, "crashes", second), "the second restart")
    assert time.monotonic() - crashed > PAUSE * 0.9  # less the jitter
    [loading] = zoo.living("loads")
    zoo.say("loads", "200")
    assert loading == zoo.zoosup.wait_phase("loads", "ready")["pid"]
    assert before == len(zoo.events("steady", "Phase"))
    jump(zoo, 0)
    for name in ("crashes", "loads"):
        zoo.stop(name)


def _is_another(status, name, pid):
    return status["models"][name]["pid"] not in {None, pid}


@fault(
    "zoosup suspended (SIGSTOP, 2 min)",
    "no model feels it, not even one whose deadline passes meanwhile; what has died is started at once",
    1, 9, 13,
)  # fmt: skip
def test_a_suspended_supervisor_makes_good_what_it_missed_and_harms_nobody(zoo):
    for name in ("lively", "crashes"):
        zoo.start(name)
    zoo.say("loads-late", "503")
    zoo.start("loads-late", "starting")
    oracle.wait(lambda: "503" in zoo.zoosup.model("loads-late")["message"], "health to be asked")
    kept = {name: zoo.living(name) for name in ("lively", "loads-late")}
    with suspended(zoo.pid):
        gone = kill(zoo, "crashes")
        zoo.say("loads-late", "200")
        time.sleep(SUSPENDED)
    zoo.zoosup.wait(lambda s: _is_another(s, "crashes", gone), "the restart of what has died")
    for name in ("crashes", "loads-late"):
        zoo.zoosup.wait_phase(name, "ready")
    time.sleep(1.5)  # several of the lively one's periods
    assert kept == {name: zoo.living(name) for name in kept}
    assert [1, 1, 1] == [len(zoo.living(name)) for name in (*kept, "crashes")]
    for name in (*kept, "crashes"):
        zoo.stop(name)


@contextmanager
def suspended(pid):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
