"""`gateway.request_timeout`: an answer that takes too long ends, so that its client sees it."""

import asyncio
import json

import pytest

from tests.web.gateway.conftest import CHAT, STREAM, GatewayHarness, post, until

LIMIT = 0.15  # seconds
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def settings():
    return {"request_timeout": LIMIT}


def script(begin, *, end=False):
    async def answer(asked, reader, writer):
        writer.write(begin)
        if not end:
            await reader.read()

    return answer


async def test_before_the_head_it_is_a_504_that_is_not_tried_again(harness: GatewayHarness):
    harness.script(script(b""))
    status, headers, body = await harness.ask(post())
    assert (504, "false") == (status, headers["x-should-retry"])
    error = json.loads(body)["error"]
    assert "request_timeout" == error["code"]
    assert "qwen: the answer took longer than gateway.request_timeout, 0.15 s" == error["message"]
    await until(lambda: harness.backend.hung_up == 1)


async def test_in_a_stream_it_is_an_event_and_no_clean_end(harness: GatewayHarness):
    harness.script(script(EVENTS + b"9\r\ndata: 1\n\n\r\n"))
    told = await harness.told(post(STREAM))
    assert b'"code":"request_timeout"' in told
    assert not told.endswith(b"0\r\n\r\n")


async def test_a_body_that_is_no_stream_breaks_off(harness: GatewayHarness):
    harness.script(script(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1"))
    with pytest.raises(ConnectionResetError):
        await harness.told(post(CHAT))


async def test_what_is_answered_in_time_is_not_touched_and_a_wait_is_no_answer(harness: GatewayHarness):
    waiting = await harness.wire()
    waiting.send(post(b'{"model": "absent"}'))
    await until(lambda: harness.leasing.queue)
    for _ in range(30):
        assert 200 == (await harness.ask(post()))[0]
    assert harness.leasing.queue
    await waiting.hang_up()
    await until(lambda: not harness.leasing.queue)


async def test_another_protocol_is_spoken_for_as_long_as_it_takes(harness: GatewayHarness):
    async def switch(asked, reader, writer):
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
        await asyncio.sleep(3 * LIMIT)
        writer.write(b"late")

    harness.script(switch)
    wire = await harness.wire()
    lines = b"Host: localhost\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
    wire.send(b"GET /upstream/qwen/ws HTTP/1.1\r\n" + lines)
    assert (await wire.until(b"late")).endswith(b"late")
    await wire.hang_up()


class TestWithoutOne:
    @pytest.fixture
    def settings(self):
        return {}

    async def test_an_answer_takes_what_it_takes(self, harness: GatewayHarness):
        harness.script(script(EVENTS))
        wire = await harness.wire()
        wire.send(post(STREAM))
        await wire.until(b"\r\n\r\n")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(4 * LIMIT):
                await wire.until(b"request_timeout")
        await wire.hang_up()
