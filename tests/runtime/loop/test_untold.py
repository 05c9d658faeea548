"""When a turn is told of: in virtual time, over an inbox of its own."""

import asyncio

import pytest

from zoosup.runtime.clock import Clock
from zoosup.runtime.loop.untold import LONGEST, UNDER_WAY, Untold
from zoosup.runtime.state.inbox import Inbox, ShutdownAsked

pytestmark = pytest.mark.looptime

NEWS = ShutdownAsked(None)


@pytest.fixture
def clock():
    return Clock(now=lambda: asyncio.get_running_loop().time(), wall=lambda: 0.0, boot="boot")


@pytest.fixture
def inbox(clock):
    return Inbox(clock.now)


@pytest.fixture
def untold(inbox, clock):
    return Untold(inbox, clock)


def after(seconds):
    return asyncio.get_running_loop().time() + seconds


async def test_what_has_begun_gets_under_way_before_it_is_told(untold, looptime):
    assert not await untold.is_overtaken(None)
    assert looptime == pytest.approx(UNDER_WAY)


async def test_news_meanwhile_is_told_with_it(untold, inbox, looptime):
    asyncio.get_running_loop().call_later(UNDER_WAY / 2, inbox.post, NEWS)
    assert await untold.is_overtaken(None)
    assert looptime == pytest.approx(UNDER_WAY / 2)
    assert await inbox.wait(60)  # it still wakes whoever waits for it
    assert looptime == pytest.approx(UNDER_WAY / 2)


async def test_a_turn_that_is_due_by_then_waits_for_nothing_more(untold, looptime):
    assert await untold.is_overtaken(after(UNDER_WAY / 2))
    assert looptime == pytest.approx(UNDER_WAY / 2)
    assert await untold.is_overtaken(after(-1))
    assert not await untold.is_overtaken(after(60))


async def test_turn_upon_turn_is_told_of_all_the_same(untold, inbox, looptime):
    untold.told()
    inbox.post(NEWS)
    assert await untold.is_overtaken(None)
    await asyncio.sleep(LONGEST)
    assert not await untold.is_overtaken(None)
    assert looptime == pytest.approx(LONGEST)
    untold.told()
    assert await untold.is_overtaken(None)
