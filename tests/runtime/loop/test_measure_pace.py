import asyncio

import pytest

from tests.runtime.conftest import GIB
from zoosup.core.estimation.learned import HEALTHY
from zoosup.runtime.loop.measure_pace import AWAITED, LOADING, SETTLED

pytestmark = pytest.mark.looptime
BUDGET = "budget: {ram: 28GiB}"


async def unloaded(host, zoo, file):
    """The process of a, which has just given back all of its 9 GiB, as servers do that unload what is idle."""
    host.foreign = 12 * GIB
    host.behave("a", holds=9 * GIB)
    host.save(file({"a": "9GiB"}, "a", BUDGET))
    await zoo.until("a", "ready")
    await asyncio.sleep(HEALTHY + 2 * SETTLED)
    (process,) = host.living.values()
    process.holding = 0
    return process


async def test_what_one_has_given_back_and_may_take_again_is_no_room_for_another(host, zoo, file):
    process = await unloaded(host, zoo, file)
    host.save(file({"a": "9GiB", "b": "9GiB"}, "[a, b]", BUDGET))
    await zoo.until("b", "pending")
    await asyncio.sleep(30)
    assert ("ready", "WaitingForMemory") == (zoo.phase("a"), zoo.reason("b"))
    assert "spawn" not in host.events("b")
    process.holding = 9 * GIB
    host.foreign = 2 * GIB
    await zoo.until("b", "ready")


async def test_who_waits_to_know_it_has_it_at_once(host, zoo, file):
    """Strangers have given it back: one look more is all that it costs."""
    process = await unloaded(host, zoo, file)
    process.holding = 9 * GIB
    host.foreign = 2 * GIB
    host.save(file({"a": "9GiB", "b": "9GiB"}, "[a, b]", BUDGET))
    began = asyncio.get_running_loop().time()
    await zoo.until("b", "starting")
    assert asyncio.get_running_loop().time() - began < 3 * AWAITED


async def test_nobody_waits_for_what_can_not_be_seen(host, zoo, file, monkeypatch):
    await unloaded(host, zoo, file)

    async def usage():
        raise OSError("the kernel doesn't say")

    monkeypatch.setattr(host, "usage", usage)
    host.save(file({"a": "9GiB", "b": "9GiB"}, "[a, b]", BUDGET))
    await zoo.until("b", "ready")


async def test_after_a_rest_what_the_next_one_loads_is_looked_at_each_second(host, zoo, file):
    host.save(file({"a": "1GiB"}, "a", BUDGET))
    await zoo.until("a", "ready")
    await asyncio.sleep(HEALTHY + 2 * SETTLED)
    host.behave("b", load=60.0)
    host.save(file({"a": "1GiB", "b": "2GiB"}, "[a, b]", BUDGET))
    await zoo.until("b", "starting")
    await asyncio.sleep(0.1)
    next(each for each in host.living.values() if each.model == "b").holding = GIB
    await asyncio.sleep(2 * LOADING)
    assert GIB == zoo.publisher.snapshot["models"]["b"]["memory"]["ram"]["held"]
