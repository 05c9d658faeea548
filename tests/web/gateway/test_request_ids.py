"""Every answer says what its request is called, and the model's server is told the same."""

import asyncio
from typing import Any

import pytest

from tests.web.gateway.conftest import CHAT, STREAM, GatewayHarness, post, until
from zoosup.runtime.api.upstream import Upstream
from zoosup.web.gateway.context.limits import Limits

pytestmark = pytest.mark.usefixtures("real_ids")

PATH = "/v1/chat/completions"


def ids_of(harness: GatewayHarness) -> list[str | None]:
    return [asked.headers.get("x-request-id") for asked in harness.backend.asked]


async def test_a_clients_own_id_goes_to_the_model_and_comes_back(harness: GatewayHarness):
    for path in (PATH, PATH, "/upstream/qwen/x"):
        _, headers, _ = await harness.ask(post(CHAT, path, "X-Request-ID: from.the_client-7"))
        assert "from.the_client-7" == headers["x-request-id"]
    assert 3 * ["from.the_client-7"] == ids_of(harness)
    assert all(1 == asked.head.lower().count(b"x-request-id") for asked in harness.backend.asked)


async def test_without_one_each_request_has_a_new_one_on_one_connection_too(harness: GatewayHarness):
    wire, told = await harness.wire(), []
    for _ in range(4):  # the later ones are known by their head
        wire.send(post())
        told.append((await wire.answer())[1]["x-request-id"])
    assert told == ids_of(harness)
    assert 4 == len(set(told))


@pytest.mark.parametrize(
    "lines", [["x-request-id: a b"], ["x-request-id: a", "X-Request-Id: b"], ["x-request-id:"]]
)
async def test_one_that_is_not_plain_is_replaced(harness: GatewayHarness, lines: list[str]):
    told = [(await harness.ask(post(CHAT, PATH, *lines)))[1]["x-request-id"] for _ in range(2)]
    assert told == ids_of(harness)
    assert 2 == len(set(told))
    assert not {"a", "b", "a b", "a, b", ""} & set(told)


async def test_a_models_own_id_does_not_stand_beside_it(harness: GatewayHarness):
    harness.script(b"HTTP/1.1 200 OK\r\nX-Request-Id: the-models\r\nContent-Length: 2\r\n\r\n{}")
    told = await harness.told(post(CHAT, PATH, "x-request-id: mine", "Connection: close"))
    assert b"the-models" not in told
    assert 1 == told.count(b"x-request-id: mine\r\n")


@pytest.mark.parametrize("like", [post(CHAT, PATH), post(CHAT, "/upstream/qwen/x", "x-request-id: mine")])
async def test_an_id_of_the_file_is_what_the_server_is_told(harness: GatewayHarness, like: bytes):
    harness.leasing.upstreams["qwen"] = Upstream((("X-Request-Id", "of-the-file"),))
    for _ in range(2):
        await harness.ask(like)
    assert [1, 1] == [asked.head.lower().count(b"x-request-id") for asked in harness.backend.asked]
    assert ["of-the-file", "of-the-file"] == ids_of(harness)


OWN = {
    "health": b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "nobody": post(b'{"model": "nobody"}'),
    "nowhere": b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no HTTP": b"no\r\n\r\n",
}


@pytest.mark.parametrize("asked", OWN.values(), ids=OWN)
async def test_what_the_gateway_says_itself_has_one_too(harness: GatewayHarness, asked: bytes):
    _, headers, _ = await harness.ask(asked)
    assert headers["x-request-id"]


async def test_a_tunnel_has_one_too(harness: GatewayHarness):
    harness.script(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\nX-Request-Id: theirs\r\n\r\n"
    )
    wire = await harness.wire()
    wire.send(
        b"GET /upstream/qwen/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: x\r\n"
        b"X-Request-Id: mine\r\n\r\n"
    )
    head = await wire.until(b"\r\n\r\n")
    assert b"\r\nx-request-id: mine\r\n" in head
    assert b"theirs" not in head
    assert ["mine"] == ids_of(harness)


class TestWhoWaits:
    @pytest.fixture
    def limits(self) -> Limits:
        return Limits(tick=0.01, quiet=0.02, quiet_at_most=0.02)

    async def test_is_told_it_with_the_first_word(self, harness: GatewayHarness):
        wire = await harness.wire()
        wire.send(post(STREAM.replace(b"qwen", b"absent"), PATH, "x-request-id: mine"))
        assert b"\r\nx-request-id: mine\r\n" in await wire.until(b"\r\n\r\n")
        harness.leasing.arrive("absent", harness.backend.port)
        await until(lambda: harness.backend.asked)
        assert ["mine"] == ids_of(harness)


async def test_what_is_sent_again_keeps_its_id(harness: GatewayHarness):
    wire = await harness.wire()
    wire.send(post())
    await wire.answer()
    closing: list[Any] = [True]

    async def script(asked, reader, writer):
        if closing.pop():
            closing.append(False)
            writer.close()
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            await asyncio.sleep(0)

    harness.script(script)
    wire.send(post())
    _, headers, _ = await wire.answer()
    assert [headers["x-request-id"]] * 2 == ids_of(harness)[1:]
