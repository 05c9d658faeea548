"""The routes beside OpenAI's oldest three, asked over real sockets; pictures and sound are read by other code."""

import asyncio
import base64
import io
import json
import struct
import wave
import zlib
from contextlib import closing
from urllib.parse import urlsplit

import aiohttp
import pytest

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
"""RFC 6455, section 5.2."""

MESSAGES = {"max_tokens": 64, "messages": [{"role": "user", "content": "three small words"}]}
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: demo\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.fixture
async def client(start_demo):
    demo = start_demo("--model-id", "tiny")
    demo.wait_ready()
    async with aiohttp.ClientSession(demo.url) as session:
        yield session


async def post(client, path, body):
    async with client.post(path, json=body) as response:
        return response.status, await response.json()


async def events(client, path, body):
    """(name, data) of each event."""
    async with client.post(path, json={**body, "stream": True}) as response:
        assert "text/event-stream" == response.content_type
        text = await response.text()
    found = []
    for event in filter(None, text.split("\n\n")):
        fields = dict(line.split(": ", 1) for line in event.split("\n"))
        found.append((fields.get("event"), json.loads(fields["data"])))
    return found


# Anthropic


async def test_a_message_is_answered_as_anthropic_s_api_says(client):
    status, answer = await post(client, "/v1/messages", MESSAGES)
    [block] = answer["content"]
    assert (200, "message", "assistant", "tiny") == (status, answer["type"], answer["role"], answer["model"])
    assert "end_turn" == answer["stop_reason"]
    assert block["text"].endswith("tiny heard: three small words")
    assert {"input_tokens": 3, "output_tokens": len(block["text"].split())} == answer["usage"]


async def test_a_stream_of_a_message_says_the_same_in_named_events(client):
    _, whole = await post(client, "/v1/messages", MESSAGES)
    told = await events(client, "/v1/messages", MESSAGES)
    assert [name for name, _ in told] == [data["type"] for _, data in told]
    kinds = [name for name, _ in told if name != "content_block_delta"]
    assert [
        "message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"
    ] == kinds  # fmt: skip
    text = "".join(data["delta"]["text"] for name, data in told if name == "content_block_delta")
    assert whole["content"][0]["text"] == text
    assert "end_turn" == told[-2][1]["delta"]["stop_reason"]


async def test_a_message_cut_by_max_tokens_says_so(client):
    _, answer = await post(client, "/v1/messages", {**MESSAGES, "max_tokens": 2})
    assert ("This is", "max_tokens") == (answer["content"][0]["text"], answer["stop_reason"])


async def test_tokens_are_counted_with_the_system_prompt(client):
    body = {"system": [{"type": "text", "text": "be brief"}], **MESSAGES}
    assert (200, {"input_tokens": 5}) == await post(client, "/v1/messages/count_tokens", body)


# OpenAI's responses, llama.cpp's completions


async def test_a_response_is_a_list_of_output(client):
    status, answer = await post(client, "/v1/responses", {"input": "hello there"})
    [item] = answer["output"]
    assert (200, "response", "completed") == (status, answer["object"], answer["status"])
    assert item["content"][0]["text"].endswith("heard: hello there")
    assert 2 == answer["usage"]["input_tokens"]


async def test_a_stream_of_a_response_ends_with_the_whole_of_it(client):
    messages = [{"role": "user", "content": [{"type": "input_text", "text": "hello there"}]}]
    told = await events(client, "/v1/responses", {"input": messages})
    assert list(range(len(told))) == [data["sequence_number"] for _, data in told]
    assert ("response.created", "response.completed") == (told[0][0], told[-1][0])
    text = "".join(data["delta"] for name, data in told if name == "response.output_text.delta")
    assert told[-1][1]["response"]["output"][0]["content"][0]["text"] == text
    assert text.endswith("heard: hello there")


@pytest.mark.parametrize("path", ["/completion", "/infill"])
async def test_llama_cpp_s_own_completions_answer_whole_and_as_a_stream(client, path):
    body = {"prompt": "once upon", "n_predict": 4}
    _, whole = await post(client, path, body)
    told = [data for _, data in await events(client, path, body)]
    assert (4, "limit") == (whole["tokens_predicted"], whole["stop_type"])
    assert whole["content"] == "".join(data["content"] for data in told)
    assert [False] * 4 + [True] == [data["stop"] for data in told]


# texts


@pytest.mark.parametrize("path", ["/v1/rerank", "/rerank", "/v1/reranking"])
async def test_documents_are_ranked_by_the_words_they_share(client, path):
    documents = ["a cat", {"text": "a black dog barks"}, "nothing"]
    _, answer = await post(client, path, {"query": "black dog", "documents": documents, "top_n": 2})
    assert [(1, 0.5), (0, 0.0)] == [(r["index"], r["relevance_score"]) for r in answer["results"]]


async def test_tokens_can_be_turned_back_into_their_text(client):
    _, tokens = await post(client, "/tokenize", {"content": "grün"})
    assert (200, {"content": "grün"}) == await post(client, "/detokenize", tokens)


# pictures and sound


async def pixels(answer):
    """(width, height, the colours) of a picture that is checked chunk by chunk."""
    data = base64.b64decode(answer["b64_json"])
    assert b"\x89PNG\r\n\x1a\n" == data[:8]
    chunks, at = {}, 8
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        [checked] = struct.unpack_from(">I", data, at + 8 + size)
        assert zlib.crc32(data[at + 4 : at + 8 + size]) == checked
        chunks[kind] = data[at + 8 : at + 8 + size]
        at += 12 + size
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    rows = zlib.decompress(chunks[b"IDAT"])
    assert height * (1 + 3 * width) == len(rows)
    return width, height, {rows[i : i + 3] for i in range(1, 1 + 3 * width, 3)}


async def test_pictures_are_pngs_of_the_prompt_s_colour(client):
    _, answer = await post(client, "/v1/images/generations", {"prompt": "dusk", "n": 2})
    _, other = await post(client, "/v1/images/generations", {"prompt": "dawn"})
    first, second = answer["data"]
    assert first == second
    width, height, [colour] = await pixels(first)
    assert (8, 8) == (width, height)
    assert [colour] != (await pixels(other["data"][0]))[2]


async def test_a_picture_to_edit_comes_as_a_form(client):
    form = aiohttp.FormData({"prompt": "dusk"})
    form.add_field("image", b"\x89PNG\r\n--not the end", filename="x.png", content_type="image/png")
    async with client.post("/v1/images/edits", data=form) as response:
        assert 200 == response.status
        await pixels((await response.json())["data"][0])


async def test_speech_is_a_wav_as_long_as_its_text(client):
    async with client.post(
        "/v1/audio/speech", json={"input": "one two three four", "voice": "x"}
    ) as response:
        assert "audio/wav" == response.content_type
        sound = await response.read()
    with wave.open(io.BytesIO(sound)) as file:
        assert 1.0 == file.getnframes() / file.getframerate()


async def test_a_recording_is_heard_to_its_last_byte(client):
    for kind in ("json", "text"):
        form = aiohttp.FormData({"model": "any", "response_format": kind})
        form.add_field("file", bytes(range(256)) * 40, filename="a.wav", content_type="audio/wav")
        async with client.post("/v1/audio/transcriptions", data=form) as response:
            heard = await response.json() if kind == "json" else {"text": (await response.text()).strip()}
        assert heard["text"].endswith("tiny heard 10240 bytes")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/messages", {"messages": MESSAGES["messages"]}),
        ("/v1/messages/count_tokens", {}),
        ("/v1/responses", {}),
        ("/v1/rerank", {"query": "x"}),
        ("/detokenize", {"tokens": [256]}),
        ("/v1/images/generations", {"prompt": "x", "n": 1000}),
        ("/v1/audio/speech", {}),
        ("/v1/audio/transcriptions", {"file": "no form"}),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused(client, path, body):
    status, answer = await post(client, path, body)
    assert (400, "invalid_request_error") == (status, answer["error"]["type"])


# the WebSocket


async def test_a_web_socket_says_back_what_it_hears(client):
    async with client.ws_connect("/ws") as socket:
        for text in ("hello", "x" * 200, "y" * 70_000):
            await socket.send_str(text)
            assert text == await socket.receive_str()
        await socket.send_bytes(b"\0\xff")
        assert b"\0\xff" == await socket.receive_bytes()
        await socket.ping()
        assert await socket.close()
    assert 1000 == socket.close_code


async def raw(client):
    address = urlsplit(str(client._base_url))
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(HANDSHAKE)
    return reader, writer, await reader.readuntil(b"\r\n\r\n")


def masked(opcode, data, *, final=True):
    mask = b"\1\2\3\4"
    body = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
    return bytes([final << 7 | opcode, 0x80 | len(data)]) + mask + body


async def test_the_handshake_is_that_of_the_rfc_s_example(client):
    _, writer, head = await raw(client)
    with closing(writer):
        assert b"101" == head.split()[1]
        assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head


async def test_a_message_may_come_in_pieces_with_a_ping_between(client):
    reader, writer, _ = await raw(client)
    with closing(writer):
        writer.write(masked(BINARY, b"one ", final=False) + masked(PING, b"?") + masked(CONTINUATION, b"two"))
        assert bytes([0x80 | PONG, 1]) + b"?" == await reader.readexactly(3)
        assert bytes([0x80 | BINARY, 7]) + b"one two" == await reader.readexactly(9)


async def test_a_client_that_sends_too_much_is_told_and_left(client):
    reader, writer, _ = await raw(client)
    with closing(writer):
        writer.write(bytes([0x80 | TEXT, 0xFF]) + struct.pack(">Q", 1 << 40) + b"\0\0\0\0")
        told = await reader.readexactly(4)
        assert (0x80 | CLOSE, 1009) == (told[0], struct.unpack(">H", told[2:])[0])


async def test_a_get_that_is_no_handshake_is_told_what_it_needs(client):
    async with client.get("/ws") as response:
        assert 426 == response.status
