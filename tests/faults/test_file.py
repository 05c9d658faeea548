"""What may happen to the file, and to those who tell of it: no process suffers, and the last word is in force."""

import os
import signal
import time
from contextlib import contextmanager

import pytest

from tests.faults.faulty_zoo import LONG, FaultyZoo, faulty, running_zoo
from tests.faults.resource_limits import in_namespace
from tests.faults.table import fault

STORM = 2000
EDITS, SECONDS = (1000, 10.0) if LONG else (300, 3.0)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    with running_zoo(tmp_path_factory.mktemp("file"), {"other": faulty("none")}) as zoo:
        yield zoo


@pytest.fixture(autouse=True)
def _neighbour(zoo):
    yield
    zoo.unharmed()


def in_force(zoo, grace):
    """The text with this grace period, saved in place, and whether it has come into force."""
    text = zoo.text().replace("grace: 500ms", f"grace: {grace}ms")
    zoo.zoosup.file.write_text(text)
    return text


def wait_in_force(zoo, text):
    from zoosup.spec.parse import spec_hash  # noqa: PLC0415

    zoo.zoosup.wait(lambda s: s["config"]["hash"] == spec_hash(text), "the last edit to be in force")


@fault("SIGHUP storm: 2,000", "looks at the file as often as it can; same content, no generation", 7, 16)
def test_a_storm_of_sighups_changes_nothing(zoo):
    before = zoo.zoosup.status()["config"]["generation"]
    for _ in range(STORM):
        os.kill(zoo.pid, signal.SIGHUP)
        time.sleep(0.0005)
    assert before == zoo.zoosup.status()["config"]["generation"]
    wait_in_force(zoo, in_force(zoo, 501))
    assert before + 1 == zoo.zoosup.status()["config"]["generation"]


@fault("1,000 edits in 10 s", "the last one is in force; live edits, so that every pid is kept", 8, 9)
def test_a_thousand_edits_in_ten_seconds_end_in_the_last_one(zoo):
    began = time.monotonic()
    for i in range(EDITS):
        text = in_force(zoo, 600 + i)
        time.sleep(max(0.0, began + (i + 1) * SECONDS / EDITS - time.monotonic()))
    wait_in_force(zoo, text)
    assert zoo.zoosup.status()["config"]["error"] is None


@fault(
    "half-written files",
    "refused with the place of the error, or not even looked at; the last good one stays",
    6,
)
def test_a_file_that_is_written_in_halves_costs_nobody(zoo):
    good = zoo.text()
    zoo.zoosup.file.write_text(good)
    wait_in_force(zoo, good)
    generation = zoo.zoosup.status()["config"]["generation"]
    for tenth in range(9):
        zoo.zoosup.file.write_text(good[: len(good) * tenth // 10])
        zoo.zoosup.wait(lambda s: s["config"]["error"], "the half to be refused")
        assert [zoo.steady] == zoo.living("steady")
    assert generation == zoo.zoosup.status()["config"]["generation"]
    zoo.zoosup.file.write_text(good)
    zoo.zoosup.wait(lambda s: not s["config"]["error"], "the whole to be accepted")
    assert generation == zoo.zoosup.status()["config"]["generation"]


@fault("a file of zeros, as a power cut leaves it", "refused; the last good one stays", 6)
def test_a_file_of_zeros_costs_nobody(zoo):
    good = zoo.zoosup.file.read_text()
    zoo.zoosup.file.write_bytes(bytes(len(good)))
    zoo.zoosup.wait(lambda s: s["config"]["error"], "the zeros to be refused")
    assert [zoo.steady] == zoo.living("steady")
    zoo.zoosup.file.write_text(good)
    zoo.zoosup.wait(lambda s: not s["config"]["error"], "the whole to be accepted")


@contextmanager
def exhausted(folder):
    """A zoo in a user namespace in which there is not one inotify instance to be had."""
    words = in_namespace("--user --map-root-user", "echo 0 > /proc/sys/user/max_inotify_instances || exit 71")
    if isinstance(words, str):
        pytest.skip(words)
    zoo = FaultyZoo(folder, {"other": faulty("none")}, words)
    try:
        zoo.begin()
        yield zoo
    finally:
        zoo.close()


@fault("inotify exhausted", "says so once, looks every two seconds instead: edits come into force", 15)
def test_without_inotify_edits_are_noticed_by_looking(tmp_path):
    with exhausted(tmp_path) as zoo:
        wait_in_force(zoo, in_force(zoo, 777))
        zoo.zoosup.file.write_text(zoo.text("other"))
        zoo.zoosup.wait_phase("other", "ready")
        assert 1 == zoo.zoosup.log.read_text().count("noticed by looking every two seconds")
        zoo.unharmed()
