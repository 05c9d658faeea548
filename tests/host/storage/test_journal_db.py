import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from zoosup.host.storage import journal_db
from zoosup.host.storage.journal_db import (
    AHEAD,
    LONGEST,
    Bounds,
    DamagedError,
    JournalDb,
    Line,
    as_line,
    as_row,
)

END = 1 << 62


def line(seq: int, message: str = "") -> Line:
    return as_line((seq, 0.0, "Tick", "a", "", message, {}))


def numbers(path: Path) -> list[int]:
    return [row[0] for row in journal_db.page(path, 0, END, None, 1 << 30)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a %41?#.db"  # a path that is a URI must be quoted


@contextlib.contextmanager
def opened(path: Path, **bounds: int) -> Iterator[JournalDb]:
    file = JournalDb(path, Bounds(**bounds))
    try:
        yield file
    finally:
        file.close()


class TestBounds:
    def test_the_oldest_go_once_there_are_too_many(self, path: Path) -> None:
        with opened(path, rows=100) as file:
            for seq in range(1, 501):
                file.write([line(seq)])
                found = numbers(path)
                assert found == list(range(found[0], seq + 1))
                assert min(seq, 95) <= len(found) <= 100

    def test_a_batch_that_is_itself_too_much_leaves_its_end(self, path: Path) -> None:
        with opened(path, rows=100) as file:
            file.write([line(seq) for seq in range(1, 1001)])
        assert list(range(906, 1001)) == numbers(path)

    def test_the_count_is_right_after_the_file_was_opened_again(self, path: Path) -> None:
        with opened(path, rows=100) as file:
            file.write([line(seq) for seq in range(1, 100)])
        with opened(path, rows=100) as file:
            file.write([line(100)])
            assert 100 == len(numbers(path))
            file.write([line(101)])
        assert 95 == len(numbers(path))

    def test_the_file_stays_within_its_bytes_and_gives_room_back(self, path: Path) -> None:
        bound = 1 << 20
        with opened(path, bytes=bound) as file:
            for start in range(1, 2000, 10):
                file.write([line(seq, "x" * 5000) for seq in range(start, start + 10)])
                assert numbers(path)[-1] == start + 9
        assert bound // 2 < path.stat().st_size <= bound
        with opened(path, bytes=bound // 4) as file:
            file.write([line(3000)])
        assert path.stat().st_size <= bound // 4

    def test_the_write_ahead_log_stays_small(self, path: Path) -> None:
        log = path.with_name(f"{path.name}-wal")
        sizes = []
        with opened(path) as file:
            for start in range(1, 20_000, 100):
                file.write([line(seq, "x" * 500) for seq in range(start, start + 100)])
                sizes.append(log.stat().st_size)
        assert max(sizes) < 10 << 20


class TestNumbers:
    def test_a_claim_outlives_a_kill_and_is_given_back_by_a_clean_end(self, path: Path) -> None:
        with opened(path) as file:
            file.claim(0)
            file.write([line(1)])
        with opened(path) as file:
            assert (1, AHEAD) == (file.newest, file.last)
            file.finish(1)
        with opened(path) as file:
            assert (1, 1) == (file.newest, file.last)

    def test_claims_are_renewed_long_before_they_are_used_up(self, path: Path) -> None:
        with opened(path) as file:
            file.claim(0)
            file.claim(AHEAD - 1)
        with opened(path) as file:
            assert 2 * AHEAD - 1 == file.last

    def test_a_claim_that_reaches_half_way_is_not_renewed(self, path: Path) -> None:
        with opened(path) as file:
            file.claim(0)
            file.claim(AHEAD // 2)
            assert AHEAD == file.last
            file.claim(AHEAD // 2 + 1)
            assert AHEAD + AHEAD // 2 + 1 == file.last

    def test_a_clean_end_never_gives_back_what_was_written(self, path: Path) -> None:
        with opened(path) as file:
            file.write([line(7)])
            file.finish(3)
        with opened(path) as file:
            assert 7 == file.last

    def test_lines_that_come_twice_are_kept_once(self, path: Path) -> None:
        with opened(path, rows=4) as file:
            file.write([line(1), line(2)])
            file.write([line(1), line(2), line(3)])
            file.write([line(4)])
        assert [1, 2, 3, 4] == numbers(path)


class TestSettingAside:
    def test_what_belongs_to_the_file_goes_with_it(self, path: Path) -> None:
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).write_text(f"content{suffix}")
        target = journal_db.set_aside(path)
        assert {f"{path.name}.corrupt-1{suffix}": f"content{suffix}" for suffix in ("", "-wal", "-shm")} == {
            each.name: each.read_text() for each in path.parent.iterdir()
        }
        assert path.with_name(f"{path.name}.corrupt-1") == target

    def test_only_the_last_three_are_kept_and_no_name_comes_twice(self, tmp_path: Path) -> None:
        path = tmp_path / "journal.db"
        for number in range(1, 13):
            path.write_text(str(number))
            path.with_name("journal.db-wal").touch()
            journal_db.set_aside(path)
        kept = {f"journal.db.corrupt-{number}{side}" for number in (10, 11, 12) for side in ("", "-wal")}
        assert kept == {each.name for each in tmp_path.iterdir()}
        assert "12" == (tmp_path / "journal.db.corrupt-12").read_text()
        assert [10, 11, 12] == journal_db.asides(path)

    def test_a_log_whose_file_is_gone_does_no_harm_to_the_next(self, path: Path) -> None:
        # zoosup was killed between the two renames
        with opened(path) as file:
            file.write([line(1)])
            log = path.with_name(f"{path.name}-wal").read_bytes()
        path.unlink()
        path.with_name(f"{path.name}-wal").write_bytes(log)
        with opened(path) as file:
            file.write([line(5)])
        assert [5] == numbers(path)


class TestLines:
    def test_a_message_and_figures_beyond_any_use_are_cut_and_say_so(self) -> None:
        figures = {"log": ["y" * LONGEST]}
        row = as_row(as_line((1, 0.0, "Gone", "a", "", "x" * (LONGEST + 1), figures)))
        assert f"{'x' * LONGEST}… ({LONGEST + 1} characters)" == row[5]
        assert {"omitted"} == set(row[6])

    def test_what_is_just_as_long_as_may_be_is_kept_whole(self) -> None:
        figures = {"log": "y" * (LONGEST - len('{"log":""}'))}
        row = as_row(as_line((1, 0.0, "Gone", "a", "", "x" * LONGEST, figures)))
        assert ("x" * LONGEST, figures) == row[5:]

    def test_figures_that_are_no_plain_data_are_kept_as_their_words(self) -> None:
        assert {"at": "/a/path"} == as_row(as_line((1, 0.0, "Gone", "a", "", "", {"at": Path("/a/path")})))[6]

    def test_figures_that_are_no_json_say_so(self) -> None:
        endless: dict[str, object] = {}
        endless["self"] = endless
        row = as_row(as_line((1, 0.0, "Gone", "a", "", "", endless)))
        assert {"omitted": "not JSON: Circular reference detected"} == row[6]

    def test_figures_that_somebody_has_edited_are_left_out(self, path: Path) -> None:
        with opened(path) as file:
            file.write([line(seq) for seq in (1, 2, 3)])
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as editor:
            editor.execute("UPDATE events SET data = '[1]' WHERE seq = 1")
            editor.execute("UPDATE events SET data = '{' WHERE seq = 2")
        assert [{}, {}, {}] == [row[6] for row in journal_db.page(path, 0, END, None, 9)]


def test_a_file_that_cannot_be_used_is_not_written_to(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as later:
        later.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(DamagedError, match="it is of version 99, expected 1"):
        JournalDb(path, Bounds())
    assert before == path.read_bytes()


def test_so_much_is_kept_unless_told_otherwise() -> None:
    assert (50_000, 64 << 20) == (Bounds().rows, Bounds().bytes)


def test_a_file_that_was_replaced_has_moved(path: Path) -> None:
    with opened(path) as file:
        assert not file.moved()
        path.rename(path.with_name("elsewhere"))
        assert file.moved()
        path.touch()
        assert file.moved()


def test_a_file_that_lacks_what_an_event_has_is_damaged_before_anything_is_asked_of_it(path: Path) -> None:
    with opened(path) as file:
        file.write([line(1)])
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as editor:
        editor.execute("ALTER TABLE events DROP COLUMN data")
    with pytest.raises(DamagedError, match="no such column: data"):
        JournalDb(path, Bounds())
