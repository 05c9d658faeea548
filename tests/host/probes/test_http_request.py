"""What is written to a model's server, byte for byte, and which answers are taken for one."""

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest

from zoosup.host.ports.probes import Endpoint
from zoosup.host.probes.http_request import Answer, NotHttpError, ask

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ANSWERED = Answer(200, "", b"ok")


@asynccontextmanager
async def serving(*pieces):
    """A server that says this to whoever asks, piece by piece; where it is, and what it was asked."""
    asked, left = [], asyncio.Event()

    async def handle(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        sized = [line for line in head.split(b"\r\n") if line.startswith(b"Content-Length: ")]
        asked.append(head + await reader.readexactly(sum(int(line.split()[1]) for line in sized)))
        with suppress(ConnectionError):  # who has heard enough hangs up
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.01)
        writer.close()
        left.set()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield Endpoint("127.0.0.1", server.sockets[0].getsockname()[1], frozenset), asked
        await left.wait()
    finally:
        server.close()


async def written(method, path, body=None):
    async with serving(OK) as (at, asked):
        assert ANSWERED == await ask(at, method, path, body)
        return at.port, asked[-1]


async def test_a_get_is_as_small_as_it_can_be():
    port, asked = await written("GET", "/health?full=1&of=a%20b")
    head = (
        f"GET /health?full=1&of=a%20b HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: zoosup\r\nAccept: */*\r\n"
        "Accept-Encoding: identity\r\nConnection: close\r\n\r\n"
    )
    assert head.encode() == asked


async def test_a_body_goes_as_json_with_its_length():
    _, asked = await written("POST", "/lora", {"scale": "½"})
    head, _, body = asked.partition(b"\r\n\r\n")
    assert b'{"scale": "\\u00bd"}' == body
    assert {b"Content-Type: application/json", b"Content-Length: 19"} < set(head.split(b"\r\n"))


async def test_what_no_request_line_may_hold_is_percent_encoded():
    _, asked = await written("GET", "/gesund/ä\x01")
    assert asked.startswith(b"GET /gesund/%C3%A4%01 HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "pieces",
    [
        (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", OK),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK,),
        (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n", b"ok"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"2\r\nok\r\n", b"0\r\n\r\n"),
        (OK[:12], OK[12:30], OK[30:]),
        (OK + b"HTTP/1.1 500 Twice\r\nLocation: /x\r\nContent-Length: 1\r\n\r\n!",),
    ],
)
async def test_the_answer_is_the_first_that_is_final(pieces):
    async with serving(*pieces) as (at, _):
        found = await ask(at, "GET", "/health")
    assert (ANSWERED.status, ANSWERED.body) == (found.status, found.body)


async def test_another_protocol_is_an_answer_of_its_own():
    said = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n\0\0"
    async with serving(said) as (at, _):
        assert 101 == (await ask(at, "GET", "/health")).status


async def test_interim_answers_without_end_are_none():
    async with serving(b"HTTP/1.1 102 Processing\r\n\r\n" * 4000) as (at, _):
        with pytest.raises(NotHttpError):
            await asyncio.wait_for(ask(at, "GET", "/health"), 10)


async def test_a_body_that_breaks_off_takes_nothing_from_the_status():
    async def handle(reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok")
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.transport.abort()
        left.set()

    left = asyncio.Event()
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    at = Endpoint("127.0.0.1", server.sockets[0].getsockname()[1], frozenset)
    assert ANSWERED == await ask(at, "GET", "/health")
    await left.wait()
    server.close()


@pytest.mark.parametrize(
    ("method", "body", "length"),
    [("GET", None, b""), ("POST", None, b"0"), ("GET", {}, b"2"), ("DELETE", None, b"0")],
)
async def test_all_but_a_plain_get_say_how_long_they_are(method, body, length):
    _, asked = await written(method, "/x", body)
    found = [line for line in asked.split(b"\r\n") if line.startswith(b"Content-Length: ")]
    assert ([b"Content-Length: " + length] if length else []) == found
    assert (body is not None) == (b"Content-Type: application/json" in asked)


async def test_where_it_redirects_to_is_told():
    async with serving(b"HTTP/1.1 302 Found\r\nLOCATION: /there\r\nContent-Length: 0\r\n\r\n") as (at, _):
        assert Answer(302, "/there", b"") == await ask(at, "GET", "/")


async def test_a_long_body_is_not_waited_for():
    async with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", *[b""] * 100) as (at, _):
        began = asyncio.get_running_loop().time()
        assert ANSWERED == await ask(at, "GET", "/")
        assert 0.09 <= asyncio.get_running_loop().time() - began < 0.9
