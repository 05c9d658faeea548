"""Nobody is sent more than they take: not a client, not a model; and what is kept back is kept back in small."""

import asyncio

import pytest

from tests.web.gateway.conftest import GatewayHarness, named, until
from zoosup.core.state.refusal import Code, Refusal
from zoosup.web.gateway.context.limits import Limits

PIECE = b"x" * 65536


BOUND = 1024 * 1024


def _held(harness: GatewayHarness) -> int:
    """Bytes that wait in the gateway to be taken."""
    clients, pools = harness.gateway._context.connections.clients, harness.gateway._pools
    transports = [client.transport for client in clients]
    transports += [upstream.transport for pool in pools.by_run.values() for upstream in pool._all]
    unread = sum(len(client._data) for client in clients)
    parts = sum(
        len(part) for client in clients if client.sink is not None for part in client.sink._request.parts
    )
    return unread + parts + sum(transport.get_write_buffer_size() for transport in transports)


async def test_a_slow_client_slows_the_model(harness: GatewayHarness):
    total, sent = 64 * 2**20, 0

    async def script(asked, reader, writer):
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        while sent < total:
            writer.write(PIECE)
            await writer.drain()
            sent += len(PIECE)

    harness.script(script)
    wire = await harness.wire()
    wire.writer.transport.pause_reading()
    wire.send(b"GET /upstream/qwen/big HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await until(lambda: sent > 0)
    stuck = -1
    while stuck != sent:
        stuck = sent
        await asyncio.sleep(0.1)
    assert sent < total / 2
    assert 0 < _held(harness) < BOUND
    wire.writer.transport.resume_reading()
    await wire.until(b"\r\n\r\n")
    left = total
    while left:
        left -= len(await wire.reader.read(2**20))
        assert _held(harness) < BOUND
    assert sent == total


async def test_a_slow_model_slows_its_client(harness: GatewayHarness):
    go = asyncio.Event()
    total, taken = 64 * 2**20, 0

    async def script(asked, reader, writer):
        nonlocal taken
        await go.wait()
        while taken < total:
            taken += len(await reader.read(2**20))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    harness.backend.read_bodies = False
    harness.script(script)
    wire = await harness.wire()
    sent = 0

    async def send() -> None:
        nonlocal sent
        wire.send(b"PUT /upstream/qwen/big HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % total)
        while sent < total:
            wire.send(PIECE)
            await wire.writer.drain()
            sent += len(PIECE)

    sending = asyncio.ensure_future(send())
    await until(lambda: harness.backend.asked)
    stuck = -1
    while stuck != sent:
        stuck = sent
        await asyncio.sleep(0.1)
    assert sent < total / 2
    assert 0 < _held(harness) < BOUND
    go.set()
    assert (await wire.answer())[0] == 200
    await sending
    assert taken == total


async def test_an_upload_waits_for_its_model_in_small(harness: GatewayHarness):
    wire = await harness.wire()
    total, sent = 32 * 2**20, 0

    async def send() -> None:
        nonlocal sent
        wire.send(
            b"PUT /upstream/absent/big HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % total
        )
        while sent < total:
            wire.send(PIECE)
            await wire.writer.drain()
            sent += len(PIECE)

    sending = asyncio.ensure_future(send())
    await until(lambda: harness.leasing.queue)
    stuck = -1
    while stuck != sent:
        stuck = sent
        await asyncio.sleep(0.1)
    assert sent < total / 2
    assert 0 < _held(harness) < BOUND
    harness.leasing.arrive("absent", harness.backend.port)
    assert (await wire.answer())[0] == 200
    await sending
    assert len(harness.backend.asked[0].body) == total


async def test_an_answer_before_the_end_of_an_upload_reaches_its_client(harness: GatewayHarness):
    harness.backend.read_bodies = False
    harness.script(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno")
    wire = await harness.wire()
    wire.send(
        b"PUT /upstream/qwen/big HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\n\r\n" + PIECE
    )
    status, headers, body = await wire.answer()
    assert (status, headers["connection"], body) == (403, "close", b"no")
    assert await wire.rest() == b""


@pytest.mark.parametrize("limits", [Limits(tick=0.01, stall=0.2)])
async def test_a_client_that_takes_no_answer_is_given_up(harness: GatewayHarness):
    async def script(asked, reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % 2**30)
        while not writer.is_closing():
            writer.write(PIECE)
            await writer.drain()

    harness.script(script)
    wire = await harness.wire()
    wire.writer.transport.pause_reading()
    wire.send(b"GET /upstream/qwen/big HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await until(lambda: harness.leasing.out)
    await until(lambda: not harness.leasing.out)


class TestTunnels:
    UPGRADE = (
        b"GET /upstream/qwen/ws?x=1 HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Key: abc\r\n\r\n"
    )
    SWITCHED = (
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX: y\r\n\r\n"
    )

    async def _echo(self, asked, reader, writer):
        writer.write(self.SWITCHED + b"hello")
        while data := await reader.read(65536):
            writer.write(data.upper())
            await writer.drain()
        writer.close()

    async def test_both_directions_pass_raw_and_the_lease_stays(self, harness: GatewayHarness):
        harness.script(self._echo)
        wire = await harness.wire()
        wire.send(self.UPGRADE + b"early")
        told = named(self.SWITCHED) + b"helloEARLY"
        assert await wire.exactly(len(told)) == told
        assert harness.backend.asked[0].headers["upgrade"] == "websocket"
        assert harness.backend.asked[0].line == b"GET /ws?x=1 HTTP/1.1"
        wire.send(b"GET / HTTP/1.1\r\n\r\n")
        assert await wire.exactly(18) == b"GET / HTTP/1.1\r\n\r\n"
        wire.send(b"a" * 1_000_000)
        assert await wire.exactly(1_000_000) == b"A" * 1_000_000
        assert len(harness.leasing.out) == 1
        wire.writer.close()
        await until(lambda: not harness.leasing.out)
        await until(lambda: harness.backend.hung_up == 1)

    async def test_the_models_end_is_the_clients(self, harness: GatewayHarness):
        async def script(asked, reader, writer):
            writer.write(self.SWITCHED + b"bye")
            writer.close()

        harness.script(script)
        assert await harness.told(self.UPGRADE) == named(self.SWITCHED) + b"bye"
        await until(lambda: not harness.leasing.out)

    async def test_a_cut_ends_it(self, harness: GatewayHarness):
        harness.script(self._echo)
        wire = await harness.wire()
        wire.send(self.UPGRADE)
        await wire.until(b"hello")
        harness.leasing.out[0].holder.cut(Refusal(Code.MODEL_EVICTED, "its time is over"))
        assert await wire.rest() == b""
        assert harness.leasing.out == []

    async def test_a_model_that_refuses_answers_as_ever(self, harness: GatewayHarness):
        wire = await harness.wire()
        wire.send(self.UPGRADE + b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await wire.answer())[2] == b"{}"
        assert (await wire.answer())[2] == b'{"status":"ok"}'
