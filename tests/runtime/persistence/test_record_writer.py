"""When records are written: before the spawn, at each turn that matters, and not more often."""

import asyncio
import json

import pytest

from zoosup.runtime.persistence.record_writer import LAST_WRITES

pytestmark = pytest.mark.looptime


@pytest.fixture
def written(host, monkeypatch):
    """Every record as it was written, with what lived then."""
    log = []
    write = host.write

    async def note(run_id, record):
        data = json.loads(json.dumps(record))
        log.append((data, host.pids(data["model"])))
        await write(run_id, record)

    host.write = note
    return log


def gists(written):
    return [
        (r["pid"], r["identity"] is not None, r["ready_at"] is not None, r["leaving"]) for r, _ in written
    ]


async def test_the_record_is_there_before_the_process(host, zoo, file, written):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    first, living = written[0]
    assert (None, None, []) == (first["pid"], first["identity"], living)


async def test_each_turn_of_a_life_is_written_once(host, zoo, file, written):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    pid = host.pids("a")[0]
    await asyncio.sleep(300)
    host.save(file({"a": "1GiB"}, "[]"))
    await zoo.until("a", "stopped")
    await asyncio.sleep(1)
    expected = [
        (None, False, False, None),
        (pid, True, False, None),
        (pid, True, True, None),
        (pid, True, True, "NotWanted"),
    ]
    assert expected == gists(written)
    assert {} == host.records


async def test_a_record_goes_only_when_nobody_of_its_run_is_left(host, zoo, file):
    host.behave("a", stop=5.0)
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    host.save(file({"a": "1GiB"}, "[]"))
    await zoo.until("a", "stopping")
    while host.living:
        assert 1 == len(host.records)
        await asyncio.sleep(0.05)
    await asyncio.sleep(1)
    assert {} == host.records


async def test_a_spawn_that_fails_leaves_no_record(host, zoo, file):
    host.behave("a", unspawnable="no such program")
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "backoff")
    await asyncio.sleep(0.5)
    assert {"spawn"} == set(host.events("a"))
    assert {} == host.records


async def test_a_crash_and_its_restart_leave_one_record(host, zoo, file):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    before = set(host.records)
    host.kill("a")
    await zoo.until("a", "starting")
    await zoo.until("a", "ready")
    await asyncio.sleep(1)
    assert 1 == len(host.records)
    assert before.isdisjoint(host.records)


def refuse(host, monkeypatch, *names):
    """A disk that is full until the returned function is called; it restores what was there."""
    kept = {name: getattr(host, name) for name in names}

    async def full(*_):
        raise OSError(28, "No space left on device")

    for name in names:
        setattr(host, name, full)
    return lambda: [setattr(host, name, works) for name, works in kept.items()]


async def test_a_full_disk_stops_no_model_and_is_said_once(host, zoo, file, caplog, monkeypatch):
    host.records = _Everything()  # the virtual host asks for a record before each spawn
    refuse(host, monkeypatch, "write", "remove")
    host.save(file({"a": "1GiB", "b": "1GiB"}, "[a, b]"))
    await zoo.until("a", "ready")
    await zoo.until("b", "ready")
    host.save(file({"a": "1GiB", "b": "1GiB"}, "[]"))
    await zoo.until("a", "stopped")
    await zoo.until("b", "stopped")
    said = [r.message for r in caplog.records if r.name == "zoosup.runtime.persistence.record_writer"]
    assert 1 == len(said)
    assert "No space left on device" in said[0]


async def test_a_record_is_written_once_the_disk_takes_it_again(host, zoo, file, monkeypatch):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "starting")
    again = refuse(host, monkeypatch, "write")
    await zoo.until("a", "ready")
    await asyncio.sleep(20)
    assert [None] == [r["ready_at"] for r in host.records.values()]
    again()
    await asyncio.sleep(5)
    assert [True] == [r["ready_at"] is not None for r in host.records.values()]
    assert "" == zoo.reconciler._record_writer.trouble


async def test_a_record_is_removed_once_the_disk_lets_it_go(host, zoo, file, monkeypatch):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    again = refuse(host, monkeypatch, "remove")
    host.save(file({"a": "1GiB"}, "[]"))
    await zoo.until("a", "stopped")
    await asyncio.sleep(5)
    assert 1 == len(host.records)
    again()
    await asyncio.sleep(5)
    assert {} == host.records


async def test_an_orderly_end_waits_for_what_is_being_written(host, zoo, file):
    host.save(file({"a": "1GiB"}, "a"))
    await zoo.until("a", "ready")
    remove = host.remove

    async def slow(run_id):
        await asyncio.sleep(LAST_WRITES - 1)
        await remove(run_id)

    host.remove = slow
    await zoo.leave()
    assert {} == host.records


class _Everything(dict):
    def __contains__(self, key):
        return True
