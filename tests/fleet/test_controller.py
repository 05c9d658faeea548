"""The controller as something that is waited for: whose poll is answered when, in virtual time."""

import asyncio
import contextlib

import pytest

from tests.core.fleet.worlds import model, need, report, running, spec
from zoosup.fleet.controller import TICK, ControllerServer

pytestmark = pytest.mark.looptime

WITHIN = 2.0
NEWS = 0.6  # between two ticks
AT_ONCE = pytest.approx(NEWS)

LOST_AFTER = 10.0
FILE = spec(model("m"), lost_after=LOST_AFTER)


class Link:
    """What one host says, and when it has heard what."""

    def __init__(self, server, node):
        self.server, self.node, self.version, self.sequence = server, node, 0, 0
        self.now = asyncio.get_running_loop().time

    def says(self, **changes):
        self.sequence += 1
        found = report(
            self.node, 8, needs={"m": need(2)}, spec=FILE, known=("a", "b"), life="1", sequence=self.sequence
        )
        return running(found, "m") if changes.get("runs") else found

    async def poll(self, within=WITHIN, **changes):
        """How long the answer took."""
        began = self.now()
        answer = await self.server.poll(self.says(**changes), self.version, within)
        self.version = answer.version
        return self.now() - began


@contextlib.asynccontextmanager
async def links():
    """Of two hosts that have nothing to tell each other any more. No fixture: in one no virtual time passes."""
    server = ControllerServer(asyncio.get_running_loop().time)
    ticking = asyncio.create_task(server.run())
    a, b = Link(server, "a"), Link(server, "b")
    for _ in range(3):
        await asyncio.gather(a.poll(), b.poll())
    yield a, b
    ticking.cancel()


async def test_a_poll_ends_by_itself_where_there_is_no_news():
    async with links() as (a, b):
        assert [pytest.approx(WITHIN)] * 2 == await asyncio.gather(a.poll(), b.poll())


async def test_all_that_wait_are_answered_at_once_when_a_host_has_news():
    async with links() as (a, b):
        waiting = [asyncio.create_task(a.poll()), asyncio.create_task(b.poll())]
        await asyncio.sleep(NEWS)
        await b.poll(0.0, runs=True)
        assert [AT_ONCE, AT_ONCE] == await asyncio.gather(*waiting)


async def test_they_are_when_a_person_has_spoken():
    async with links() as (a, _):
        waiting = asyncio.create_task(a.poll())
        await asyncio.sleep(NEWS)
        a.server.drain("b", on=True)
        assert AT_ONCE == await waiting


async def test_they_are_when_a_lease_is_over_which_nobody_but_the_clock_says():
    async with links() as (a, _):
        assert LOST_AFTER == pytest.approx(await a.poll(2 * LOST_AFTER), abs=WITHIN + TICK)


async def test_who_has_missed_some_is_not_kept_waiting():
    async with links() as (a, b):
        await b.poll(0.0, runs=True)
        assert 0.0 == await a.poll()
