"""Model output in files: begun, bounded, read from the end and followed."""

import asyncio
import os
import stat
import subprocess
import sys
from urllib.parse import unquote

import psutil
import pytest

from zoosup.host.storage import log_space, model_logs
from zoosup.host.storage.model_logs import ModelLogs, file_name, is_caseless
from zoosup.host.storage.tail import Tail


async def eventually(condition):
    async with asyncio.timeout(90):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture
def logs(tmp_path):
    return ModelLogs(tmp_path / "logs", bound=64 << 10)


def append(path, data):
    with path.open("ab") as file:
        file.write(data)


async def collect(stream, length):
    data = b""
    async with asyncio.timeout(90):
        async for chunk in stream:
            data += chunk
            if len(data) >= length:
                return data
    return data


def test_a_name_never_leaves_the_directory_and_can_be_read_back():
    names = ["a", "org/model:8b", "A-b_c.d+e@f", "..", "a/../b", "größe", "a%2Fb", "a.previous", "previous"]
    assert [] == [name for name in names if "/" in file_name(name)]
    assert names == [unquote(file_name(name)) for name in names]
    assert "qwen2.5-7b" == file_name("qwen2.5-7b")


def test_on_a_disk_without_case_no_two_names_share_a_file_either():
    names = ["Qwen", "qwen", "qWEN", "%51wen", "Qwen.previous", "Org/Model", "org/model", "Ä", "ä"]
    every = [*names, "A" * 128, "a" * 128]
    files = [
        f"{file_name(name, caseless=True)}{suffix}.log" for name in every for suffix in ("", ".previous")
    ]
    assert len(files) == len({file.casefold() for file in files})
    assert names == [unquote(file_name(name, caseless=True)) for name in names]
    assert "qwen2.5-7b" == file_name("qwen2.5-7b", caseless=True)


async def test_there_one_that_leaves_keeps_its_log_beside_one_that_comes(tmp_path):
    """A link makes both spellings of the directory one, as such a disk does."""
    (tmp_path / "logs").mkdir()
    assert not is_caseless(tmp_path / "logs")
    (tmp_path / "LOGS").symlink_to(tmp_path / "logs")
    assert is_caseless(tmp_path / "logs" / "1")
    logs = ModelLogs(tmp_path / "logs")
    old = await logs.begin("Qwen")
    append(old, b"of the old one\n")
    new = await logs.begin("qwen")
    append(new, b"of the new one\n")
    assert old.name.casefold() != new.name.casefold()
    assert (("of the old one",), ("of the new one",)) == (
        await logs.tail("Qwen", 9),
        await logs.tail("qwen", 9),
    )


def test_no_two_names_share_a_file():
    names = [
        "a",
        "a.previous",
        "a:b",
        "a/b",
        "a%3Ab",
        "a.log",
        "a.previous.previous",
        ":" * 128,
        ":" * 127 + "/",
    ]
    files = [f"{file_name(name)}{suffix}.log" for name in names for suffix in ("", ".previous")]
    assert len(files) == len(set(files))
    assert max(map(len, files)) <= 230


async def test_a_new_run_sets_the_last_runs_file_aside(logs):
    first = await logs.begin("m")
    append(first, b"first\n")
    append(first.with_name("m.log.1"), b"older\n")
    second = await logs.begin("m")
    assert first == second
    assert () == await logs.tail("m", 9)
    assert ("older", "first") == await logs.tail("m", 9, previous=True)
    await logs.begin("m")
    assert () == await logs.tail("m", 9, previous=True)


async def test_only_the_owner_may_read_them(logs):
    log = await logs.begin("m")
    append(log, b"x" * (65 << 10))
    await logs.rotate()
    assert [0o600, 0o600] == [path.stat().st_mode & 0o777 for path in sorted(log.parent.iterdir())]
    assert 0o700 == log.parent.stat().st_mode & 0o777


async def test_a_state_directory_that_was_deleted_is_made_again_for_its_owner_alone(tmp_path):
    """Open to others, it would be refused by the next zoosup."""
    logs = ModelLogs(tmp_path / "state" / "logs")
    await logs.begin("a")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("state", "state/logs")]
    assert [0o700, 0o700] == modes


async def test_a_tail_has_the_last_lines(logs):
    log = await logs.begin("m")
    append(log, b"one\r\ntwo\n\nfour\nfi\xffve")
    assert ("", "four", "fi\N{REPLACEMENT CHARACTER}ve") == await logs.tail("m", 3)
    assert ("one", "two", "", "four", "fi\N{REPLACEMENT CHARACTER}ve") == await logs.tail("m", 99)
    assert () == await logs.tail("m", 0)
    assert () == await logs.tail("unknown", 3)


@pytest.mark.parametrize("length", [1, 80, 70_000])
async def test_a_tail_counts_lines_of_any_length(logs, length):
    log = await logs.begin("m")
    lines = [str(number % 10) * length for number in range(12)]
    append(log, "".join(f"{line}\n" for line in lines).encode())
    assert tuple(lines[-5:]) == await logs.tail("m", 5)


async def test_a_tail_reads_a_huge_file_only_at_its_end(logs):
    log = await logs.begin("m")
    os.truncate(log, 64 << 30)  # sparse; to read it all would take more memory than there is
    append(log, b"\nlast\n")
    assert ("last",) == await logs.tail("m", 1)


async def test_a_tail_is_bounded_even_without_a_line_end(logs):
    log = await logs.begin("m")
    append(log, b"x" * (3 << 20))
    (line,) = await logs.tail("m", 40)
    assert 1 << 20 == len(line)


async def test_a_tail_goes_on_into_what_was_cut_off(logs):
    log = await logs.begin("m")
    append(log, b"early\n" + b"y" * (65 << 10) + b"\nlate\n")
    await logs.rotate()
    append(log, b"now\n")
    assert ("late", "now") == await logs.tail("m", 2)


async def test_only_what_has_outgrown_its_bound_is_cut(logs):
    small, large = await logs.begin("small"), await logs.begin("large")
    append(small, b"x" * (64 << 10))
    append(large, b"old\n" + b"x" * (64 << 10))
    await logs.rotate()
    assert 64 << 10 == small.stat().st_size
    assert 0 == large.stat().st_size
    assert b"x" * (64 << 10) == large.with_name("large.log.1").read_bytes()


async def test_a_file_is_cut_even_if_no_copy_can_be_kept(logs, caplog):
    log = await logs.begin("m")
    append(log, b"x" * (65 << 10))
    log.with_name("m.log.1").mkdir()
    await logs.rotate()
    assert 0 == log.stat().st_size
    assert "m.log is cut without a copy" in caplog.text
    assert ["m.log", "m.log.1"] == sorted(path.name for path in log.parent.iterdir())


async def test_a_writer_at_full_speed_survives_the_cuts_and_stays_bounded(logs):
    log = await logs.begin("m")
    with log.open("ab") as output:
        writer = subprocess.Popen(["yes", "0123456789"], stdout=output)
    try:
        for _ in range(5):
            await eventually(lambda: log.stat().st_size > 1 << 20)
            grown = log.stat().st_size
            await logs.rotate()
            assert log.stat().st_blocks * 512 < grown + (64 << 20)
            assert log.with_name("m.log.1").stat().st_size <= 128 << 10
        assert writer.poll() is None
    finally:
        writer.kill()
        writer.wait()
    await logs.rotate()
    assert log.stat().st_size <= 64 << 10


async def test_no_whole_line_is_lost_by_a_cut_between_two_writes(logs):
    log = await logs.begin("m")
    append(log, b"a\n" * (40 << 10))
    await logs.rotate()
    append(log, b"b\n")
    assert b"a\n" * (32 << 10) == log.with_name("m.log.1").read_bytes()
    assert b"b\n" == log.read_bytes()


async def test_following_begins_at_the_end(logs):
    log = await logs.begin("m")
    append(log, b"before\n")
    stream = logs.follow("m")
    first = asyncio.create_task(collect(stream, 6))
    await asyncio.sleep(0.05)
    append(log, b"after\n")
    assert b"after\n" == await first
    await stream.aclose()


async def test_following_waits_for_a_file_and_goes_on_across_runs_and_cuts(logs):
    stream = logs.follow("m")
    first = asyncio.create_task(collect(stream, 4))
    await asyncio.sleep(0.05)
    log = await logs.begin("m")
    append(log, b"one\n")
    assert b"one\n" == await first
    append(log, b"two\n")
    await logs.begin("m")
    append(log, b"three\n")
    assert b"two\nthree\n" == await collect(stream, 10)
    append(log, b"x" * (65 << 10))
    assert 65 << 10 == len(await collect(stream, 65 << 10))
    await logs.rotate()
    append(log, b"four\n")
    assert b"four\n" == await collect(stream, 5)
    await stream.aclose()


async def test_a_follower_that_is_closed_gives_its_descriptor_back(logs):
    log = await logs.begin("m")
    append(log, b"x")

    def open_here():
        return [file.path for file in psutil.Process().open_files() if file.path == str(log)]

    streams = [logs.follow("m") for _ in range(8)]
    tasks = [asyncio.create_task(collect(stream, 1)) for stream in streams]
    await eventually(lambda: len(open_here()) == 8)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for stream in streams:
        await stream.aclose()
    await eventually(lambda: open_here() == [])


async def test_the_loop_turns_while_a_log_is_on_a_disk_that_hangs(logs):
    log = await logs.begin("m")
    log.unlink()
    os.mkfifo(log)  # opening it blocks until somebody writes
    reading = asyncio.create_task(logs.tail("m", 1))
    await asyncio.sleep(0.05)
    assert not reading.done()
    subprocess.run([sys.executable, "-c", f"open({str(log)!r}, 'w').close()"], check=True)
    with pytest.raises(OSError, match="seek"):
        await reading


async def test_a_log_is_looked_into_only_when_it_has_grown(logs, monkeypatch):
    log, looked, reserve = await logs.begin("m"), [], log_space.reserve

    def note(descriptor, at_least=0):
        looked.append(descriptor)
        return reserve(descriptor, at_least)

    monkeypatch.setattr(log_space, "reserve", note)
    for _ in range(3):
        await logs.rotate()
    assert 1 == len(looked)
    append(log, b"a line\n")
    await logs.rotate()
    assert 2 == len(looked)
    append(log, b"x" * (65 << 10))
    await logs.rotate()
    assert 0 == log.stat().st_size


MIB = 1 << 20


@pytest.mark.parametrize(
    ("size", "ahead", "is_cut", "needs_no_look"),
    [
        (2 * MIB, 2 * MIB, False, True),
        (2 * MIB, 2 * MIB - 1, False, False),
        (2 * MIB, MIB, False, False),
        (2 * MIB, MIB - 1, True, False),  # it is about to fail
        (10, 10, False, False),
        (10, 9, True, False),
        (8 * MIB, 2 * MIB, False, True),
        (8 * MIB + 1, 2 * MIB, True, False),
    ],
)
def test_a_log_is_cut_where_it_has_outgrown_its_bound_or_is_about_to_fail(
    tmp_path, monkeypatch, size, ahead, is_cut, needs_no_look
):
    cut = []
    monkeypatch.setattr(model_logs, "_room", lambda _: ahead)
    monkeypatch.setattr(model_logs, "_cut", lambda log, bound: cut.append((log, bound)))
    log = tmp_path / "m.log"
    assert needs_no_look == ModelLogs(tmp_path, bound=8 * MIB)._has_room(log, size)
    assert [(log, 8 * MIB)] * is_cut == cut


@pytest.mark.parametrize(
    ("free", "kept"),
    [(4 * 40 << 10, 40 << 10), ((4 * 40 << 10) - 1, 16 << 10)],
)
async def test_a_copy_must_not_be_what_fills_the_disk(tmp_path, monkeypatch, free, kept):
    logs = ModelLogs(tmp_path / "logs", bound=32 << 10)
    log = await logs.begin("m")
    text = bytes(range(32, 112)) * 512
    append(log, text)
    monkeypatch.setattr(log_space, "free", lambda _: free)
    await logs.rotate()
    copy = log.with_name("m.log.1")
    assert text[-min(kept, 32 << 10) :] == copy.read_bytes()
    assert (0, 0o600) == (log.stat().st_size, copy.stat().st_mode & 0o777)


async def test_a_log_that_is_cut_keeps_the_room_that_it_had(logs, monkeypatch):
    log, asked = await logs.begin("m"), []
    append(log, b"x" * (65 << 10))
    had = log.stat().st_blocks * 512
    monkeypatch.setattr(log_space, "reserve", lambda _, at_least=0: asked.append(at_least))
    await logs.rotate()
    assert [had] == asked


@pytest.mark.parametrize("room", [log_space.LEAST - 1, log_space.LEAST])
async def test_without_room_no_log_is_begun(logs, monkeypatch, room):
    monkeypatch.setattr(log_space, "reserve", lambda *_: room)
    if room < log_space.LEAST:
        with pytest.raises(OSError, match=r"No space left on device: .*m\.log"):
            await logs.begin("m")
    else:
        assert (await logs.begin("m")).exists()


async def test_the_log_of_the_run_before_gives_back_what_it_did_not_need(logs):
    log = await logs.begin("m")
    append(log, b"x" * 10)
    await logs.begin("m")
    previous = logs.path("m", previous=True)
    assert (10, True) == (previous.stat().st_size, previous.stat().st_blocks * 512 <= 64 << 10)


async def test_a_log_that_can_not_be_cut_keeps_no_other_from_it(logs, caplog, monkeypatch):
    first, second = await logs.begin("a"), await logs.begin("b")
    for each in (first, second):
        append(each, b"x" * (65 << 10))
    real = model_logs._cut

    def cut(log, bound):
        if log == first:
            raise OSError(5, "Input/output error")
        real(log, bound)

    monkeypatch.setattr(model_logs, "_cut", cut)
    await logs.rotate()
    assert (65 << 10, 0) == (first.stat().st_size, second.stat().st_size)
    assert f"can't cut {first}" in caplog.text


async def test_what_no_log_ends_with_is_left_alone(logs):
    log = await logs.begin("m")
    others = [log.with_name(name) for name in ("m.previous.log", "m.log.1", "notes.txt")]
    for each in others:
        append(each, b"x" * (65 << 10))
    await logs.rotate()
    assert [65 << 10] * 3 == [each.stat().st_size for each in others]


@pytest.mark.parametrize(("length", "cut"), [(200, False), (201, True)])
def test_only_a_name_too_long_for_a_file_system_ends_in_its_hash(length, cut):
    name = file_name("a" * length)
    assert (200, cut) == (len(name), "%~" in name)


def test_a_tail_is_read_in_pieces_of_64_kib_and_from_the_beginning_once_it_was_cut(tmp_path):
    log = tmp_path / "m.log"
    log.write_bytes(b"old")
    tail = Tail(log)
    tail.open_at_end()
    append(log, b"x" * (64 << 10) + b"yz")
    assert [64 << 10, b"yz", b""] == [len(tail.read()), tail.read(), tail.read()]
    log.write_bytes(b"anew")
    assert b"anew" == tail.read()
    log.unlink()
    assert b"" == tail.read()
    log.write_bytes(b"another")
    assert [b"another", b""] == [tail.read(), tail.read()]
    tail.close()
    append(log, b"more")
    assert b"" == tail.read()


def test_a_tail_that_was_closed_opens_nothing(tmp_path):
    log = tmp_path / "m.log"
    log.write_bytes(b"text")
    tail, before = Tail(log), psutil.Process().num_fds()
    tail.close()
    tail.open_at_end()
    assert (b"", before) == (tail.read(), psutil.Process().num_fds())


def test_what_is_written_to_a_log_after_it_was_removed_is_read_too(tmp_path):
    log = tmp_path / "m.log"
    tail = Tail(log)
    with log.open("ab", buffering=0) as writer:
        writer.write(b"before")
        assert b"before" == tail.read()
        log.unlink()
        assert b"" == tail.read()
        writer.write(b"after")
        assert b"after" == tail.read()
    tail.close()


def test_a_log_that_was_replaced_is_let_go(tmp_path):
    log = tmp_path / "m.log"
    tail, before = Tail(log), psutil.Process().num_fds()
    for text in (b"one", b"two", b"three"):
        (tmp_path / "new").write_bytes(text)
        (tmp_path / "new").replace(log)
        assert text == tail.read()
    assert before + 1 == psutil.Process().num_fds()
    tail.close()
    assert before == psutil.Process().num_fds()
