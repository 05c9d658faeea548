"""A gateway that closes: answers end, who says nothing holds nothing up, and no model is asked twice."""

import asyncio
import time

import pytest

from tests.web.gateway.conftest import CHAT, STREAM, GatewayHarness, post, until
from tests.web.gateway.hosts import Host, Hosts
from zoosup.web.gateway import server

SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"


@pytest.fixture
async def hosts(models, limits):
    made = Hosts(models, limits)
    yield made
    await made.stop()


def closing(harness: GatewayHarness, grace: float = 30.0) -> "asyncio.Task[None]":
    return asyncio.create_task(harness.gateway.stop(grace))


class Held:
    """A server that begins a stream, and ends it when it is let."""

    def __init__(self) -> None:
        self.may_end = asyncio.Event()

    async def __call__(self, asked, reader, writer):
        writer.write(SSE + b"8\r\ndata: a\n\r\n")
        await self.may_end.wait()
        writer.write(b"8\r\ndata: b\n\r\n0\r\n\r\n")


async def test_a_stream_comes_to_its_end_and_its_kept_connection_holds_nothing_up(harness: GatewayHarness):
    harness.backend.script = held = Held()
    wire = await harness.wire()
    wire.send(post(STREAM))
    await wire.until(b"data: a\n")
    ending = closing(harness)
    await asyncio.sleep(0.1)
    assert not ending.done()
    held.may_end.set()
    await wire.until(b"data: b\n\r\n0\r\n\r\n")
    async with asyncio.timeout(3):
        assert b"" == await wire.rest()
        await ending


async def test_a_second_call_ends_the_first(harness: GatewayHarness):
    harness.backend.script = Held()
    wire = await harness.wire()
    wire.send(post(STREAM))
    await wire.until(b"data: a\n")
    ending = closing(harness)
    await asyncio.sleep(0.1)
    await harness.gateway.stop(0.0)
    assert b"shutting_down" in await wire.rest()
    async with asyncio.timeout(1):
        await ending


async def test_another_protocol_that_may_never_end_is_not_waited_for_as_long(
    harness: GatewayHarness, monkeypatch
):
    monkeypatch.setattr(server, "_TUNNELS", 0.2)
    harness.script(SWITCHED)
    wire = await harness.wire()
    wire.send(
        b"GET /upstream/qwen/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
    )
    await wire.until(b"\r\n\r\n")
    began = time.monotonic()
    async with asyncio.timeout(5):
        await closing(harness)
    assert time.monotonic() - began >= 0.2
    assert b"" == await wire.rest()


async def _kept(a: Host) -> None:
    """One request over a, which leaves a connection between the two gateways."""
    assert 200 == (await a.ask(post()))[0]


async def test_a_gateway_is_told_of_a_kept_connection_that_nothing_was_read_from_it(hosts: Hosts):
    """It may be just sending a request, and nothing else could tell it that no model was asked."""
    a, b = await hosts.pair()
    c = await hosts.start("c", "qwen")
    await _kept(a)
    (theirs,) = b.gateway._context.connections.clients
    # What is written in the same moment crosses the farewell on its way.
    a.routing.hosts["qwen"] = ["b", "c"]
    wire = await a.wire()
    await b.gateway.rebind(None)
    theirs.dismiss()
    wire.send(post())
    assert 200 == (await wire.answer())[0]
    assert (1, 1) == (len(b.backend.asked), len(c.backend.asked))


async def test_a_host_that_listens_still_is_asked_over_a_new_connection(hosts: Hosts):
    """As where its zoosup is executed anew: it is the only one, and nothing is wrong with it."""
    a, b = await hosts.pair()
    await _kept(a)
    (theirs,) = b.gateway._context.connections.clients
    wire = await a.wire()
    theirs.dismiss()
    wire.send(post())
    assert 200 == (await wire.answer())[0]
    assert 2 == len(b.backend.asked)


async def test_what_a_model_was_asked_before_its_gateway_ended_is_asked_of_no_other(hosts: Hosts):
    a, b = await hosts.pair()
    c = await hosts.start("c", "qwen")
    a.routing.hosts["qwen"] = ["b", "c"]

    async def silent(asked, reader, writer):
        await reader.read()

    b.script(silent)
    wire = await a.wire()
    wire.send(post())
    await until(lambda: b.backend.asked)
    await b.gateway.stop(0.0)
    status, _, body = await wire.answer()
    assert (503, True) == (status, b"shutting_down" in body)
    assert [] == c.backend.asked


async def test_what_no_model_was_asked_is_asked_of_the_next_host_when_the_gateway_ends(hosts: Hosts):
    a, b = await hosts.start("a"), await hosts.start("b")
    c = await hosts.start("c", "qwen")
    b.leasing.queued.add("qwen")
    a.routing.hosts["qwen"] = ["b", "c"]
    wire = await a.wire()
    wire.send(post())
    await until(lambda: b.leasing.queue)
    await b.gateway.stop(0.0)
    assert 200 == (await wire.answer())[0]
    assert CHAT == c.backend.asked[0].body
