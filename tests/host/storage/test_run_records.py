"""Records on a real disk: whole or not at all, and what can't be read is said and can be kept aside."""

import asyncio
import contextlib
import json
import os
import stat
import subprocess
import sys
import threading
import time

import pytest

from zoosup.host.storage.run_records import RecordDirectory


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


@pytest.fixture
def records(runs):
    directory = RecordDirectory(runs)
    yield directory
    directory.close()


async def test_what_was_written_is_loaded_by_another(records, runs):
    await records.write("r1", {"model": "a", "port": 1})
    await records.write("r2", {"model": "b", "port": 2})
    expected = {"r1": {"model": "a", "port": 1}, "r2": {"model": "b", "port": 2}}
    assert (expected, []) == RecordDirectory(runs).load()


async def test_the_newest_of_writes_at_the_same_time_stays(records):
    await asyncio.gather(*(records.write("r1", {"turn": turn}) for turn in range(50)))
    assert ({"r1": {"turn": 49}}, []) == records.load()


async def test_a_record_that_is_removed_while_it_is_being_written_is_gone(records, monkeypatch):
    write, began = records._write, threading.Event()

    def slow(*what):
        began.set()
        time.sleep(0.2)
        write(*what)

    monkeypatch.setattr(records, "_write", slow)
    writing = asyncio.create_task(records.write("r1", {"model": "a"}))
    await asyncio.to_thread(began.wait)
    await asyncio.gather(writing, records.remove("r1"))
    assert ({}, []) == records.load()


@contextlib.contextmanager
def full_disk(monkeypatch):
    """A file can be made, and nothing be written to it."""

    def full(descriptor, *_):
        os.close(descriptor)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "fdopen", full)
        yield


async def test_of_writes_that_a_full_disk_has_cut_short_no_more_than_one_is_left(records, runs, monkeypatch):
    with full_disk(monkeypatch):
        for number in range(3):
            with pytest.raises(OSError, match="No space"):
                await records.write(f"r{number}", {"model": "a"})
            await records.remove(f"r{number}")
    assert 1 == len(list(runs.iterdir()))
    await records.write("r9", {"model": "a"})
    assert [runs / "r9.json"] == list(runs.iterdir())


async def test_what_an_earlier_write_has_left_is_no_part_of_the_next(records, runs):
    runs.mkdir()
    (runs / "draft").write_text("x" * 999)
    await records.write("r1", {"model": "a"})
    assert ({"r1": {"model": "a"}}, []) == records.load()


async def test_a_record_may_be_read_by_its_owner_only(records, runs):
    await records.write("r1", {})
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (runs, runs / "r1.json")]
    assert [0o700, 0o600] == modes


async def test_a_removed_record_is_gone_and_may_be_removed_again(records):
    await records.write("r1", {})
    await records.remove("r1")
    await records.remove("r1")
    assert ({}, []) == records.load()


async def test_a_directory_that_was_deleted_meanwhile_is_made_again(records, runs):
    await records.write("r1", {})
    (runs / "r1.json").unlink()
    runs.rmdir()
    assert ({}, []) == records.load()
    await records.remove("r1")
    await records.write("r2", {"port": 2})
    assert ({"r2": {"port": 2}}, []) == records.load()


async def test_a_state_directory_that_was_deleted_is_made_again_for_its_owner_alone(tmp_path):
    records = RecordDirectory(tmp_path / "state" / "runs")
    await records.write("r1", {})
    records.close()
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("state", "state/runs")]
    assert [0o700, 0o700] == modes


async def test_a_disk_that_refuses_is_an_error_and_leaves_the_old_record(records, monkeypatch):
    await records.write("r1", {"turn": 1})
    with full_disk(monkeypatch), pytest.raises(OSError, match="No space"):
        await records.write("r1", {"turn": 2})
    assert ({"r1": {"turn": 1}}, []) == records.load()


def test_there_is_nothing_to_load_before_the_first_write(records):
    assert ({}, []) == records.load()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b'{"model": "a"', b"[]", b"null", b"\xff\xfe", b"\0" * 100, b"[" * 5000, b'"a"', b"1e999"],
)
def test_what_is_no_record_is_an_empty_one_and_said(records, runs, content):
    runs.mkdir()
    (runs / "r1.json").write_bytes(content)
    (runs / "r2.json").write_text('{"model": "b"}')
    loaded, notes = records.load()
    assert {"r1": {}, "r2": {"model": "b"}} == loaded
    assert 1 == len(notes)
    assert str(runs / "r1.json") in notes[0]
    records.set_aside("r1")
    assert content == (runs / "r1.unreadable").read_bytes()
    assert ({"r2": {"model": "b"}}, []) == records.load()


async def test_a_write_cut_short_by_the_end_of_zoosup_is_no_record(records, runs):
    await records.write("r1", {"turn": 1})
    (runs / "draft").write_text('{"turn": 2, "mod')
    assert ({"r1": {"turn": 1}}, []) == records.load()


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is hidden from root")
async def test_a_record_that_may_not_be_read_is_an_empty_one(records, runs):
    await records.write("r1", {})
    (runs / "r1.json").chmod(0)
    loaded, notes = records.load()
    assert ({"r1": {}}, 1) == (loaded, len(notes))


async def test_a_directory_under_the_name_of_a_record_stops_nothing(records, runs):
    (runs / "r1.json").mkdir(parents=True)
    loaded, notes = records.load()
    assert ({"r1": {}}, 1) == (loaded, len(notes))


async def test_a_record_that_is_of_no_use_is_kept_under_another_name(records, runs):
    await records.write("r1", {"format": 99})
    assert f"kept as {runs / 'r1.unreadable'}" == records.set_aside("r1")
    assert {"format": 99} == json.loads((runs / "r1.unreadable").read_text())
    assert "nor set aside: No such file or directory" == records.set_aside("r1")


HANGS = """
import asyncio, os, sys
from pathlib import Path
from zoosup.host.storage.run_records import RecordDirectory
async def main():
    records = RecordDirectory(Path(sys.argv[1]))
    await records.write("r1", {})
    os.mkfifo(Path(sys.argv[1]) / "draft")
    try:
        await asyncio.wait_for(records.write("r1", {"turn": 2}), 0.1)
    except TimeoutError:
        records.close(within=0.1)
        return
    sys.exit("it did not hang")
asyncio.run(main())
"""


def test_a_disk_that_hangs_keeps_no_program_from_ending(runs):
    # To open a named pipe waits for a reader, as a dead server of NFS would have us wait.
    ended = subprocess.run([sys.executable, "-c", HANGS, str(runs)], timeout=20, check=False)
    assert 0 == ended.returncode
