"""What a start needs brought: one try at a time, given up where nobody asks for it again."""

import asyncio
import math

import pytest

from zoosup.host.fetching.errands import FIRST_PAUSE, ErrandError, Errands

pytestmark = pytest.mark.looptime


class Work:
    """Brings it when it is let; `ended` has how each try ended."""

    def __init__(self, fails=""):
        self.goes_on, self.ended, self.fails = asyncio.Event(), [], fails

    async def __call__(self, tell):
        tell("1 of 2")
        try:
            await self.goes_on.wait()
        except asyncio.CancelledError:
            self.ended.append("given up")
            raise
        self.ended.append(self.fails or "brought")
        if self.fails:
            raise ErrandError(self.fails)


async def test_it_is_begun_once_and_says_how_far_it_is():
    errands, work = Errands(), Work()
    assert "fetching x: beginning" == errands.ask("x", "fetching x", work)
    await asyncio.sleep(0)
    assert "fetching x: 1 of 2" == errands.ask("x", "fetching x", work)
    work.goes_on.set()
    await asyncio.sleep(0.1)
    assert (["brought"], False) == (work.ended, errands.is_under_way("x"))
    await errands.close()


async def test_one_that_nobody_asks_for_again_is_given_up_and_may_begin_anew():
    errands, work = Errands(unasked=15.0), Work()
    for _ in range(10):
        errands.ask("x", "fetching x", work)
        await asyncio.sleep(2.0)
    assert errands.is_under_way("x")
    await asyncio.sleep(14.0)
    assert ["given up"] == work.ended
    assert "fetching x: beginning" == errands.ask("x", "fetching x", work)
    await errands.close()


async def test_a_failure_is_told_until_its_pause_is_over():
    loop = asyncio.get_running_loop()
    errands, work = Errands(now=loop.time), Work(fails="no such thing")
    work.goes_on.set()
    errands.ask("x", "fetching x", work)
    await asyncio.sleep(1.0)
    assert "fetching x failed, again in 9 s: no such thing" == errands.ask("x", "fetching x", work)
    await asyncio.sleep(FIRST_PAUSE)
    assert "fetching x: beginning" == errands.ask("x", "fetching x", work)
    await errands.close()


async def test_what_nobody_has_foreseen_is_a_failure_too_and_not_tried_in_haste():
    loop = asyncio.get_running_loop()
    errands = Errands(now=loop.time)

    async def work(_tell):
        raise RuntimeError

    errands.ask("x", "fetching x", work)
    await asyncio.sleep(1.0)
    assert "fetching x failed, again in 9 s: RuntimeError" == errands.ask("x", "fetching x", work)
    await errands.close()


async def test_what_is_under_way_is_given_up_in_the_end():
    errands, work, other = Errands(), Work(), Work()
    errands.ask("x", "fetching x", work)
    errands.ask("y", "fetching y", other)
    await asyncio.sleep(0)
    await errands.close()
    assert (["given up"], ["given up"]) == (work.ended, other.ended)


async def test_pauses_grow_to_five_minutes_and_are_short_again_after_it_was_had():
    loop = asyncio.get_running_loop()
    errands, work = Errands(now=loop.time), Work(fails="no")
    work.goes_on.set()
    pauses = []
    for fails in ["no"] * 7 + ["", "no"]:
        work.fails = fails
        assert "fetching x: beginning" == errands.ask("x", "fetching x", work)
        await asyncio.sleep(0.001)
        said = errands.ask("x", "fetching x", work) if fails else "again in 0 s"
        pauses.append(int(said.partition("again in ")[2].partition(" s")[0]))
        await asyncio.sleep(pauses[-1])
    assert [10, 20, 40, 80, 160, 300, 300, 0, 10] == pauses
    await errands.close()


async def test_how_long_ago_it_was_had_is_known():
    loop = asyncio.get_running_loop()
    errands, work = Errands(now=loop.time), Work()
    assert math.inf == errands.since_done("x")
    errands.ask("x", "fetching x", work)
    assert math.inf == errands.since_done("x")
    work.goes_on.set()
    await asyncio.sleep(7.0)
    assert 7.0 == pytest.approx(errands.since_done("x"), abs=0.1)
    await errands.close()


async def test_without_a_limit_it_goes_on_though_nobody_asks():
    errands, work = Errands(), Work()
    errands.ask("x", "fetching x", work)
    await asyncio.sleep(3600.0)
    assert errands.is_under_way("x")
    await errands.close()
