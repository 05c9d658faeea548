"""The weights of the next model are read while the one before it still answers, and no longer."""

import asyncio

import pytest

from tests.runtime.leasing.test_leases import Client, put, text

pytestmark = pytest.mark.looptime

GIB = 2**30


async def drained_for(zoo, host, extra=""):
    """A is answering, and drains for b."""
    await put(zoo, host, text(a="stop: {grace: 60s}", b="", extra=extra))
    answering = Client(zoo, "a")
    await answering.answered()
    await asyncio.sleep(11)
    waiting = Client(zoo, "b")
    await zoo.until("a", "draining", within=30)
    return answering, waiting


async def test_the_next_model_is_read_ahead_once_while_the_one_before_it_drains(host, zoo):
    answering, waiting = await drained_for(zoo, host)
    await asyncio.sleep(20)
    (warming,) = host.warmings
    assert ("b", None) == (warming.model, warming.cancelled)
    answering.lease.release()
    await waiting.answered()
    assert [warming] == host.warmings
    assert warming.cancelled == pytest.approx(host.at("b", "spawn"), abs=0.01)
    told = [e for e in zoo.journal.since(0) if e.type == "Prewarmed"]
    assert ["b"] == [e.model for e in told]


async def test_the_file_can_turn_it_off(host, zoo):
    answering, waiting = await drained_for(zoo, host, extra="gateway: {prewarm: false}")
    answering.lease.release()
    await waiting.answered()
    assert [] == host.warmings


async def test_it_is_given_up_when_nobody_waits_any_more(host, zoo):
    _, waiting = await drained_for(zoo, host)
    waiting.ticket.cancel()
    await asyncio.sleep(1)
    assert host.warmings[0].cancelled is not None
