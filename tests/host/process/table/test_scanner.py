"""Looks at the process table are shared, and never older than was asked for."""

import asyncio
import os
import threading
import time
from types import MappingProxyType

import pytest

from zoosup.host.process.table import scanner
from zoosup.host.process.table.identity import Identity, boot_session
from zoosup.host.process.table.membership import RunMembers
from zoosup.host.process.table.proc_table import Memory, Reads, Row
from zoosup.host.process.table.scanner import ProcessScanner


class Table:
    """A process table that counts who reads it and can be held up."""

    def __init__(self):
        self.scans, self.environments, self.refused = 0, 0, False
        self.gate = threading.Event()
        self.gate.set()
        self.read = Reads()
        self.bears = {}
        self.forked = None
        self.rows = {100: Row(100, os.getpid(), 100, 100, 10, "S", 1, "leader")}

    def scan(self, known=MappingProxyType({})):
        refused = self.refused
        self.known = known
        self.scans += 1
        self.gate.wait()
        if refused:
            raise OSError(24, "Too many open files")
        return {pid: known.get(pid, row) for pid, row in self.rows.items()}

    def forks(self):
        return self.forked

    def run_id(self, pid, *, wait=True):
        self.environments += 1
        self.waited = wait
        return self.bears.get(pid)

    def memory(self, pid):
        return Memory(5, 3)

    def reads(self, pid):
        return self.read


@pytest.fixture
def table():
    return Table()


@pytest.fixture
def census(table):
    census = ProcessScanner(table)
    census.trees["a"] = RunMembers("a", Identity(100, 10, boot_session()))
    yield census
    table.gate.set()
    census.close()


async def test_a_hundred_askers_share_two_looks(table, census):
    """The first of them begins one; the others came later and need a fresher one, all of them the same."""
    table.gate.clear()
    asking = [asyncio.create_task(census.look()) for _ in range(100)]
    await asyncio.sleep(0.02)
    table.gate.set()
    await asyncio.gather(*asking)
    assert table.scans <= 2


async def test_a_look_again_reads_only_who_was_not_there_at_the_last_complete_one(table, census):
    await census.look()
    table.rows = table.rows | {101: Row(101, 100, 100, 100, 11, "S", 1, "forked meanwhile")}
    await census.look(again=True)
    assert ({100}, {100, 101}) == (set(table.known), set(census.trees["a"].members))
    await census.look()
    assert {} == table.known


async def test_a_look_again_serves_nobody_who_has_asked_for_a_complete_one(table, census):
    await census.look()
    table.rows = {100: table.rows[100]._replace(state="Z")}
    since = time.monotonic()
    await census.look(since, again=True)
    assert {100} == set(census.trees["a"].members)
    await census.look(since)
    assert {} == census.trees["a"].members


async def test_a_complete_look_serves_whoever_asks_for_a_look_again(table, census):
    since = time.monotonic()
    await census.look(since)
    await census.look(since, again=True)
    assert 1 == table.scans


async def test_whoever_asks_during_a_look_gets_a_later_one(table, census):
    table.gate.clear()
    first = asyncio.create_task(census.look())
    await asyncio.sleep(0.02)
    second = asyncio.create_task(census.look())
    await asyncio.sleep(0)
    table.rows = {}
    table.gate.set()
    await asyncio.gather(first, second)
    assert 2 == table.scans
    assert {} == census.trees["a"].members


async def test_a_recent_look_serves_who_is_content_with_it(table, census):
    begun = time.monotonic()
    await census.look()
    await census.look(begun)
    assert 1 == table.scans
    assert {100} == set(census.trees["a"].members)


async def test_a_caller_that_goes_away_takes_the_look_from_nobody(table, census):
    table.gate.clear()
    first = asyncio.create_task(census.look(0))
    second = asyncio.create_task(census.look(0))
    await asyncio.sleep(0.02)
    first.cancel()
    table.gate.set()
    await second
    assert 1 == table.scans


async def test_a_look_that_fails_is_an_error_for_those_who_asked_for_it_only(table, census):
    table.refused = True
    table.gate.clear()
    first = asyncio.create_task(census.look())
    while table.scans == 0:
        await asyncio.sleep(0.001)
    second = asyncio.create_task(census.look())
    await asyncio.sleep(0)
    table.refused = False
    table.gate.set()
    with pytest.raises(OSError, match="Too many"):
        await first
    await second
    assert 2 == table.scans
    assert {100} == set(census.trees["a"].members)


async def test_a_family_forgotten_during_a_look_stays_forgotten(table, census):
    table.gate.clear()
    looking = asyncio.create_task(census.look())
    await asyncio.sleep(0.02)
    del census.trees["a"]
    table.gate.set()
    await looking
    assert {} == census.trees
    assert {} == await census.memory()


async def test_an_environment_is_read_once_for_each_program(table, census):
    table.rows[200] = Row(200, 1, 200, 200, 11, "S", 1, "before-exec")
    await census.look()
    await census.look()
    assert 1 == table.environments
    table.rows[200] = table.rows[200]._replace(name="after-exec")
    await census.look()
    assert 2 == table.environments


async def test_memory_is_summed_over_the_members(table, census):
    table.rows[101] = Row(101, 100, 100, 100, 11, "S", 1, "child")
    assert {} == census.mapped
    assert {"a": 10} == await census.memory()
    assert {"a": 6} == census.mapped


@pytest.mark.parametrize(
    ("reads", "read"),
    [(Reads(), 6), (Reads(50, 0), 100), (Reads(2, 40), 80)],
    ids=["mapped", "asked", "fetched"],
)
async def test_what_is_read_is_summed_over_the_members_and_the_greatest_count_is_it(
    table, census, reads, read
):
    table.rows[101] = Row(101, 100, 100, 100, 11, "S", 1, "child")
    table.read = reads
    await census.look()
    assert read == await census.bytes_read("a")


async def test_of_a_run_that_is_not_known_nobody_can_tell(census):
    assert None is await census.bytes_read("b")


async def test_an_environment_that_can_not_be_known_yet_is_asked_for_again(table, census):
    table.rows |= {
        200: Row(200, 1, 200, 200, 11, "S", 1, "forked off"),
        201: Row(201, 1, 201, 201, 11, "S", 1, "other"),
    }
    table.bears[200] = ""
    table.forked = 7
    assert not await census.look(), "somebody may be one of ours"
    assert ({100}, True) == (set(census.trees["a"].members), table.waited)
    assert not await census.look()
    assert not table.waited, "once is enough"
    table.bears[200] = "a"
    assert await census.look()
    assert {100, 200} == set(census.trees["a"].members)
    await census.look()
    assert 4 == table.environments, "what is known is not asked again"


async def test_who_shows_no_environment_for_a_minute_has_none(table, census, monkeypatch):
    table.rows |= {200: Row(200, 1, 200, 200, 11, "S", 1, "bare")}
    table.bears[200], table.forked = "", 7
    monkeypatch.setattr(scanner, "_LONGEST_EXEC", 0.0)
    assert await census.look()
    assert await census.look()
    assert 1 == table.environments


async def test_a_child_of_ours_may_not_be_itself_yet(table, census):
    """Until its exec it has our name and our environment; where its program has our name, too, nothing tells after."""
    table.rows |= {200: Row(200, os.getpid(), 200, 200, 11, "S", 1, "python")}
    await census.look()
    table.bears[200] = "a"
    await census.look()
    assert {100, 200} == set(census.trees["a"].members)


async def test_whom_a_look_has_found_by_his_parent_is_known_to_the_next_though_that_was_asked_for_meanwhile(
    table, census
):
    """Two ladders at once: while one looks at all, the other asks who has come since its own look."""
    await census.look()
    parent, daemon = (
        Row(102, 100, 102, 102, 11, "S", 1, "parent"),
        Row(101, 102, 101, 101, 12, "S", 1, "daemon"),
    )
    table.rows |= {101: daemon, 102: parent}
    table.gate.clear()
    looking = asyncio.create_task(census.look())
    await asyncio.sleep(0.02)
    again = asyncio.create_task(census.look(again=True))
    await asyncio.sleep(0.02)
    scan = table.scan

    def scan_and_end(known=MappingProxyType({})):
        del table.rows[102]
        return scan(known)

    table.scan = scan_and_end  # the parent ends between the two
    table.gate.set()
    await asyncio.gather(looking, again)
    assert {100, 101} == set(census.trees["a"].members)
