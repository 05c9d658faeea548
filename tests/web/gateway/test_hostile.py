"""Slow, silent, half-dead and hostile clients, on every path: each costs itself, and nobody else."""

import asyncio
import json
import socket

import pytest

from tests.web.gateway.conftest import CHAT, OK, STREAM, GatewayHarness, post, until
from zoosup.web.gateway.context.limits import Limits
from zoosup.web.gateway.proxy import exchange
from zoosup.web.gateway.routing.model_name import model_of

MIB = 2**20


def get(path: str, *lines: str, method: str = "GET", version: str = "1.1") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/{version}", *lines, "", ""]).encode()


async def test_a_client_that_asks_twice_before_it_reads_costs_the_next_nothing(harness: GatewayHarness):
    """F38: an answer that fills its client's buffer must not leave the model's connection paused for the next."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 220000\r\n\r\n" + b"x" * 220_000
    for _ in range(5):
        await harness.ask(post())
    harness.script(answer)
    host, _, port = str(harness.gateway.address).rpartition(":")
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    slow.connect((host, int(port)))
    slow.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_sendall(slow, post() + post())
        await asyncio.sleep(0.1)
        wire = await harness.wire()
        for _ in range(3):
            wire.send(post())
            status, _, body = await wire.answer()
            assert (status, len(body)) == (200, 220_000)
    finally:
        slow.close()
    await until(lambda: not harness.leasing.out)


class TestBodiesTogether:
    @pytest.fixture
    def settings(self):
        return {"max_buffered": "1MiB", "max_body": "1MiB"}

    async def test_those_that_wait_in_memory_are_bounded_in_sum(self, harness: GatewayHarness):
        body = json.dumps({"model": "absent", "x": "y" * (400 * 1024)}).encode()
        for _ in range(2):
            (await harness.wire()).send(post(body))
        await until(lambda: len(harness.leasing.queue) == 2)
        status, headers, said = await harness.ask(post(body))
        assert (status, headers["retry-after"]) == (429, "1")
        assert b"max_buffered" in said
        harness.leasing.arrive("absent", harness.backend.port)
        await until(lambda: not harness.leasing.out)
        assert (await harness.ask(post(body)))[0] == 200
        assert harness.gateway._state.buffered == 0

    @pytest.mark.parametrize("ends", ["hangs up", "half", "nonsense"])
    async def test_they_are_let_go_however_their_request_ends(self, harness: GatewayHarness, ends: str):
        body = json.dumps({"model": "absent", "x": "y" * (400 * 1024)}).encode()
        wire = await harness.wire()
        request = post(b"!" + body[1:]) if ends == "nonsense" else post(body)
        wire.send(request[:-1] if ends == "half" else request)
        await until(lambda: harness.gateway.counters.received >= len(request) - 1)
        if ends != "nonsense":
            assert harness.gateway._state.buffered > 0
        await wire.hang_up()
        await until(lambda: harness.gateway._state.buffered == 0)


async def test_a_line_end_behind_a_request_hides_no_hang_up(harness: GatewayHarness):
    """F43."""
    wire = await harness.wire()
    wire.send(post(b'{"model": "absent"}') + b"\r\n")
    await until(lambda: harness.leasing.queue)
    await wire.hang_up()
    await until(lambda: not harness.leasing.queue)


async def test_nor_does_a_request_behind_one(harness: GatewayHarness):
    wire = await harness.wire()
    wire.send(post(b'{"model": "absent"}') + post()[:-3])
    await until(lambda: harness.leasing.queue)
    await wire.hang_up()
    await until(lambda: not harness.leasing.queue)


async def test_what_breaks_beside_the_loop_is_answered(harness: GatewayHarness, monkeypatch):
    """F45."""

    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("zoosup.web.gateway.routing.router.model_of", broken)
    status, _, said = await harness.ask(post(json.dumps({"model": "qwen", "x": "y" * (300 * 1024)}).encode()))
    assert status == 500
    assert b"internal error" in said
    assert model_of(CHAT).model == "qwen"


class TestSentAgain:
    """F46: what a server may have begun to do is not done twice."""

    async def _ask(self, harness: GatewayHarness, method: str, after: float) -> int:
        request = get("/upstream/qwen/x", "Host: localhost", "Content-Length: 0", method=method)
        assert (await harness.ask(request))[0] == 200

        async def script(asked, reader, writer):
            if len(harness.backend.asked) == 2:
                await asyncio.sleep(after)
                writer.transport.abort()
            else:
                writer.write(OK)

        harness.script(script)
        return (await harness.ask(request))[0]

    @pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH"])
    async def test_not_when_it_had_time_for_it(self, harness: GatewayHarness, method: str, monkeypatch):
        monkeypatch.setattr(exchange, "AT_ONCE", 0.05)
        assert await self._ask(harness, method, 0.2) == 502
        assert len(harness.backend.asked) == 2

    @pytest.mark.parametrize(("method", "after"), [("GET", 0.2), ("POST", 0.0)])
    async def test_but_where_it_does_no_harm(self, harness: GatewayHarness, method: str, after: float):
        assert await self._ask(harness, method, after) == 200
        assert len(harness.backend.asked) == 3


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/upstream/qwen/v1/chat/completions"])
async def test_who_asks_whether_to_send_a_body_is_told_to(harness: GatewayHarness, path: str):
    """F47."""
    wire = await harness.wire()
    wire.send(post(CHAT, path, "Expect: 100-continue")[: -len(CHAT)])
    assert await wire.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    wire.send(CHAT)
    assert (await wire.answer())[0] == 200
    assert harness.backend.asked[0].body == CHAT


async def test_headers_are_counted_before_they_are_read(harness: GatewayHarness, monkeypatch):
    """F48."""
    read = []
    monkeypatch.setattr("zoosup.web.gateway.routing.admission.check", read.append)
    assert b" 431 " in await harness.told(get("/health", "Host: localhost", *["a:"] * 101))
    assert read == []


class TestPagesWithoutAnOrigin:
    """F49: an <img> or a link of another site sends no Origin; its browser says so in other words."""

    @pytest.mark.parametrize("site", ["cross-site", "same-site"])
    @pytest.mark.parametrize("path", ["/upstream/qwen/health", "/v1/models"])
    async def test_are_refused(self, harness: GatewayHarness, site: str, path: str):
        status, _, said = await harness.ask(get(path, "Host: localhost", f"Sec-Fetch-Site: {site}"))
        assert (status, harness.leasing.given) == (403, [])
        assert b"wrong_origin" in said

    @pytest.mark.parametrize("line", ["Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: none", "X: y"])
    async def test_ones_own_are_served(self, harness: GatewayHarness, line: str):
        assert (await harness.ask(get("/upstream/qwen/x", "Host: localhost", line)))[0] == 200


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "PURGE", "get", "PROPFIND"])
async def test_only_usual_methods_reach_a_model(harness: GatewayHarness, method: str):
    """F50."""
    said = await harness.told(get("/upstream/qwen/x", "Host: localhost", "Connection: close", method=method))
    assert said.split()[1] in {b"400", b"405"}
    assert harness.leasing.given == []


class TestOldClients:
    """X13: an HTTP/1.0 client knows no chunks, and needs no Host."""

    async def test_a_stream_comes_without_chunks_and_ends_with_its_connection(self, harness: GatewayHarness):
        harness.script(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"9\r\ndata: a\n\n\r\n9\r\ndata: b\n\n\r\n0\r\n\r\n"
        )
        request = post(STREAM).replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"Host: localhost\r\n", b"")
        said = await harness.told(request)
        head, _, body = said.partition(b"\r\n\r\n")
        assert b"chunked" not in head
        assert b"Connection: close" in head
        assert body == b"data: a\n\ndata: b\n\n"


async def test_who_comes_through_a_proxy_of_this_host_is_told_no_log_lines(harness: GatewayHarness):
    """F52."""
    from zoosup.core.state.refusal import Code, Refusal  # noqa: PLC0415

    harness.leasing.refusals["absent"] = Refusal(Code.MODEL_FAILED, "gone", details="secret words")
    body = b'{"model": "absent"}'
    assert b"secret words" in (await harness.ask(post(body)))[2]
    for line in ("X-Forwarded-For: 10.0.0.9", "Forwarded: for=10.0.0.9", "X-Real-IP: 10.0.0.9"):
        assert b"secret words" not in (await harness.ask(post(body, "/v1/chat/completions", line)))[2]


async def test_who_speaks_tls_is_answered_at_once(harness: GatewayHarness):
    wire = await harness.wire()
    wire.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32))
    status, _, body = await wire.answer()
    assert (400, True) == (status, b"expected an address with http://" in body)


async def test_a_vanished_client_is_noticed_by_the_kernel(harness: GatewayHarness):
    """F42."""
    await harness.ask(post())
    client = next(iter(harness.gateway._context.connections.clients))
    sock = client.transport.get_extra_info("socket")
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


class TestSilentTunnels:
    @pytest.fixture
    def limits(self):
        return Limits(tick=0.01, tunnel=0.5)

    async def test_end_after_a_while(self, harness: GatewayHarness):
        """F42."""

        async def script(asked, reader, writer):
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
            while data := await reader.read(100):
                writer.write(data)

        harness.script(script)
        wire = await harness.wire()
        wire.send(get("/upstream/qwen/ws", "Host: localhost", "Connection: Upgrade", "Upgrade: echo"))
        await wire.until(b"\r\n\r\n")
        for _ in range(6):
            await asyncio.sleep(0.1)
            wire.send(b"hello")
            assert await wire.exactly(5) == b"hello"
        assert harness.leasing.out
        assert await wire.rest() == b""
        await until(lambda: not harness.leasing.out)
