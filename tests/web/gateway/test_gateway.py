"""The gateway as a whole: where it listens, how it changes and how it ends."""

import asyncio
import socket

import pytest

from tests.web.gateway.conftest import OK, STREAM, House, post, until
from tests.web.gateway.test_ending import SSE
from zoosup.errors import ZoosupError
from zoosup.spec.model.gateway import GatewaySpec as Settings


async def test_it_moves_and_those_who_are_there_stay(house: House):
    wire = await house.wire()
    before = house.gateway.address
    await house.gateway.rebind("127.0.0.1:0" if before is None else "localhost:0")
    assert house.gateway.address != before
    wire.send(post())
    assert (await wire.answer())[0] == 200
    assert (await house.ask(post()))[0] == 200


async def test_an_address_that_is_taken_changes_nothing(house: House):
    before = house.gateway.address
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ZoosupError, match=r"gateway\.listen"):
            await house.gateway.configure(Settings(listen=listen), ("key",))
    assert house.gateway.address == before
    assert (await house.ask(post()))[0] == 200


async def test_it_can_be_switched_off_and_on(house: House):
    await house.gateway.configure(None, ())
    assert house.gateway.address is None
    await house.gateway.configure(Settings(listen="127.0.0.1:0"), ())
    assert (await house.ask(post()))[0] == 200


async def test_at_its_end_answers_under_way_are_finished(house: House):
    go = asyncio.Event()

    async def script(asked, reader, writer):
        await go.wait()
        writer.write(OK)

    house.script(script)
    idle, busy = await house.wire(), await house.wire()
    busy.send(post())
    await until(lambda: house.backend.asked)
    stopping = asyncio.ensure_future(house.gateway.stop(5.0))
    assert await idle.rest() == b""
    go.set()
    status, headers, _ = await busy.answer()
    assert (status, headers["connection"]) == (200, "close")
    await asyncio.wait_for(stopping, 2)


async def test_at_its_end_those_who_wait_too_long_are_told(house: House):
    async def script(asked, reader, writer):
        writer.write(SSE)
        await reader.read()

    house.script(script)
    waiting, streaming = await house.wire(), await house.wire()
    waiting.send(post(b'{"model": "absent"}'))
    streaming.send(post(STREAM))
    await streaming.until(b"\r\n\r\n")
    await house.gateway.stop(0.05)
    assert (await waiting.answer())[0] == 503
    assert b"shutting down" in await streaming.rest()
    assert house.leasing.queue == []


async def test_unused_connections_to_models_are_closed_in_time(house: House):
    house.gateway._hall.pools.limits = type(house.gateway._hall.limits)(kept=0.1)
    wire = await house.wire()
    wire.send(post())
    await wire.answer()
    await until(lambda: house.backend.hung_up == 1)
    assert house.gateway._hall.pools.by_run == {}


async def test_what_it_counts(house: House):
    wire = await house.wire()
    for request in (post(), post(b'{"model": "nobody"}'), b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"):
        wire.send(request)
        await wire.answer()
    counters = house.gateway.counters
    assert counters.requests == {("qwen", 2): 1, ("", 4): 1, ("", 2): 1}
    assert (counters.connections, counters.connections_total) == (1, 1)
    assert counters.received > len(post())
    assert counters.sent == len(OK)
