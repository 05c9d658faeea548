"""The files of the next model are looked at again while the one before it ends, so that nothing waits for that then."""

import asyncio

import pytest

from tests.runtime.leasing.test_leases import Client, put, text

pytestmark = pytest.mark.looptime

LOOK = 0.8


async def switched(zoo, host, stops_in):
    """Seconds from a's end to b's spawn; a answers somebody for 40 s, and takes its time to end."""
    host.look_takes = LOOK
    host.behave("a", stop=stops_in)
    await put(zoo, host, text(a="stop: {grace: 60s}", b=""))
    answering = Client(zoo, "a")
    await answering.answered()
    await asyncio.sleep(11)
    waiting = Client(zoo, "b")
    await zoo.until("a", "draining", within=30)
    host.looks.clear()
    await asyncio.sleep(40)
    assert [] == host.looks, "while it drains nobody knows for how long"
    answering.lease.release()
    await waiting.answered()
    waiting.lease.release()
    return host.at("b", "spawn") - host.at("a", "gone")


@pytest.mark.parametrize("stops_in", [1.0, 3.5, 9.0])
async def test_nothing_waits_for_the_look_then(host, zoo, stops_in):
    assert await switched(zoo, host, stops_in) < 0.1
    assert 1 + stops_in >= len(host.looks)


async def test_files_that_are_gone_by_then_are_found_missing(host, zoo):
    host.behave("a", stop=5.0)
    await put(zoo, host, text(a="stop: {grace: 60s}", b=""))
    answering = Client(zoo, "a")
    await answering.answered()
    await asyncio.sleep(11)
    waiting = Client(zoo, "b")
    await zoo.until("a", "draining", within=30)
    await asyncio.sleep(10)
    host.files_missing.add("b")
    answering.lease.release()
    assert "model_failed" == await waiting.answered()
    assert "stopping" == zoo.phase("a"), "and nobody waits for that"
