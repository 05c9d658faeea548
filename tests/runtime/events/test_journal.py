import asyncio
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from zoosup.host.storage.journal_writer import JournalWriter, Timing
from zoosup.runtime.events.journal import PAGE, Event, Journal, Row


class Paper:
    """An archive that keeps everything and forgets nothing, and says what it was asked."""

    def __init__(self, rows: list[Row] | None = None, last: int = 0) -> None:
        self.rows = rows or []
        self.last = last or (self.rows[-1][0] if self.rows else 0)
        self.asked: list[tuple[object, ...]] = []
        self.asked_first = 0
        self.on_read: Callable[[], object] = lambda: None
        self.listener: Callable[[str, str], None] | None = None
        self.closed = False

    async def begin(self, newest: int) -> tuple[int, list[Row]]:
        self.asked_first = newest
        return self.last, self.rows[-newest:]

    def listen(self, listener: Callable[[str, str], None]) -> None:
        self.listener = listener

    def append(self, row: Row) -> None:
        self.rows.append(row)

    def _found(self, after: int, before: int, model: str | None) -> list[Row]:
        return [r for r in self.rows if after < r[0] < before and (model is None or r[3] == model)]

    async def page(self, after: int, before: int, model: str | None, count: int) -> list[Row]:
        self.asked.append(("page", after, before, model, count))
        found = self._found(after, before, model)[:count]
        self.on_read()
        return found

    async def mark(self, after: int, before: int, model: str | None, count: int) -> int:
        self.asked.append(("mark", after, before, model, count))
        found = self._found(after, before, model)
        return found[-count][0] - 1 if len(found) >= count else after

    async def close(self) -> None:
        self.closed = True


def row(seq: int, model: str | None = "a") -> Row:
    return seq, float(seq), "Tick", model, "", str(seq), {}


def ticks(journal: Journal, count: int, model: str = "a") -> None:
    for _ in range(count):
        journal.add("Tick", model, "", "")


def numbers(events: list[Event]) -> list[int]:
    return [event.seq for event in events]


async def opened(archive: Paper, limit: int = 10) -> Journal:
    journal = Journal(limit=limit, archive=archive)
    await journal.open()
    return journal


class TestInMemory:
    def test_events_are_numbered_from_one_and_stamped_with_the_wall_clock(self) -> None:
        times: Iterator[float] = iter([5.0, 3.0, 9.0])
        journal = Journal(wall=lambda: next(times))
        journal.add("Phase", "a", "ready", "at last", {"from": "starting"})
        journal.add("Applied", None, "FileChanged", "")
        journal.add("Applied", None, "FileChanged", "")
        assert [
            Event(1, 5.0, "Phase", "a", "ready", "at last", {"from": "starting"}),
            Event(2, 3.0, "Applied", None, "FileChanged", ""),
            Event(3, 9.0, "Applied", None, "FileChanged", ""),
        ] == journal.since()
        assert 3 == journal.last

    def test_a_number_a_model_and_a_limit_narrow_what_is_found(self) -> None:
        journal = Journal()
        for model in "abab":
            journal.add("Tick", model, "", "")
        assert [3, 4] == numbers(journal.since(2))
        assert [2, 4] == numbers(journal.since(0, "b"))
        assert [4] == numbers(journal.since(0, "b", 1))
        assert [3, 4] == numbers(journal.since(limit=2))
        assert [1, 2, 3, 4] == numbers(journal.since(limit=9))
        assert [] == journal.since(4)
        assert [] == journal.since(99)

    def test_only_the_newest_are_kept(self) -> None:
        journal = Journal(limit=3)
        ticks(journal, 5)
        assert ([3, 4, 5], 5) == (numbers(journal.since()), journal.last)

    def test_every_event_goes_to_the_sink_once(self) -> None:
        told: list[Event] = []
        journal = Journal(sink=told.append)
        ticks(journal, 3)
        assert journal.since() == told

    async def test_without_an_archive_history_is_what_memory_holds(self) -> None:
        journal = Journal(limit=3)
        await journal.open()
        ticks(journal, 5)
        assert [3, 4, 5] == numbers(await journal.history())
        assert [5] == numbers(await journal.history(limit=1))
        assert [] == await journal.history(limit=0)
        await journal.close()

    def test_as_json_shows_it(self) -> None:
        event = Event(1, 2.5, "Gone", None, "Crashed", "no more", {"exit": {"code": 1}})
        assert {
            "seq": 1,
            "at": 2.5,
            "type": "Gone",
            "words": "ended",
            "model": None,
            "reason": "Crashed",
            "message": "no more",
            "data": {"exit": {"code": 1}},
        } == event.as_dict()


class TestOnTopOfAnArchive:
    async def test_the_count_and_the_events_go_on_where_they_ended(self) -> None:
        told: list[Event] = []
        archive = Paper([row(seq) for seq in range(1, 6)], last=8)
        journal = Journal(sink=told.append, archive=archive)
        await journal.open()
        assert ([1, 2, 3, 4, 5], 8) == (numbers(journal.since()), journal.last)
        new = journal.add("Tick", "a", "", "new")
        assert (9, [new], new.as_row()) == (new.seq, told, archive.rows[-1])

    async def test_only_as_many_are_taken_up_as_memory_keeps(self) -> None:
        archive = Paper([row(seq) for seq in range(1, 6)])
        assert [3, 4, 5] == numbers((await opened(archive, limit=3)).since())
        assert 3 == archive.asked_first

    async def test_events_before_the_opening_would_take_numbers_twice(self) -> None:
        journal = Journal(archive=Paper())
        journal.add("Tick", None, "", "")
        with pytest.raises(RuntimeError, match="internal error"):
            await journal.open()

    async def test_closing_closes_the_archive(self) -> None:
        archive = Paper()
        await (await opened(archive)).close()
        assert archive.closed

    async def test_what_memory_holds_is_not_asked_for(self) -> None:
        archive = Paper([row(seq) for seq in range(1, 101)])
        journal = await opened(archive)
        assert [96, 97, 98, 99, 100] == numbers(await journal.history(95))
        assert [99, 100] == numbers(await journal.history(limit=2))
        assert [100] == numbers(await journal.history(90, limit=1))
        assert [] == archive.asked

    async def test_what_memory_has_let_go_of_is_read_in_pages(self) -> None:
        archive = Paper([row(seq) for seq in range(1, 2 * PAGE + 101)])
        journal = await opened(archive)
        pages = [numbers(page) async for page in journal.pages(50)]
        assert [n for page in pages for n in page] == list(range(51, 2 * PAGE + 101))
        assert max(map(len, pages)) == PAGE

    async def test_the_newest_so_many_may_begin_in_the_archive(self) -> None:
        archive = Paper([row(seq, "ab"[seq % 2]) for seq in range(1, 101)])
        journal = await opened(archive)
        assert list(range(71, 101)) == numbers(await journal.history(limit=30))
        assert list(range(82, 101, 2)) == numbers(await journal.history(0, "a", 10))
        assert [96, 98, 100] == numbers(await journal.history(95, "a", 10))
        assert list(range(1, 101)) == numbers(await journal.history(limit=500))

    async def test_history_ends_with_the_event_that_was_newest_when_it_was_asked_for(self) -> None:
        archive = Paper([row(seq) for seq in range(1, 31)])
        journal = await opened(archive)
        archive.on_read = lambda: ticks(journal, 7)
        assert list(range(1, 31)) == numbers(await journal.history())

    async def test_no_event_falls_between_memory_and_archive_while_both_move_on(self) -> None:
        archive = Paper([row(seq) for seq in range(1, 31)])
        journal = await opened(archive)
        ticks(journal, 1, "rare")
        moves = iter([10, 3])  # the rare one leaves memory while the archive is asked for what came before
        archive.on_read = lambda: ticks(journal, next(moves, 0))
        assert [31] == numbers(await journal.history(0, "rare"))

    async def test_a_follower_that_fell_behind_goes_on_from_the_archive(self) -> None:
        journal = await opened(Paper(), limit=5)
        seen: list[int] = []
        async with asyncio.timeout(20), aclosing(journal.follow(0)) as following:
            ticks(journal, 3)
            async for event in following:
                seen.append(event.seq)
                if event.seq == 2:
                    ticks(journal, 50)
                if event.seq == 53:
                    break
        assert list(range(1, 54)) == seen

    async def test_a_follower_waits_for_what_comes(self) -> None:
        archive = Paper([row(seq) for seq in range(1, 31)])
        journal = await opened(archive)
        async with asyncio.timeout(20), aclosing(journal.follow(30, "b")) as following:
            upcoming = asyncio.ensure_future(anext(following))
            ticks(journal, 3, "a")
            await asyncio.sleep(0)
            ticks(journal, 100, "a")
            await asyncio.sleep(0)
            archive.asked.clear()
            ticks(journal, 1, "b")
            assert 134 == (await upcoming).seq
        assert [] == archive.asked, "what is past was looked for again"

    async def test_a_gap_in_the_numbers_is_no_end(self) -> None:
        archive = Paper([row(seq) for seq in range(1, 31)], last=10_000)
        journal = await opened(archive)
        ticks(journal, 2)
        assert [*range(1, 31), 10_001, 10_002] == numbers(await journal.history())
        assert [30, 10_001, 10_002] == numbers(await journal.history(limit=3))
        assert [10_001, 10_002] == numbers(await journal.history(500))

    async def test_trouble_is_an_event_and_a_state_until_it_is_over(self) -> None:
        archive = Paper()
        journal = await opened(archive)
        assert archive.listener is not None
        archive.listener("SetAside", "kept as …-1")
        assert "" == journal.trouble
        archive.listener("Degraded", "no space left")
        assert "no space left" == journal.trouble
        archive.listener("Recovered", "written again")
        assert "" == journal.trouble
        assert [
            ("Journal", None, "SetAside", "kept as …-1"),
            ("Journal", None, "Degraded", "no space left"),
            ("Journal", None, "Recovered", "written again"),
        ] == [(e.type, e.model, e.reason, e.message) for e in journal.since()]


@settings(deadline=None, max_examples=200)
@given(
    models=st.lists(st.sampled_from("abc"), max_size=40),
    memory=st.integers(1, 12),
    seq=st.integers(0, 50),
    model=st.sampled_from(["a", "b", None]),
    limit=st.none() | st.integers(0, 45),
)
def test_history_is_what_a_journal_without_bound_would_hold(
    models: list[str], memory: int, seq: int, model: str | None, limit: int | None
) -> None:
    async def found() -> list[int]:
        journal = await opened(Paper(), limit=memory)
        for each in models:
            journal.add("Tick", each, "", "")
        return numbers(await journal.history(seq, model, limit))

    expected = [n for n, each in enumerate(models, 1) if n > seq and model in {each, None}]
    if limit is not None:
        expected = expected[max(0, len(expected) - limit) :]
    assert expected == asyncio.run(found())


class TestOnDisk:
    """The same with the real archive: what people see is there after a restart."""

    async def test_what_happened_before_a_restart_is_shown_and_followed_after_it(
        self, tmp_path: Path
    ) -> None:
        timing = Timing(gather=0.005)
        for start in (0, 40, 80):
            journal = Journal(limit=10, archive=JournalWriter(tmp_path / "journal.db", timing=timing))
            await journal.open()
            ticks(journal, 40)
            assert list(range(1, start + 41)) == numbers(await journal.history())
            await journal.close()
        journal = Journal(limit=10, archive=JournalWriter(tmp_path / "journal.db", timing=timing))
        await journal.open()
        assert list(range(101, 121)) == numbers(await journal.history(limit=20))
        seen = []
        async with asyncio.timeout(20), aclosing(journal.follow(95)) as following:
            async for event in following:
                seen.append(event.seq)
                if event.seq == 120:
                    journal.add("Tick", "a", "", "")
                if event.seq == 121:
                    break
        assert list(range(96, 122)) == seen
        await journal.close()

    async def test_a_disk_that_is_not_there_is_a_state_that_ends(self, tmp_path: Path) -> None:
        timing = Timing(gather=0.005, retry=0.02)
        place = tmp_path / "later"
        journal = Journal(archive=JournalWriter(place / "journal.db", timing=timing))
        await journal.open()
        assert journal.trouble.startswith("events are kept in memory only: ")
        ticks(journal, 3)
        place.mkdir()
        async with asyncio.timeout(20):
            while journal.trouble:
                await asyncio.sleep(0.005)
        await journal.close()
        again = Journal(archive=JournalWriter(place / "journal.db", timing=timing))
        await again.open()
        assert ["Degraded", "", "", "", "Recovered"] == [event.reason for event in again.since()]
        assert journal.last == again.last
        await again.close()
