"""What the gateway refuses of its own accord, before any model hears of it."""

import asyncio
import gzip
import json

import pytest

from tests.web.gateway.conftest import CHAT, ID, GatewayHarness, Wire, post, until
from zoosup.core.state.refusal import Code, Refusal
from zoosup.web.gateway.context.limits import Limits

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"

NOT_HTTP = {
    "two lengths": HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "one length twice": HEAD + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
    "a length and chunks": HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and a length": HEAD + b"Transfer-Encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
    "chunks twice": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks of chunks": HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "an unknown coding": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a vertical tab": HEAD + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "a list of lengths": HEAD + b"Content-Length: 1, 1\r\n\r\na",
    "a signed length": HEAD + b"Content-Length: +1\r\n\r\na",
    "an underscored length": HEAD + b"Content-Length: 1_0\r\n\r\n0123456789",
    "a hexadecimal length": HEAD + b"Content-Length: 0x1\r\n\r\na",
    "an empty length": HEAD + b"Content-Length: \r\n\r\n",
    "a length beyond all": HEAD + b"Content-Length: 99999999999999999999\r\n\r\na",
    "a folded line": HEAD + b"X: a\r\n b\r\n\r\n",
    "a blank before the colon": HEAD + b"Content-Length : 1\r\n\r\na",
    "a bare line feed": HEAD + b"X: a\nContent-Length: 1\r\n\r\na",
    "a bare carriage return": HEAD + b"X: a\rY: b\r\n\r\n",
    "a zero": HEAD + b"X: a\x00b\r\n\r\n",
    "a header without a name": HEAD + b": a\r\n\r\n",
    "no host": b"GET /health HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: b\r\n\r\n",
    "no version": b"GET /health\r\n\r\n",
    "two blanks": b"GET  /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "an unknown method": b"FROB /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a size that is none": HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "a negative size": HEAD + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
    "a size that ends early": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\nb",
    "a chunk that is longer": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
    "a size beyond all": HEAD + b"Transfer-Encoding: chunked\r\n\r\nfffffffff\r\n",
    "an endless extension": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"x" * 300,
    "not HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
}


@pytest.mark.parametrize("request_", NOT_HTTP.values(), ids=NOT_HTTP.keys())
async def test_what_can_be_read_in_two_ways_is_refused_and_the_connection_closed(
    harness: GatewayHarness, request_: bytes
):
    told = await harness.told(request_ + b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert told.split(b" ")[1] in (b"400", b"501")
    assert told.count(b"\r\nContent-Length: ") == 1
    assert b"\r\nConnection: close\r\n" in told
    assert harness.backend.asked == []


async def test_a_right_head_does_not_excuse_a_wrong_one_that_looks_like_it(harness: GatewayHarness):
    wire = await harness.wire()
    wire.send(HEAD + b"Content-Length: 33\r\n\r\n" + CHAT)
    assert (await wire.answer())[0] == 200
    for bad in (b"+33", b"3_3", b"33, 33", b"0x21", b"", b" 33 3", b"9" * 19):
        assert (await harness.told(HEAD + b"Content-Length: " + bad + b"\r\n\r\n" + CHAT)).startswith(
            b"HTTP/1.1 4"
        )
    assert len(harness.backend.asked) == 1


async def test_another_version_is_refused(harness: GatewayHarness):
    assert (await harness.told(b"GET /health HTTP/2.0\r\nHost: localhost\r\n\r\n")).startswith(
        b"HTTP/1.1 505"
    )


@pytest.mark.parametrize(
    "head",
    [b"X: " + b"a" * 70_000, b"\r\n".join(b"X-%d: 1" % n for n in range(101)), b"\r\n".join([b"X: a"] * 101)],
)
async def test_a_head_has_its_bounds(harness: GatewayHarness, head: bytes):
    assert (await harness.told(HEAD + head + b"\r\n\r\n")).startswith(b"HTTP/1.1 431")


async def test_a_head_that_never_ends_is_refused_while_it_comes(harness: GatewayHarness):
    wire = await harness.wire()
    wire.send(HEAD)
    for _ in range(100):
        wire.send(b"X: " + b"a" * 1000 + b"\r\n")
        await asyncio.sleep(0)
    assert (await wire.until(b"\r\n")).startswith(b"HTTP/1.1 431")


class TestBodies:
    @pytest.fixture
    def settings(self):
        return {"max_body": "1KiB"}

    async def test_one_that_is_too_long_is_refused_unread(self, harness: GatewayHarness):
        told = await harness.told(HEAD + b"Content-Length: 1025\r\nExpect: 100-continue\r\n\r\n")
        assert told.startswith(b"HTTP/1.1 413")
        assert b"100 Continue" not in told

    async def test_so_is_one_in_chunks_once_it_is(self, harness: GatewayHarness):
        chunk = b"200\r\n" + b"a" * 512 + b"\r\n"
        told = await harness.told(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + 3 * chunk)
        assert told.startswith(b"HTTP/1.1 413")
        assert harness.backend.asked == []

    async def test_so_is_one_that_was_being_passed_on(self, harness: GatewayHarness):
        harness.backend.read_bodies = False
        chunk = b"200\r\n" + b"a" * 512 + b"\r\n"
        wire = await harness.wire()
        wire.send(
            b"PUT /upstream/qwen/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk
        )

        async def script(asked, reader, writer):
            await reader.read()

        harness.script(script)
        await until(lambda: harness.backend.asked)
        wire.send(2 * chunk)
        with pytest.raises(ConnectionResetError):
            await wire.rest()


class TestPatience:
    @pytest.fixture
    def limits(self):
        return Limits(tick=0.01, arrival=0.1, silence=0.1, idle=0.3, linger=0.1, kept=0.02)

    async def test_a_head_that_trickles_has_its_time_and_no_more(self, harness: GatewayHarness):
        wire = await harness.wire()
        told = asyncio.ensure_future(wire.rest())
        for byte in HEAD * 4:
            if told.done():
                break
            wire.send(bytes([byte]))
            await asyncio.sleep(0.01)
        assert (await told).startswith(b"HTTP/1.1 408")

    async def test_a_body_that_stops_is_not_waited_for(self, harness: GatewayHarness):
        assert (await harness.told(post()[:-1])).startswith(b"HTTP/1.1 408")

    async def test_a_connection_that_is_not_used_is_closed(self, harness: GatewayHarness):
        wire = await harness.wire()
        wire.send(post())
        await wire.answer()
        assert await wire.rest() == b""

    async def test_after_a_time_without_anybody_it_is_as_patient_as_before(self, harness: GatewayHarness):
        await harness.ask(post())
        await until(lambda: harness.gateway._ticking is None)
        wire = await harness.wire()
        wire.send(HEAD[:-4])
        assert (await wire.rest()).startswith(b"HTTP/1.1 408")

    async def test_a_model_may_take_as_long_as_it_likes(self, harness: GatewayHarness):
        async def script(asked, reader, writer):
            await asyncio.sleep(0.6)
            writer.write(b"HTTP/1.1 204 X\r\n\r\n")

        harness.script(script)
        assert (await harness.ask(post()))[0] == 204


class TestBodiesThatTrickle:
    @pytest.fixture
    def limits(self):
        return Limits(tick=0.01, silence=1.0)

    async def test_a_body_may_take_its_time_while_it_comes(self, harness: GatewayHarness):
        """Longer in all than it may be silent; each pause far shorter, for a busy machine makes it longer."""
        wire = await harness.wire()
        wire.send(post()[:-7])
        for byte in post()[-7:]:
            await asyncio.sleep(0.15)
            wire.send(bytes([byte]))
        assert (await wire.answer())[0] == 200


class TestCrowds:
    @pytest.fixture
    def limits(self):
        return Limits(tick=0.01, connections=2)

    async def test_one_connection_too_many_is_closed(self, harness: GatewayHarness):
        for _ in range(2):
            wire = await harness.wire()
            wire.send(post())
            await wire.answer()
        third = await harness.wire()
        assert await third.rest() == b""


class TestKeys:
    @pytest.fixture
    def keys(self):
        return ("secret", "another")

    async def test_nothing_is_answered_without_one_but_health(self, harness: GatewayHarness):
        assert (await harness.ask(post()))[0] == 401
        assert (await harness.ask(post(CHAT, "/v1/chat/completions", "Authorization: Bearer wrong")))[
            0
        ] == 401
        assert (await harness.ask(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"))[0] == 401
        assert (await harness.ask(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"))[0] == 200
        assert harness.backend.asked == []

    @pytest.mark.parametrize(
        "line", ["GET /v1/chat/completions", "GET /nowhere", "POST /upstream/", "GET /a/../b"]
    )
    async def test_which_addresses_there_are_is_not_told_without_one(
        self, harness: GatewayHarness, line: str
    ):
        request = f"{line} HTTP/1.1\r\nHost: localhost\r\n".encode()
        assert (await harness.ask(request + b"\r\n"))[0] == 401
        assert (await harness.ask(request + b"x-api-key: secret\r\n\r\n"))[0] in {400, 404, 405}

    @pytest.mark.parametrize("header", ["Authorization: Bearer another", "x-api-key: secret"])
    async def test_a_key_opens_and_is_not_passed_on(self, harness: GatewayHarness, header: str):
        for _ in range(2):
            assert (await harness.ask(post(CHAT, "/v1/chat/completions", header)))[0] == 200
        assert {"authorization", "x-api-key"} & harness.backend.asked[1].headers.keys() == set()

    async def test_keys_that_are_changed_count_at_once(self, harness: GatewayHarness):
        wire = await harness.wire()
        wire.send(post(CHAT, "/v1/chat/completions", "x-api-key: secret"))
        assert (await wire.answer())[0] == 200
        await harness.gateway.configure(harness.gateway._spec, ("other",))
        wire.send(post(CHAT, "/v1/chat/completions", "x-api-key: secret"))
        assert (await wire.answer())[0] == 401


async def test_without_keys_a_clients_own_one_goes_to_the_model(harness: GatewayHarness):
    await harness.ask(post(CHAT, "/v1/chat/completions", "Authorization: Bearer theirs"))
    assert harness.backend.asked[0].headers["authorization"] == "Bearer theirs"


async def test_a_page_that_was_not_invited_is_refused(harness: GatewayHarness):
    assert (await harness.ask(post(CHAT, "/v1/chat/completions", "Origin: https://evil.example")))[0] == 403
    assert (await harness.ask(post().replace(b"Host: localhost", b"Host: evil.example")))[0] == 421


class TestPages:
    @pytest.fixture
    def settings(self):
        return {"cors": ["https://chat.example"]}

    async def test_one_that_was_invited_is_told_so_instead_of_what_the_model_says(
        self, harness: GatewayHarness
    ):
        harness.script(b"HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: 0\r\n\r\n")
        _, headers, _ = await harness.ask(post(CHAT, "/v1/chat/completions", "Origin: https://chat.example"))
        assert headers["access-control-allow-origin"] == "https://chat.example"

    async def test_its_browser_may_ask_first(self, harness: GatewayHarness):
        status, headers, _ = await harness.ask(
            b"OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nOrigin: https://chat.example\r\n"
            b"Access-Control-Request-Method: POST\r\n\r\n"
        )
        assert (status, headers["access-control-allow-origin"]) == (204, "https://chat.example")


class TestStillSending:
    """A client that reads its answer only once it has sent all: a reset would take the answer from it."""

    @pytest.fixture
    def limits(self):
        return Limits(tick=0.01, linger=0.1, silence=1.0)

    async def _refused(self, harness: GatewayHarness) -> Wire:
        wire = await harness.wire()
        wire.send(b"POST /v1/nope HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n")
        return wire

    async def test_it_is_heard_out_while_it_goes_on(self, harness: GatewayHarness):
        wire = await self._refused(harness)
        for _ in range(20):
            wire.send(b"x" * 1000)
            await asyncio.sleep(0.03)
            assert harness.gateway.counters.connections == 1
        assert b"unknown_url" in await wire.rest()
        await until(lambda: harness.gateway.counters.connections == 0)

    async def test_but_not_for_ever(self, harness: GatewayHarness):
        wire = await self._refused(harness)
        async with asyncio.timeout(5):
            while harness.gateway.counters.connections:
                wire.send(b"x" * 1000)
                await asyncio.sleep(0.03)


async def test_a_head_whose_lines_end_in_lf_alone_is_refused_at_once(harness: GatewayHarness):
    told = await harness.told(b"GET /health HTTP/1.1\nHost: localhost\n\n")
    assert told.startswith(b"HTTP/1.1 400 ")
    assert b"CR LF" in told


async def test_an_unknown_model_is_answered_with_those_there_are(harness: GatewayHarness):
    status, _, body = await harness.ask(post(b'{"model": "nobody"}'))
    assert status == 404
    assert b"model_not_found" in body
    assert b"qwen, absent" in body


async def test_a_refused_lease_is_an_answer_and_the_connection_lives_on(harness: GatewayHarness):
    harness.leasing.refusals["absent"] = Refusal(Code.QUEUE_FULL, "256 wait", retry_after=3.0)
    wire = await harness.wire()
    wire.send(post(b'{"model": "absent"}') + post())
    status, headers, body = await wire.answer()
    assert (status, headers["retry-after"]) == (429, "3")
    assert b"queue_full" in body
    assert (await wire.answer())[0] == 200


async def test_what_the_gateway_knows_itself_is_answered_without_a_model(harness: GatewayHarness):
    status, _, body = await harness.ask(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (status, body.count(b'"id"')) == (200, 2)
    assert (await harness.ask(b"GET /models/gpt-4o HTTP/1.1\r\nHost: localhost\r\n\r\n"))[2].count(
        b'"qwen"'
    ) == 1
    assert (await harness.ask(b"GET /models/x HTTP/1.1\r\nHost: localhost\r\n\r\n"))[0] == 404
    assert (await harness.ask(b"OPTIONS /v1/embeddings HTTP/1.1\r\nHost: localhost\r\n\r\n"))[0] == 204
    assert await harness.told(b"HEAD /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n") == (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\nConnection: close\r\n"
        + ID
        + b"\r\n"
    )


async def test_a_compressed_body_has_no_model_that_could_be_read(harness: GatewayHarness):
    status, _, body = await harness.ask(
        post(gzip.compress(CHAT), "/v1/chat/completions", "Content-Encoding: gzip")
    )
    error = json.loads(body)["error"]
    assert (status, error["code"]) == (415, "unsupported_content_encoding")
    assert "'gzip'" in error["message"]
    assert "/upstream/{model}/" in error["message"]
    assert harness.backend.asked == []


async def test_a_body_that_is_not_compressed_may_say_so(harness: GatewayHarness):
    assert (await harness.ask(post(CHAT, "/v1/chat/completions", "Content-Encoding: identity")))[0] == 200


async def test_a_compressed_body_passes_where_the_address_names_the_model(harness: GatewayHarness):
    body = gzip.compress(CHAT)
    assert (await harness.ask(post(body, "/upstream/qwen/v1/x", "Content-Encoding: gzip")))[0] == 200
    assert harness.backend.asked[0].body == body
    assert harness.backend.asked[0].headers["content-encoding"] == "gzip"
