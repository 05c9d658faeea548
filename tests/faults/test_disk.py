"""A state directory that is full or read-only: models start, run and stop as ever, and the status says so.

Both are real, made in a mount namespace that is zoosup's own. Models are wanted by the file, for the control socket
lies on the other side of the namespace.
"""

import errno
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.faulty_zoo import LONG, FaultyZoo, faulty
from tests.faults.resource_limits import in_namespace, inside, mounted_anew
from tests.faults.table import fault
from tests.peers import oracle

SIZE = 512 << 10
"""Bytes of the small disk, enough for a zoosup that has just begun."""


ENDS_WITHIN = 30.0
"""Seconds that a zoosup without work takes at most to end beside a disk that hangs: the bounds of all that waits."""

LARGER = 8 << 20
"""Bytes of one on which a model's log is kept."""


def on_a_small_disk(zoo: FaultyZoo, size: int) -> None:
    state = zoo.zoosup.state
    state.mkdir(mode=0o700)
    words = in_namespace("--mount", f"mount -t tmpfs -o size={size},mode=0700 faults '{state}' || exit 71")
    if isinstance(words, str):
        pytest.skip(words)
    zoo.zoosup.command = (*words, *zoo.zoosup.command)


@pytest.fixture
def zoo(tmp_path):
    zoo = FaultyZoo(tmp_path, {"late": faulty("none"), "crashes": faulty("none")})
    on_a_small_disk(zoo, SIZE)
    zoo.zoosup.file.write_text(zoo.text("crashes"))
    try:
        zoo.begin()
        yield zoo
    finally:
        zoo.close()


def fill(zoo: FaultyZoo) -> Path:
    """Leave no byte free; the file that takes them all."""
    ballast = inside(zoo.pid, zoo.zoosup.state) / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    with pytest.raises(OSError, match="No space") as refused, ballast.open("ab", buffering=0) as file:
        file.write(b"x")
    assert errno.ENOSPC == refused.value.errno
    return ballast


def wait_condition(zoo: FaultyZoo, *, there: bool) -> None:
    zoo.zoosup.wait(
        lambda s: there == any(c["type"] == "StateWritable" and not c["status"] for c in s["conditions"]),
        f"StateWritable {'False' if there else 'to be no matter'}",
    )


def lives_on(zoo: FaultyZoo) -> None:
    """Without a disk: a model starts, one that dies starts anew, one that is not wanted goes."""
    zoo.zoosup.file.write_text(zoo.text("crashes", "late"))
    zoo.zoosup.wait_phase("late", "ready")
    [pid] = zoo.living("crashes")
    os.kill(pid, signal.SIGKILL)
    zoo.zoosup.wait(lambda s: s["models"]["crashes"]["pid"] not in {None, pid}, "the next run")
    zoo.zoosup.wait_phase("crashes", "ready")
    assert [1, 1] == [len(zoo.living(name)) for name in ("crashes", "late")]
    wait_condition(zoo, there=True)
    zoo.zoosup.file.write_text(zoo.text("crashes"))
    zoo.zoosup.wait_phase("late", "stopped")
    assert [] == zoo.living("late")
    zoo.unharmed()


def is_on_record(zoo: FaultyZoo) -> None:
    """Whoever lives is on record again, and nobody else: the next zoosup would know its models."""
    runs = inside(zoo.pid, zoo.zoosup.state) / "runs"
    models = zoo.zoosup.status()["models"].values()
    wanted = {f"{model['run_id']}.json" for model in models if model["run_id"] is not None}
    oracle.wait(lambda: wanted == {path.name for path in runs.glob("*.json")}, "the records of who lives")


@fault(
    "state directory full: ENOSPC",
    "goes on in memory, `StateWritable` False; writes it down when it can",
    9,
    16,
)
def test_a_full_disk_stops_no_model_and_is_a_condition(zoo):
    ballast = fill(zoo)
    lives_on(zoo)
    ballast.unlink()
    is_on_record(zoo)
    if LONG:  # the journal tries again every ten seconds
        wait_condition(zoo, there=False)


@fault(
    "state directory hangs, as one on NFS does",
    "goes on in memory; on SIGTERM all models end, and zoosup says what was not saved and exits 0",
    4,
    9,
)
def test_a_disk_that_never_answers_keeps_no_zoosup_from_ending(tmp_path):
    # To open a named pipe waits for a reader, as a dead server of NFS would have us wait.
    zoo = FaultyZoo(tmp_path, {})
    zoo.zoosup.state.mkdir(mode=0o700)
    os.mkfifo(zoo.zoosup.state / "state.json.tmp")
    try:
        zoo.begin()
        os.mkfifo(zoo.zoosup.state / "runs" / "draft")  # the next writing says that the run is told to leave
        began = time.monotonic()
        assert 0 == zoo.zoosup.terminate()
        assert time.monotonic() - began < ENDS_WITHIN
        assert [] == zoo.living("steady")
        log = zoo.zoosup.log.read_text()
        assert "records were not saved" in log
        assert "what changed last was not saved" in log
    finally:
        zoo.close()


@fault(
    "state directory turns read-only: EROFS",
    "goes on in memory, `StateWritable` False; writes it down when it can",
    9,
    16,
)
def test_a_read_only_disk_stops_no_model_and_is_a_condition(zoo):
    mounted_anew(zoo.pid, zoo.zoosup.state, 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1"')
    lives_on(zoo)
    mounted_anew(zoo.pid, zoo.zoosup.state, 'umount -l "$1"')
    is_on_record(zoo)
    wait_condition(zoo, there=False)


@fault("SIGTERM while the disk is full", "every model is stopped, exit 0", 4)
def test_a_full_disk_does_not_keep_zoosup_from_ending_in_good_order(zoo):
    fill(zoo)
    assert 0 == zoo.zoosup.terminate()
    assert [] == [*zoo.living("steady"), *zoo.living("crashes")]


@fault(
    "state directory read-only from the start",
    "ends with exit 1 and says why: without a lock it could not be alone",
    1,
)
def test_a_state_directory_that_can_not_be_locked_is_refused_in_one_line(tmp_path):
    zoo = FaultyZoo(tmp_path, {})
    state = zoo.zoosup.state
    state.mkdir(mode=0o700)
    how = f"mount --bind '{state}' '{state}' && mount -o remount,ro,bind '{state}' || exit 71"
    words = in_namespace("--mount", how)
    if isinstance(words, str):
        pytest.skip(words)
    zoo.zoosup.command = (*words, *zoo.zoosup.command)
    zoo.zoosup.start()
    assert zoo.zoosup.process is not None
    assert 1 == zoo.zoosup.process.wait(oracle.DEADLINE)
    assert "Read-only file system" in zoo.zoosup.log.read_text()
    assert [] == zoo.living("steady")


@fault(
    "a full disk under servers that print and end when they can't",
    "none ends: a log has room of its own; who starts meanwhile runs without one, `OutputKept` False",
    9,
)
def test_a_full_disk_fails_no_server_that_prints(tmp_path):
    zoo = FaultyZoo(tmp_path, {"prints": faulty("prints"), "late": faulty("prints")})
    on_a_small_disk(zoo, LARGER)
    zoo.zoosup.file.write_text(zoo.text("prints"))
    try:
        zoo.begin()
        zoo.zoosup.wait_phase("prints", "ready")
        [pid] = zoo.living("prints")
        log = inside(zoo.pid, zoo.zoosup.state) / "logs" / "prints.log"
        ballast = fill(zoo)
        time.sleep(12)  # a megabyte and more, of which half had room beforehand
        assert [pid] == zoo.living("prints")
        assert 0 < log.stat().st_size < 1 << 20
        zoo.zoosup.file.write_text(zoo.text("prints", "late"))
        zoo.zoosup.wait_phase("late", "ready")
        zoo.zoosup.wait(
            lambda s: any(
                (c["type"], c["status"]) == ("OutputKept", False) for c in s["models"]["late"]["conditions"]
            ),
            "OutputKept False",
        )
        assert [pid] == zoo.living("prints")
        assert 1 == len(zoo.living("late"))
        ballast.unlink()
        zoo.unharmed()
    finally:
        zoo.close()
