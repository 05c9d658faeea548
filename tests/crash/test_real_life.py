"""What happens to a zoosup in real life, on real processes; the operating system says what became of them."""

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from contextlib import suppress

import pytest

from tests.crash.daemon import answers

TEN = "abcdefghij"


def serves(zoo, active, *, settled=True):
    """Wait until exactly these live and answer, and their records say so."""
    zoo.until(lambda: zoo.is_as(*active), f"{active!r} to serve")
    if settled:
        zoo.until(lambda: len(ready_records(zoo)) == len(active), "their records")


def ready_records(zoo):
    found = {}
    for path in zoo.records():
        with suppress(OSError, ValueError, KeyError):
            record = json.loads(path.read_text())
            if record["ready_at"] is not None and record["leaving"] is None:
                found[record["model"]] = path
    return found


def leaders(zoo, models):
    return {name: zoo.pids(name) for name in models}


def restart(zoo):
    zoo.start()
    zoo.until(zoo.is_up, "adoption")


def leave(zoo):
    zoo.send(signal.SIGTERM)
    assert 0 == zoo.wait(), zoo.testimony()
    assert frozenset() == zoo.living()
    assert [] == [b.args for b in zoo.bystanders if b.poll() is not None]
    assert [] == zoo.seen.wrong


class Clients:
    """Ask models over and over; `lost` counts the requests that got no answer."""

    def __init__(self, ports):
        self.asked, self.lost = Counter(), Counter()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(port,), daemon=True) for port in ports]

    def _ask(self, port):
        while not self._over.wait(0.02):
            self.asked[port] += 1
            self.lost[port] += not answers(port)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()


def test_clients_of_ten_models_lose_no_request_when_zoosup_is_killed_and_comes_back(daemon):
    zoo = daemon(models=TEN)
    zoo.write(*TEN)
    zoo.start()
    serves(zoo, TEN)
    before = leaders(zoo, TEN)
    with Clients([p.port for p in zoo.living() if p.port]) as clients:
        for _ in range(2):
            zoo.kill()
            time.sleep(0.2)
            restart(zoo)
            serves(zoo, TEN)
    assert before == leaders(zoo, TEN)
    assert 10 == len(clients.asked)
    assert min(clients.asked.values()) > 10
    assert 0 == clients.lost.total()
    leave(zoo)


def test_what_dies_while_zoosup_is_suspended_is_restarted_once(daemon):
    zoo = daemon()
    zoo.write("a", "b")
    zoo.start()
    serves(zoo, "ab")
    before = leaders(zoo, "ab")
    zoo.send(signal.SIGSTOP)
    for pid in (*before["a"], *before["b"]):
        os.kill(pid, signal.SIGKILL)
    time.sleep(1)
    zoo.send(signal.SIGCONT)
    zoo.until(lambda: zoo.is_as("a", "b") and leaders(zoo, "ab") != before, "both to be back")
    assert [1, 1] == [len(pids) for pids in leaders(zoo, "ab").values()]
    assert set(before["a"]).isdisjoint(zoo.pids("a"))
    leave(zoo)


def test_a_ladder_cut_short_is_gone_down_by_the_next_one(daemon):
    zoo = daemon()
    zoo.options = {"a.argv": "deaf", "a.stop": "{grace: 2s}"}
    zoo.write("a", "b")
    zoo.start()
    serves(zoo, "ab")
    kept = zoo.pids("b")
    zoo.write("b")
    zoo.until(lambda: set(ready_records(zoo)) == {"b"}, "a to be told to leave")
    zoo.kill()
    assert 1 == len(zoo.pids("a"))
    restart(zoo)
    serves(zoo, "b")
    assert kept == zoo.pids("b")
    leave(zoo)


def corrupt(record):
    record.write_bytes(b"\xff\0{{{")


def half_written(record):
    record.write_bytes(record.read_bytes()[:100])


def from_the_future(record):
    record.write_text(json.dumps(json.loads(record.read_text()) | {"format": 99}))


def deleted(record):
    record.unlink()


def without_identity(record):
    record.write_text(json.dumps(json.loads(record.read_text()) | {"identity": None, "pid": None}))


def test_a_run_whose_record_is_of_no_use_is_ended_and_started_afresh(daemon):
    zoo = daemon(models="abcdef")
    zoo.write(*"abcdef")
    zoo.start()
    serves(zoo, "abcdef")
    before = leaders(zoo, "abcdef")
    zoo.kill()
    records = ready_records(zoo)
    for name, spoil in zip(
        "abcde", (corrupt, half_written, from_the_future, deleted, without_identity), strict=True
    ):
        spoil(records[name])
    restart(zoo)
    serves(zoo, "abcdef")
    after = leaders(zoo, "abcdef")
    assert [1] * 6 == [len(pids) for pids in after.values()]
    assert set("ef") == {name for name in "abcdef" if before[name] == after[name]}
    leave(zoo)


@pytest.mark.parametrize("whole", [False, True], ids=["the records", "the state directory"])
def test_who_deletes_what_zoosup_knows_gets_no_second_copy(daemon, whole):
    zoo = daemon()
    zoo.write("a")
    zoo.start()
    serves(zoo, "a")
    before = zoo.pids("a")
    shutil.rmtree(zoo.state if whole else zoo.state / "runs")
    zoo.write("a", "b")
    serves(zoo, "ab", settled=False)
    assert before == zoo.pids("a")
    zoo.kill()
    restart(zoo)
    serves(zoo, "ab")
    leave(zoo)


def test_without_its_state_directory_it_still_stops_all_when_told(daemon):
    zoo = daemon()
    zoo.write("a", "b")
    zoo.start()
    serves(zoo, "ab")
    shutil.rmtree(zoo.state)
    leave(zoo)


@pytest.mark.parametrize("another_boot", [True, False], ids=["another boot", "this boot"])
def test_after_a_reboot_a_stranger_with_the_old_pid_is_left_alone(daemon, another_boot):
    zoo = daemon(models="a")
    zoo.write("a")
    zoo.start()
    serves(zoo, "a")
    zoo.kill()
    for process in zoo.living():
        os.kill(process.pid, signal.SIGKILL)
    stranger = subprocess.Popen(["/bin/sleep", "600"], start_new_session=True)
    record = ready_records(zoo)["a"]
    data = json.loads(record.read_text())
    _, start, boot = data["identity"].split(":", 2)
    identity = f"{stranger.pid}:{start}:{'0000-another-boot' if another_boot else boot}"
    record.write_text(json.dumps(data | {"identity": identity, "pid": stranger.pid}))
    try:
        restart(zoo)
        serves(zoo, "a")
        leave(zoo)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_model_that_clears_its_environment_is_found_though_zoosup_died_before_it_knew_its_pid(daemon):
    """Nothing tells of it then but the log that it inherited."""
    zoo = daemon(models="a")
    zoo.before = ["/usr/bin/env", "-i"]
    zoo.armed.touch()
    zoo.write("a")
    zoo.start("after spawn")
    assert -signal.SIGKILL == zoo.wait()
    zoo.until(lambda: zoo.is_as("a"), "a to serve")
    before = zoo.pids("a")
    restart(zoo)
    serves(zoo, "a")
    assert before == zoo.pids("a")
    leave(zoo)
