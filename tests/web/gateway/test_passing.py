"""What passes: every byte of an answer but its hop-by-hop headers, and of a request but who it is for."""

import gzip

import pytest

from tests.web.gateway.conftest import CHAT, ID, OK, STREAM, GatewayHarness, named, post
from zoosup.spec.model.model import ModelSpec


async def test_an_answer_passes_byte_for_byte(harness: GatewayHarness):
    answer = (
        b"HTTP/1.1 201 Very Created\r\nX-oDd:  two  spaces \r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n"
        b"Content-Length: 4\r\nServer: s\xfcper\r\n\r\n\x00\xff\r\n"
    )
    harness.script(answer)
    wire = await harness.wire()
    wire.send(post())
    assert await wire.exactly(len(named(answer))) == named(answer)


async def test_a_request_passes_but_for_its_host_and_what_belongs_to_the_connection(harness: GatewayHarness):
    await harness.ask(
        post(
            CHAT,
            "/v1/chat/completions?x=%20y",
            "X-Odd: A b",
            "Connection: keep-alive, X-Mine",
            "X-Mine: 1",
            "TE: trailers",
        )
    )
    assert harness.backend.asked[0].head == (
        b"POST /v1/chat/completions?x=%20y HTTP/1.1\r\nHost: 127.0.0.1:"
        + str(harness.backend.port).encode()
        + b"\r\nContent-Type: application/json\r\nX-Odd: A b\r\nContent-Length: 33\r\n"
        + ID
        + b"\r\n"
    )
    assert harness.backend.asked[0].body == CHAT


@pytest.mark.parametrize("piece", [1, 7, 1000])
async def test_chunks_and_trailers_pass_as_they_are(harness: GatewayHarness, piece: int):
    answer = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
        b"5;ext=1\r\nhello\r\n1\r\n\x00\r\n0\r\nX-Sum: 7\r\n\r\n"
    )

    async def script(asked, reader, writer):
        for at in range(0, len(answer), piece):
            writer.write(answer[at : at + piece])
            await writer.drain()

    harness.script(script)
    wire = await harness.wire()
    for _ in range(2):
        wire.send(post())
        assert await wire.exactly(len(named(answer))) == named(answer)
    assert harness.backend.connections == 1


async def test_a_stream_tells_a_proxy_in_front_not_to_keep_it(harness: GatewayHarness):
    """X20."""
    events = b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    harness.script(b"HTTP/1.1 200 OK\r\n" + events)
    wire = await harness.wire()
    wire.send(post(STREAM))
    assert b"X-Accel-Buffering: no\r\n" in await wire.until(b"0\r\n\r\n")
    harness.script(OK)
    wire.send(post())
    assert b"X-Accel" not in await wire.until(b"{}")


async def test_compressed_bodies_pass_compressed(harness: GatewayHarness):
    body = gzip.compress(b"{}" * 1000)
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    harness.script(answer)
    wire = await harness.wire()
    wire.send(post(CHAT, "/v1/chat/completions", "Accept-Encoding: gzip"))
    assert await wire.exactly(len(named(answer))) == named(answer)
    assert harness.backend.asked[0].headers["accept-encoding"] == "gzip"


async def test_an_answer_to_head_has_no_body_and_the_connection_lives_on(harness: GatewayHarness):
    harness.script(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    wire = await harness.wire()
    for _ in range(2):
        wire.send(b"HEAD /upstream/qwen/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert await wire.until(b"\r\n\r\n") == named(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    assert harness.backend.connections == 1


async def test_answers_without_a_body_end_with_their_head(harness: GatewayHarness):
    for head in (b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n"):
        harness.script(head)
        wire = await harness.wire()
        wire.send(post() + post())
        assert await wire.exactly(2 * len(named(head))) == 2 * named(head)


async def test_an_answer_that_ends_with_its_connection_ends_the_clients_too(harness: GatewayHarness):
    async def script(asked, reader, writer):
        writer.write(b"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nabc")
        writer.close()

    harness.script(script)
    assert await harness.told(post()) == named(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc")


async def test_words_before_the_answer_are_not_passed_on(harness: GatewayHarness):
    harness.script(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK)
    assert await harness.ask(post()) == (
        200,
        {"content-type": "application/json", "content-length": "2", "x-request-id": "the-same"},
        b"{}",
    )


async def test_an_older_client_gets_an_older_request_and_is_told_that_its_connection_stays(
    harness: GatewayHarness,
):
    wire = await harness.wire()
    wire.send(
        b"POST /v1/chat/completions HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\nContent-Length: 33\r\n\r\n"
        + CHAT
    )
    _, headers, _ = await wire.answer()
    assert headers["connection"] == "keep-alive"
    assert harness.backend.asked[0].line == b"POST /v1/chat/completions HTTP/1.0"
    wire.send(b"POST /v1/chat/completions HTTP/1.0\r\nHost: localhost\r\nContent-Length: 33\r\n\r\n" + CHAT)
    assert b"Connection: close" in await wire.rest()


async def test_connections_to_the_model_are_kept_and_used_again(harness: GatewayHarness):
    wire = await harness.wire()
    for _ in range(5):
        wire.send(post())
        assert (await wire.answer())[0] == 200
    assert harness.backend.connections == 1


async def test_requests_sent_at_once_are_answered_in_their_order(harness: GatewayHarness):
    async def script(asked, reader, writer):
        body = asked.body[-3:]
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    harness.script(script)
    wire = await harness.wire()
    wire.send(
        b"".join(post(b'{"model": "qwen", "n": "%02d"}' % n) for n in range(50))
        + b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )
    assert [(await wire.answer())[2] for _ in range(50)] == [b'%d"}' % (n % 10) for n in range(50)]
    assert (await wire.answer())[2] == b'{"status":"ok"}'


async def test_thousands_of_requests_at_once_need_no_depth(harness: GatewayHarness):
    wire = await harness.wire()
    wire.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 5000)
    for _ in range(5000):
        assert (await wire.answer())[0] == 200


async def test_a_client_that_asks_first_is_told_to_go_on(harness: GatewayHarness):
    wire = await harness.wire()
    request = post(CHAT, "/v1/chat/completions", "Expect: 100-continue")
    wire.send(request[: -len(CHAT)])
    assert await wire.exactly(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
    wire.send(CHAT)
    assert (await wire.answer())[0] == 200
    assert "expect" not in harness.backend.asked[0].headers


async def test_chunks_of_a_request_reach_the_model_as_one_body(harness: GatewayHarness):
    wire = await harness.wire()
    wire.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
    for at in range(len(CHAT)):
        wire.send(b"1;x\r\n" + CHAT[at : at + 1] + b"\r\n")
    wire.send(b"0\r\nX-Trailer: 1\r\n\r\n")
    assert (await wire.answer())[0] == 200
    assert harness.backend.asked[0].body == CHAT
    assert harness.backend.asked[0].headers["content-length"] == "33"


async def test_what_goes_upstream_goes_in_chunks_of_our_own(harness: GatewayHarness):
    wire = await harness.wire()
    wire.send(b"PUT /upstream/qwen/a/../b HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (await wire.answer())[0] == 400
    wire.send(
        b"PUT /upstream/qwen/a/b?c HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
    )
    wire.send(b"1;x\r\nd\r\n0\r\nX: y\r\n\r\n")
    assert (await wire.answer())[0] == 200
    assert harness.backend.asked[0].line == b"PUT /a/b?c HTTP/1.1"
    assert harness.backend.asked[0].body in (b"4\r\nabcd\r\n0\r\n\r\n", b"3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n")


async def test_a_head_in_single_bytes_is_a_head(harness: GatewayHarness):
    wire = await harness.wire()
    for byte in post():
        wire.send(bytes([byte]))
        await wire.writer.drain()
    assert (await wire.answer())[0] == 200


async def test_a_long_body_is_read_for_its_name_beside_the_loop(harness: GatewayHarness):
    body = b'{"model": "gpt-4o", "image": "' + b"x" * 3_000_000 + b'"}'
    wire = await harness.wire()
    wire.send(post(body) + post())
    assert (await wire.answer())[0] == 200
    assert (await wire.answer())[0] == 200
    assert harness.backend.asked[0].body == body


async def test_a_java_client_that_would_like_http_2_gets_its_answer(harness: GatewayHarness):
    more = (
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
    )
    wire = await harness.wire()
    wire.send(post(CHAT, "/v1/chat/completions", *more) + post())
    assert (await wire.answer())[0] == 200
    assert (await wire.answer())[0] == 200
    assert [asked.body for asked in harness.backend.asked] == [CHAT, CHAT]
    assert {"upgrade", "http2-settings"} & harness.backend.asked[0].headers.keys() == set()


class TestChanges:
    """The only ones that are ever made to a body."""

    @pytest.fixture
    def models(self):
        return {
            "qwen": ModelSpec(
                command=("x",),
                strip_params=("top_k",),
                set_params={"temperature": 0},
                upstream_model="Qwen3",
                task="chat",
            )
        }

    async def test_parameters_and_the_name_are_changed_and_the_length_with_them(
        self, harness: GatewayHarness
    ):
        await harness.ask(post(b'{"model": "qwen", "top_k": 1, "temperature": 1, "n":  1e0}'))
        assert harness.backend.asked[0].body == b'{"model": "Qwen3", "temperature": 0, "n":  1e0}'

    async def test_so_are_those_of_long_bodies(self, harness: GatewayHarness):
        await harness.ask(post(b'{"model": "qwen", "x": "' + b"y" * 1_000_000 + b'"}'))
        assert harness.backend.asked[0].body.startswith(b'{"model": "Qwen3", "x": "yyy')
        assert harness.backend.asked[0].body.endswith(b'y","temperature":0}')

    async def test_a_model_is_not_asked_for_what_it_is_not_for(self, harness: GatewayHarness):
        status, _, body = await harness.ask(post(b'{"model": "qwen"}', "/v1/embeddings"))
        assert status == 400
        assert b"model_task_mismatch" in body


async def test_a_form_names_its_model(harness: GatewayHarness):
    form = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF\r\n'
        b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\ngpt-4o\r\n--b--\r\n'
    )
    head = b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
    head += b"multipart/form-data; boundary=b\r\n"
    assert (await harness.ask(head + b"content-length: %d\r\n\r\n" % len(form) + form))[0] == 200
    assert harness.backend.asked[0].body == form
