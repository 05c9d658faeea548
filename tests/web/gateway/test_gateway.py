"""The gateway as a whole: where it listens, how it changes and how it ends."""

import asyncio
import socket

import pytest

from tests.web.gateway.conftest import CHAT, OK, STREAM, GatewayHarness, post, until
from tests.web.gateway.fake_leasing import FakeLeasing
from tests.web.gateway.test_ending import SSE
from zoosup.errors import ZoosupError
from zoosup.spec.model.gateway import GatewaySpec as Settings
from zoosup.web.gateway.context.limits import Limits
from zoosup.web.gateway.server import Gateway


async def test_it_moves_and_those_who_are_there_stay(harness: GatewayHarness):
    wire = await harness.wire()
    before = harness.gateway.address
    await harness.gateway.rebind("127.0.0.1:0" if before is None else "localhost:0")
    assert harness.gateway.address != before
    wire.send(post())
    assert (await wire.answer())[0] == 200
    assert (await harness.ask(post()))[0] == 200


async def test_an_address_that_is_taken_leaves_it_where_it_is_by_the_new_rules(harness: GatewayHarness):
    before = harness.gateway.address
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ZoosupError, match=r"gateway\.listen"):
            await harness.gateway.configure(Settings(listen=listen), ("key",))
    assert harness.gateway.address == before
    assert (await harness.ask(post()))[0] == 401
    assert (await harness.ask(post(CHAT, "/v1/chat/completions", "x-api-key: key")))[0] == 200


async def test_it_can_be_switched_off_and_on(harness: GatewayHarness):
    await harness.gateway.configure(None, ())
    assert harness.gateway.address is None
    await harness.gateway.configure(Settings(listen="127.0.0.1:0"), ())
    assert (await harness.ask(post()))[0] == 200


class TestNobodyThere:
    @pytest.fixture
    def limits(self):
        return Limits(tick=0.01, kept=0.02)

    async def test_who_is_not_among_its_clients_yet_when_the_last_tick_comes_has_his_time(
        self, harness: GatewayHarness
    ):
        """As on uvloop, whose loop runs what is due before it makes a connection."""
        gateway = harness.gateway
        gateway._accepted()
        gateway._in_use = False  # as after a tick that has found nobody
        gateway._accepted()
        gateway._ticking.cancel()
        gateway._tick()
        assert gateway._ticking is not None

    async def test_at_its_end_the_last_spans_are_sent_though_nobody_was_there(self):
        class Spans:
            closed = 0

            async def close(self):
                self.closed += 1

        spans = Spans()
        gateway = Gateway(FakeLeasing({}), tracing=spans)
        await gateway.start()
        await gateway.configure(None, ())
        for _ in range(2):
            await gateway.stop(0.0)
        assert 1 == spans.closed

    async def test_it_takes_no_time_but_while_somebody_is_connected(
        self, harness: GatewayHarness, monkeypatch
    ):
        ticks = []
        monkeypatch.setattr(harness.gateway._pools, "tick", ticks.append)
        await asyncio.sleep(0.1)
        assert not ticks
        wire = await harness.wire()
        await until(lambda: len(ticks) > 5)
        wire.writer.close()
        await until(lambda: not harness.gateway._context.connections.clients)
        await asyncio.sleep(0.05)
        seen = len(ticks)
        await asyncio.sleep(0.1)
        assert seen == len(ticks)


async def test_at_its_end_answers_under_way_are_finished(harness: GatewayHarness):
    go = asyncio.Event()

    async def script(asked, reader, writer):
        await go.wait()
        writer.write(OK)

    harness.script(script)
    idle, busy = await harness.wire(), await harness.wire()
    busy.send(post())
    await until(lambda: harness.backend.asked)
    stopping = asyncio.ensure_future(harness.gateway.stop(5.0))
    assert await idle.rest() == b""
    go.set()
    status, headers, _ = await busy.answer()
    assert (status, headers["connection"]) == (200, "close")
    await asyncio.wait_for(stopping, 2)


async def test_at_its_end_those_who_wait_too_long_are_told(harness: GatewayHarness):
    async def script(asked, reader, writer):
        writer.write(SSE)
        await reader.read()

    harness.script(script)
    waiting, streaming = await harness.wire(), await harness.wire()
    waiting.send(post(b'{"model": "absent"}'))
    streaming.send(post(STREAM))
    await streaming.until(b"\r\n\r\n")
    await harness.gateway.stop(0.05)
    assert (await waiting.answer())[0] == 503
    assert b"shutting down" in await streaming.rest()
    assert harness.leasing.queue == []


@pytest.mark.parametrize("limits", [Limits(tick=0.01, kept=0.1)])
async def test_unused_connections_to_models_are_closed_in_time(harness: GatewayHarness):
    wire = await harness.wire()
    wire.send(post())
    await wire.answer()
    await until(lambda: harness.backend.hung_up == 1)
    assert harness.gateway._pools.by_run == {}


async def test_what_it_counts(harness: GatewayHarness):
    wire = await harness.wire()
    for request in (post(), post(b'{"model": "nobody"}'), b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"):
        wire.send(request)
        await wire.answer()
    counters = harness.gateway.counters
    assert counters.requests == {("qwen", "", 200): 1, ("", "", 404): 1, ("", "", 200): 1}
    assert (counters.connections, counters.connections_total) == (1, 1)
    assert counters.received > len(post())
    assert counters.sent == len(OK)
