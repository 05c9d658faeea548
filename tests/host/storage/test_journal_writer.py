import asyncio
import contextlib
import itertools
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import pytest

from zoosup.host.storage import journal_backlog, journal_writer as archive_module
from zoosup.host.storage.journal_backlog import Backlog
from zoosup.host.storage.journal_db import AHEAD, Bounds, JournalDb, Line, Row, as_line, as_row
from zoosup.host.storage.journal_writer import JournalWriter, Timing

END = 1 << 62
QUICK = Timing(gather=0.005, retry=0.02, patience=20.0)

WRITER = """
import asyncio, sys
from pathlib import Path
from zoosup.host.storage.journal_writer import Bounds, JournalWriter, Timing

async def main():
    archive = JournalWriter(Path(sys.argv[1]), Bounds(rows=int(sys.argv[2])), Timing(gather=0.001))
    last, _ = await archive.begin(0)
    while True:
        for _ in range(20):
            last += 1
            # told before it can be on disk, as a follower of events may be
            print(last, flush=True)
            archive.append((last, 0.0, "Tick", "a", "", "x" * 100, {"n": last}))
        await asyncio.sleep(0)

asyncio.run(main())
"""

STRANGER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print(flush=True)
sys.stdin.read()
"""

CRAMPED = """
import asyncio, resource, signal, sys
from pathlib import Path
from zoosup.host.storage.journal_writer import JournalWriter, Timing

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

async def main():
    archive = JournalWriter(Path(sys.argv[1]), timing=Timing(gather=0.005, retry=0.02))
    await archive.begin(0)
    news = asyncio.Queue()
    archive.listen(lambda reason, message: news.put_nowait((reason, message)))
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
    for seq in range(1, 301):
        archive.append((seq, 0.0, "Tick", None, "", "x" * 1000, {}))
    print(*await news.get(), sep="|", flush=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(*await news.get(), sep="|", flush=True)
    await archive.close()

asyncio.run(main())
"""


def row(seq: int, model: str | None = "a", message: str = "", at: float = 0.0) -> Row:
    return seq, at, "Tick", model, "Because", message, {"n": seq}


def numbers(rows: list[Row]) -> list[int]:
    return [each[0] for each in rows]


def on_disk(path: Path) -> list[int]:
    """What another program would find."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return [seq for (seq,) in connection.execute("SELECT seq FROM events ORDER BY seq")]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.005)


class Shelf:
    """Archives of one file, one after the other, with the news that each told."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.news: list[tuple[str, str]] = []
        self.opened: list[JournalWriter] = []
        self.last = 0
        self.rows: list[Row] = []

    async def open(self, newest: int = 100, **given: object) -> JournalWriter:
        archive = JournalWriter(self.path, **({"timing": QUICK} | given))  # type: ignore[arg-type]
        self.opened.append(archive)
        self.last, self.rows = await archive.begin(newest)
        archive.listen(lambda *news: self.news.append(news))
        return archive

    async def close(self) -> None:
        for archive in self.opened:
            await archive.close()

    def reasons(self) -> list[str]:
        return [reason for reason, _ in self.news]

    def written(self, *seqs: int) -> Callable[[], bool]:
        def look() -> bool:
            try:
                return on_disk(self.path) == list(seqs)
            except sqlite3.OperationalError:  # there is no file yet, or no table in it
                return False

        return look


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    shelf = Shelf(tmp_path / "journal.db")
    yield shelf
    await shelf.close()


@contextlib.contextmanager
def a_stranger_writing(path: Path) -> Iterator[None]:
    """Somebody else's transaction, as a backup tool or a person with a shell may hold one."""
    command = [sys.executable, "-c", STRANGER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        try:
            yield
        finally:
            holder.kill()


def mounted(*options: str) -> bool:
    return subprocess.run(["mount", *options], check=False, capture_output=True).returncode == 0


@pytest.fixture
async def tiny(tmp_path: Path) -> AsyncIterator[Shelf]:
    """A shelf on a file system of 1 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root may mount")
    if not mounted("-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)):
        pytest.skip("this root may not mount")
    shelf = Shelf(place / "journal.db")
    yield shelf
    await shelf.close()
    await asyncio.to_thread(subprocess.run, ["umount", "-l", str(place)], check=True)


class TestAcrossRestarts:
    async def test_what_was_written_is_there_again_and_the_count_goes_on_without_a_gap(
        self, shelf: Shelf
    ) -> None:
        first = await shelf.open()
        assert (0, []) == (shelf.last, shelf.rows)
        for seq in (1, 2, 3):
            first.append(row(seq, message=f"m{seq}"))
        await first.close()
        await shelf.open()
        assert (3, [row(seq, message=f"m{seq}") for seq in (1, 2, 3)]) == (shelf.last, shelf.rows)
        assert [] == shelf.news

    @pytest.mark.parametrize("newest", [0, 1, 4])
    async def test_only_the_newest_are_loaded(self, shelf: Shelf, newest: int) -> None:
        first = await shelf.open()
        for seq in range(1, 11):
            first.append(row(seq))
        await first.close()
        await shelf.open(newest=newest)
        assert (10, [7, 8, 9, 10][4 - newest :]) == (shelf.last, numbers(shelf.rows))

    async def test_text_of_every_kind_comes_back_as_far_as_utf_8_goes(self, shelf: Shelf) -> None:
        first = await shelf.open()
        data = {"path": "caf\udce9", "nested": {"list": [1, None, 2.5]}, "name": "Ünïcode"}
        first.append((1, 1.5, "Gone", None, "", "zero \0 and caf\udce9", data))
        await first.close()
        await shelf.open()
        assert [(1, 1.5, "Gone", None, "", "zero \0 and caf?", data)] == shelf.rows

    async def test_the_file_is_for_us_alone(self, shelf: Shelf) -> None:
        first = await shelf.open()
        first.append(row(1))
        await until(shelf.written(1))
        files = sorted(shelf.path.parent.iterdir())
        assert ["journal.db", "journal.db-shm", "journal.db-wal"] == [each.name for each in files]
        assert {0o600} == {stat.S_IMODE(each.stat().st_mode) for each in files}

    async def test_clocks_that_jump_do_not_disturb_the_order(self, shelf: Shelf) -> None:
        first = await shelf.open()
        times = [1e9, 1e9 + 86400, 1e9 - 86400, 0.0]
        for seq, at in enumerate(times, 1):
            first.append(row(seq, at=at))
        await first.close()
        await shelf.open()
        assert times == [each[1] for each in shelf.rows]

    @pytest.mark.parametrize("rows", [50_000, 400])
    async def test_a_kill_leaves_a_readable_beginning_and_no_number_comes_twice(
        self, tmp_path: Path, rows: int
    ) -> None:
        path = tmp_path / "journal.db"
        given: set[int] = set()
        written = 0
        for attempt in range(12):
            told = killed_after(path, lines=1 + 67 * attempt, seconds=0.002 * attempt, rows=rows)
            assert not given & set(told), "a number that a client has seen was given out again"
            given |= set(told)
            found = on_disk(path)
            assert set(found) <= given
            mine = [seq for seq in found if seq >= told[0]]
            written += len(mine)
            assert mine == list(range(mine[0], mine[0] + len(mine)) if mine else []), (
                "a hole in what was written"
            )
            assert not mine or mine[0] == told[0] or len(found) > rows // 2, "more was dropped than need be"
            assert len(found) <= rows
            with contextlib.closing(sqlite3.connect(path)) as connection:
                assert [("ok",)] == connection.execute("PRAGMA integrity_check").fetchall()
        assert written > 12, "no run lived long enough to write, so nothing was tried"

    async def test_after_a_kill_the_count_goes_on_beyond_what_was_claimed(self, shelf: Shelf) -> None:
        killed_after(shelf.path, lines=5)
        await shelf.open()
        assert AHEAD == shelf.last
        assert shelf.news == []

    async def test_numbers_stay_claimed_while_they_are_used_up(self, shelf: Shelf) -> None:
        first = await shelf.open()
        for seq in (1, AHEAD - 1, 3 * AHEAD):
            first.append(row(seq))
            await until(lambda: seq in on_disk(shelf.path))  # noqa: B023 - awaited before it changes
            killed = JournalDb(shelf.path, Bounds())  # what a start after a kill now would see
            assert killed.last > seq + AHEAD // 4
            killed.close()


def killed_after(path: Path, lines: int, seconds: float = 0.0, rows: int = 50_000) -> list[int]:
    """Kill a writer with SIGKILL once it has told so many numbers; all that it told."""
    command = [sys.executable, "-c", WRITER, str(path), str(rows)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        told = [writer.stdout.readline() for _ in range(lines)]
        time.sleep(seconds)
        writer.send_signal(signal.SIGKILL)
        told += writer.stdout.readlines()
    return [int(line) for line in told if line.endswith(b"\n")]


class TestReading:
    async def test_pages_begin_with_the_oldest_and_keep_to_their_bounds(self, shelf: Shelf) -> None:
        archive = await shelf.open()
        for seq in range(1, 21):
            archive.append(row(seq, model="ab"[seq % 2]))
        await until(shelf.written(*range(1, 21)))
        assert [6, 7, 8] == numbers(await archive.page(5, END, None, 3))
        assert [17, 18, 19] == numbers(await archive.page(16, 20, None, 9))
        assert [6, 8] == numbers(await archive.page(5, END, "a", 2))
        assert [] == await archive.page(20, END, None, 5)

    async def test_a_mark_stands_before_the_newest_so_many(self, shelf: Shelf) -> None:
        archive = await shelf.open()
        for seq in range(1, 21):
            archive.append(row(seq, model="ab"[seq % 2]))
        await until(shelf.written(*range(1, 21)))
        assert 17 == await archive.mark(0, END, None, 3)
        assert 16 == await archive.mark(0, 20, None, 3)
        assert 15 == await archive.mark(0, END, "a", 3)
        assert 12 == await archive.mark(12, END, None, 50)

    async def test_what_is_not_on_disk_yet_is_found_too(self, shelf: Shelf) -> None:
        slow = await shelf.open(timing=Timing(gather=60.0))
        first = JournalDb(shelf.path, Bounds())
        first.write([as_line(row(seq)) for seq in (1, 2, 3)])
        first.close()
        for seq in (4, 5, 6):
            slow.append(row(seq))
        assert [2, 3, 4, 5] == numbers(await slow.page(1, END, None, 4))
        assert (4, 1, 0) == (
            await slow.mark(0, END, None, 2),
            await slow.mark(0, END, None, 5),
            await slow.mark(0, END, None, 6),
        )

    async def test_a_closed_archive_reads_nothing_and_takes_in_what_comes(self, shelf: Shelf) -> None:
        archive = await shelf.open()
        archive.append(row(1))
        await archive.close()
        archive.append(row(2))
        assert [2] == numbers(await archive.page(0, END, None, 9))
        assert [1] == on_disk(shelf.path)


class TestADiskInTrouble:
    async def test_a_locked_file_is_told_and_what_was_missed_is_written_once_it_is_free(
        self, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("zoosup.host.storage.journal_db._BUSY", 0.02)
        archive = await shelf.open()
        with a_stranger_writing(shelf.path):
            archive.append(row(1))
            await until(lambda: shelf.reasons() == ["Degraded"])
            archive.append(row(2))
            assert [1, 2] == numbers(await archive.page(0, END, None, 9))
        await until(lambda: shelf.reasons() == ["Degraded", "Recovered"])
        assert [1, 2] == on_disk(shelf.path)
        assert f"events are kept in memory only: {shelf.path}: database is locked" == shelf.news[0][1]
        assert "events are written to disk again" == shelf.news[1][1]

    async def test_a_full_disk_is_told_and_nothing_is_lost_once_there_is_room(self, tiny: Shelf) -> None:
        archive = await tiny.open()
        ballast = tiny.path.parent / "ballast"
        ballast.write_bytes(bytes(900 << 10))
        for seq in range(1, 501):
            archive.append(row(seq, message="x" * 1000))
        await until(lambda: tiny.reasons() == ["Degraded"])
        assert list(range(1, 501)) == numbers(await archive.page(0, END, None, 999))
        ballast.unlink()
        await until(lambda: tiny.reasons() == ["Degraded", "Recovered"])
        await archive.close()
        assert list(range(1, 501)) == on_disk(tiny.path)
        assert "disk" in tiny.news[0][1]

    async def test_a_disk_that_is_full_from_the_start_costs_the_file_and_no_number(self, tiny: Shelf) -> None:
        ballast = tiny.path.parent / "ballast"
        with contextlib.suppress(OSError):
            ballast.write_bytes(bytes(2 << 20))
        archive = await tiny.open(wall=lambda: 1.8e9)
        archive.append(row(tiny.last + 1))
        assert 1_800_000_000 == tiny.last
        await until(lambda: tiny.reasons() == ["Degraded"])
        ballast.unlink()
        await until(lambda: tiny.reasons() == ["Degraded", "Recovered"])
        await archive.close()
        assert [1_800_000_001] == on_disk(tiny.path)

    async def test_a_disk_that_turns_read_only_is_told(self, tiny: Shelf) -> None:
        archive = await tiny.open()
        archive.append(row(1))
        await archive.close()
        assert mounted("-o", "remount,ro", str(tiny.path.parent))
        again = await tiny.open(wall=lambda: 1.8e9)
        again.append(row(tiny.last + 1))
        assert 1_800_000_000 == tiny.last
        await until(lambda: tiny.reasons() == ["Degraded"])
        assert mounted("-o", "remount,rw", str(tiny.path.parent))
        await until(lambda: tiny.reasons() == ["Degraded", "Recovered"])
        await again.close()
        assert [1, 1_800_000_001] == on_disk(tiny.path)

    async def test_a_file_that_may_not_grow_is_trouble_until_it_may(self, tmp_path: Path) -> None:
        path = tmp_path / "journal.db"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CRAMPED, str(path), stdout=asyncio.subprocess.PIPE
        )
        out, _ = await asyncio.wait_for(process.communicate(), 60)
        told = [line.partition("|")[0] for line in out.decode().splitlines()]
        assert (["Degraded", "Recovered"], 0) == (told, process.returncode)
        assert list(range(1, 301)) == on_disk(path)

    async def test_a_directory_that_is_not_there_is_trouble_until_it_is(self, tmp_path: Path) -> None:
        shelf = Shelf(tmp_path / "gone" / "journal.db")
        archive = await shelf.open(wall=lambda: 1.8e9)
        archive.append(row(shelf.last + 1))
        assert ["Degraded"] == shelf.reasons()
        shelf.path.parent.mkdir()
        await until(lambda: shelf.reasons() == ["Degraded", "Recovered"])
        await archive.close()
        assert [1_800_000_001] == on_disk(shelf.path)

    async def test_trouble_is_told_once_and_what_had_to_go_is_counted(
        self, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        attempts = itertools.count()
        monkeypatch.setattr(JournalDb, "write", failing(attempts, sqlite3.OperationalError("disk I/O error")))
        archive = await shelf.open()
        archive._waiting = Backlog(most=3)
        for seq in range(1, 6):
            archive.append(row(seq))
        await until(lambda: shelf.reasons() == ["Degraded"])  # each look at `attempts` counts as one
        before = next(attempts)
        await until(lambda: next(attempts) > before + 10)
        assert ["Degraded"] == shelf.reasons()
        monkeypatch.undo()
        await until(lambda: shelf.reasons() == ["Degraded", "Lost", "Recovered"])
        assert f"2 events were too many to wait for the disk and are not in {shelf.path}" == shelf.news[1][1]
        assert [3, 4, 5] == on_disk(shelf.path)

    async def test_a_bug_in_the_thread_is_told_and_does_not_end_it(
        self, shelf: Shelf, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        archive = await shelf.open()
        monkeypatch.setattr(JournalDb, "write", failing(itertools.count(), KeyError("oops")))
        archive.append(row(1))
        await until(lambda: shelf.reasons() == ["Degraded"])
        monkeypatch.undo()
        await until(shelf.written(1))
        assert "internal error" in shelf.news[0][1]
        assert "internal error" in caplog.text

    async def test_a_disk_that_never_answers_holds_neither_the_start_nor_the_end(
        self, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answers = threading.Event()
        real = archive_module.JournalDb
        monkeypatch.setattr(archive_module, "JournalDb", lambda *given: answers.wait() and real(*given))
        timing = Timing(gather=0.005, retry=0.02, patience=0.05)
        archive = await shelf.open(timing=timing, wall=lambda: 1.8e9)
        assert (1_800_000_000, [], ["Degraded"]) == (shelf.last, shelf.rows, shelf.reasons())
        archive.append(row(shelf.last + 1))
        await archive.close()
        answers.set()
        await asyncio.to_thread(archive._thread.join)
        assert [1_800_000_001] == on_disk(shelf.path)


def failing(attempts: Iterator[int], error: Exception) -> Callable[..., None]:
    def write(*_: object) -> None:
        next(attempts)
        raise error

    return write


class TestAFileThatCannotBeUsed:
    @pytest.mark.parametrize(
        "content",
        [b"not a database, but long enough to be looked at" * 50, b"SQLite format 3\0" + b"\xff" * 5000],
        ids=["text", "torn"],
    )
    async def test_it_is_set_aside_and_the_count_does_not_begin_again(
        self, shelf: Shelf, content: bytes
    ) -> None:
        shelf.path.write_bytes(content)
        archive = await shelf.open(wall=lambda: 1.8e9)
        assert (1_800_000_000, []) == (shelf.last, shelf.rows)
        archive.append(row(shelf.last + 1))
        await until(shelf.written(1_800_000_001))
        assert ["SetAside"] == shelf.reasons()
        assert shelf.news[0][1].endswith("kept as journal.db.corrupt-1")
        assert content == (shelf.path.parent / "journal.db.corrupt-1").read_bytes()

    async def test_one_of_a_later_version_is_set_aside_whole(self, shelf: Shelf) -> None:
        with contextlib.closing(sqlite3.connect(shelf.path)) as later:
            later.execute("CREATE TABLE events (better INTEGER)")
            later.execute("PRAGMA user_version = 2")
        await shelf.open(wall=lambda: 1.8e9)
        assert [("SetAside", "it is of version 2, expected 1")] == [
            (reason, message.partition("(")[2].partition(")")[0]) for reason, message in shelf.news
        ]
        with contextlib.closing(sqlite3.connect(shelf.path.parent / "journal.db.corrupt-1")) as kept:
            assert [(2,)] == kept.execute("PRAGMA user_version").fetchall()

    @pytest.mark.parametrize(
        "spoil",
        [
            "CREATE TABLE poems (line TEXT)",
            "CREATE TABLE events (seq INTEGER); PRAGMA user_version = 1",
            "CREATE TABLE numbers (x); PRAGMA user_version = 1",
        ],
    )
    async def test_somebody_elses_tables_are_set_aside(self, shelf: Shelf, spoil: str) -> None:
        with contextlib.closing(sqlite3.connect(shelf.path)) as stranger:
            stranger.executescript(spoil)
        await shelf.open()
        assert ["SetAside"] == shelf.reasons()

    async def test_damage_that_only_a_reader_meets_is_set_aside_too(self, shelf: Shelf) -> None:
        first = await shelf.open()
        for seq in range(1, 200):
            first.append(row(seq, message="x" * 500))
        await first.close()
        again = await shelf.open(newest=1)
        with shelf.path.open("r+b") as file:
            file.seek(5 * 4096)
            file.write(b"\xff" * 12 * 4096)
        assert [] == await again.page(0, END, None, 199)
        await until(lambda: shelf.reasons() == ["SetAside"])
        again.append(row(200))
        await until(shelf.written(200))
        assert [200] == numbers(await again.page(0, END, None, 199))

    async def test_an_earlier_file_that_comes_back_late_with_higher_numbers_is_kept_aside(
        self, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("zoosup.host.storage.journal_db._BUSY", 0.02)
        first = await shelf.open()
        for seq in (1, 2, 3):
            first.append(row(seq))
        await first.close()
        with a_stranger_writing(shelf.path):
            # a host without a clock: it believes to be in 1970
            again = await shelf.open(wall=lambda: 1.0, newest=0)
            again.append(row(2))
            await until(lambda: "Degraded" in shelf.reasons())
        await until(lambda: shelf.reasons() == ["Degraded", "SetAside", "Recovered"])
        assert ([2], [1, 2, 3]) == (
            on_disk(shelf.path),
            on_disk(shelf.path.with_name("journal.db.corrupt-1")),
        )

    async def test_a_file_that_somebody_removes_is_begun_anew_and_no_number_comes_twice(
        self, shelf: Shelf
    ) -> None:
        first = await shelf.open()
        first.append(row(1))
        await until(shelf.written(1))
        for each in shelf.path.parent.iterdir():
            each.unlink()
        first.append(row(2))
        await until(shelf.written(2))
        assert [] == shelf.news
        await first.close()
        await shelf.open()
        assert 2 == shelf.last


class TestBesideTheLoop:
    async def test_ten_thousand_events_are_taken_in_while_the_disk_writes_none_of_them(
        self, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        goes_on = threading.Event()
        real = JournalDb.write

        def slow(file: JournalDb, lines: Sequence[Line]) -> None:
            goes_on.wait(60)
            real(file, lines)

        monkeypatch.setattr(JournalDb, "write", slow)
        archive = await shelf.open()
        for seq in range(1, 10_001):
            archive.append(row(seq, message="a sentence of some length about a model"))
            if seq % 1000 == 0:
                await asyncio.sleep(0)
        assert [] == on_disk(shelf.path)
        assert [9_999, 10_000] == numbers(await archive.page(9_998, END, None, 9))
        goes_on.set()
        await until(lambda: len(on_disk(shelf.path)) == 10_000)
        assert list(range(1, 10_001)) == on_disk(shelf.path)

    async def test_the_loop_never_touches_the_file(
        self, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        threads: set[threading.Thread] = set()
        real = sqlite3.connect

        def connect(*given: object, **more: object) -> sqlite3.Connection:
            threads.add(threading.current_thread())
            return real(*given, **more)  # type: ignore[call-overload, no-any-return]

        monkeypatch.setattr(sqlite3, "connect", connect)
        archive = await shelf.open()
        archive.append(row(1))
        await archive.page(0, END, None, 1)
        await archive.mark(0, END, None, 1)
        await archive.close()
        assert threads
        assert threading.main_thread() not in threads

    async def test_what_was_appended_just_before_the_end_is_written(self, shelf: Shelf) -> None:
        archive = await shelf.open(timing=Timing(gather=60.0))
        archive.append(row(1))
        await archive.close()
        assert [1] == on_disk(shelf.path)

    async def test_no_thread_and_no_descriptor_is_left(self, shelf: Shelf) -> None:
        archive = await shelf.open()
        archive.append(row(1))
        await archive.page(0, END, None, 1)
        await archive.close()
        await until(lambda: not [t for t in threading.enumerate() if t.name.startswith("zoosup-journal")])
        assert [] == [each for each in open_files() if "journal.db" in each]


def open_files() -> list[str]:
    place = Path("/proc/self/fd")
    if not place.exists():
        return []
    names = []
    for each in place.iterdir():
        with contextlib.suppress(OSError):
            names.append(str(each.readlink()))
    return names


class TestBacklog:
    def test_it_is_bounded_in_events(self) -> None:
        waiting = Backlog(most=3)
        for seq in range(1, 6):
            waiting.add(as_line(row(seq)))
        assert ([3, 4, 5], 2, 0) == (
            numbers(waiting.between(0, END, None)),
            waiting.lost(),
            waiting.lost(),
        )

    def test_it_is_bounded_in_bytes(self) -> None:
        waiting = Backlog(most_bytes=1000)
        for seq in range(1, 6):
            waiting.add(as_line(row(seq, message="x" * 400)))
        assert [4, 5] == numbers(waiting.between(0, END, None))

    @pytest.mark.parametrize(("most", "most_bytes"), [(2, 1 << 20), (99, 2 * len("m" * 400 + '{"n":1}'))])
    def test_just_as_much_as_may_wait_does(self, most: int, most_bytes: int) -> None:
        waiting = Backlog(most=most, most_bytes=most_bytes)
        for seq in (1, 2):
            waiting.add(as_line(row(seq, message="m" * 400)))
        assert (0, [1, 2]) == (waiting.lost(), numbers(waiting.between(0, 3, "a")))
        assert [[], [2], [1]] == [
            numbers(waiting.between(*given)) for given in ((0, 3, "b"), (1, 3, None), (0, 2, None))
        ]
        waiting.add(as_line(row(3, message="m" * 400)))
        assert (1, [2, 3]) == (waiting.lost(), numbers(waiting.between(0, END, None)))

    def test_ten_thousand_or_16_mib_wait_unless_told_otherwise(self) -> None:
        assert (10_000, 16 << 20) == (journal_backlog.WAITING, journal_backlog.WAITING_BYTES)

    def test_forgetting_makes_room(self) -> None:
        waiting = Backlog(most_bytes=1000)
        for seq in range(1, 101):
            waiting.add(as_line(row(seq, message="x" * 400)))
            waiting.forget(seq)
        assert (0, []) == (waiting.lost(), waiting.first(10))

    def test_it_gives_back_what_it_was_given(self) -> None:
        assert row(7, message="m") == as_row(as_line(row(7, message="m")))
