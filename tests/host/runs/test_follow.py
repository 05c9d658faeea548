"""What goes on beside a container, in virtual time: for how long, how often, and that it ends."""

import asyncio
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from zoosup.host.container.engine import ContainerState, EngineUnreachableError
from zoosup.host.ports.launch import Launch
from zoosup.host.runs.follow import Following
from zoosup.host.runs.tie import Tie

pytestmark = pytest.mark.looptime

AWAY = EngineUnreachableError("no answer")


def state(pid=None, *, running=True):
    return ContainerState("c1", "zoo", "r1", pid, running, None, False, "", "", "")


class Told:
    """An engine, the files and the processes at once: `answers` are its next ones, the last for ever."""

    def __init__(self, *answers, ids=("c1",)):
        self.answers, self.ids = list(answers), list(ids)
        self.asked, self.read, self.contained, self.waits, self.ended = [], [], [], 0, []

    def _next(self, left):
        return left.pop(0) if len(left) > 1 else left[0]

    async def inspect(self, container_id):
        assert "c1" == container_id
        self.asked.append(asyncio.get_running_loop().time())
        answer = self._next(self.answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def wait(self, _):
        self.waits += 1
        await asyncio.sleep(5)

    def written_id(self, _):
        self.read.append(asyncio.get_running_loop().time())
        return self._next(self.ids)

    def contain(self, run_id, ids, pid=None):
        self.contained.append((run_id, set(ids), pid))


@pytest.fixture
def follow():
    def begin(told, **changes):
        launch = Launch("r1", "m", (), {}, None, Path("/dev/null"))
        tie = Tie(launch, told, **({"led_by_client": True} | changes))
        following = Following(told, SimpleNamespace(written_id=told.written_id), told.ended.append)
        return following, tie

    return begin


async def test_the_id_is_waited_for_and_then_its_init(follow):
    told = Told(AWAY, state(), state(7), ids=["", "", "c1"])
    following, tie = follow(told)
    following.learn_id(tie, Path("cid"))
    await following.known([tie], 60)
    assert "c1" == tie.container_id
    assert [("r1", {"c1"}, None), ("r1", {"c1"}, 7)] == told.contained
    assert (3, 3) == (len(told.read), len(told.asked))


async def test_it_is_asked_for_ever_more_seldom_up_to_once_a_second(follow):
    told = Told(state(), ids=[""])
    following, tie = follow(told)
    following.learn_id(tie, Path("cid"))
    await asyncio.sleep(60)
    pauses = [later - earlier for earlier, later in pairwise(told.read)]
    assert 0.02 == pytest.approx(pauses[0])
    assert pauses == pytest.approx(sorted(pauses))
    assert 1.0 == pytest.approx(pauses[-1])
    told.ids = ["c1"]
    await asyncio.sleep(60)
    pauses = [later - earlier for earlier, later in pairwise(told.asked)]
    assert (0.02, 1.0) == (pytest.approx(pauses[0]), pytest.approx(pauses[-1]))
    await following.stop(tie)
    assert [] == tie.tasks
    count = len(told.asked)
    await asyncio.sleep(10)
    assert count == len(told.asked)


async def test_one_that_has_ended_is_asked_no_more(follow):
    told = Told(state(), ids=[""])
    following, tie = follow(told)
    following.learn_id(tie, Path("cid"))
    await asyncio.sleep(1)
    tie.exit = object()
    await asyncio.sleep(2)
    assert all(task.done() for task in tie.tasks)
    assert [] == told.asked


async def test_a_wait_for_what_is_known_has_its_bound_and_asks_nothing_of_who_has_no_client(follow):
    told = Told(state(), ids=[""])
    following, tie = follow(told)
    following.learn_id(tie, Path("cid"))
    began = asyncio.get_running_loop().time()
    await following.known([tie], 3)
    assert 3 == pytest.approx(asyncio.get_running_loop().time() - began)
    tie.led_by_client = False
    await following.known([tie], 3)
    assert 3 == pytest.approx(asyncio.get_running_loop().time() - began)
    await following.stop(tie)


async def test_the_end_is_told_once_by_an_engine_that_was_away_meanwhile(follow):
    told = Told(state(7), AWAY, state(7), state(7, running=False))
    following, tie = follow(told, led_by_client=False, container_id="c1", apart=True)
    following.await_end(tie, told)
    await asyncio.sleep(60)
    assert ([tie], 2) == (told.ended, told.waits)
    assert [0, 5, 7, 12] == [round(at - told.asked[0], 3) for at in told.asked]


@pytest.mark.parametrize("last", [None, state(running=False)])
async def test_one_that_is_gone_has_ended_too(follow, last):
    told = Told(last)
    following, tie = follow(told, led_by_client=False, container_id="c1")
    following.await_end(tie, told)
    await asyncio.sleep(1)
    assert [tie] == told.ended


async def test_what_still_goes_on_when_its_time_is_over_is_ended(follow):
    following, tie = follow(Told(state(7)), led_by_client=False, container_id="c1")
    hangs = asyncio.create_task(asyncio.sleep(3600))
    tie.tasks.append(hangs)
    began = asyncio.get_running_loop().time()
    await following.settle(tie, 2.0)
    assert 2 == pytest.approx(asyncio.get_running_loop().time() - began)
    assert (True, []) == (hangs.cancelled(), tie.tasks)
