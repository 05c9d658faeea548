"""The OpenAI routes of a running demonstration server, asked over real sockets."""

import asyncio
import base64
import io
import json
import math
import struct
from contextlib import closing
from urllib.parse import urlsplit

import aiohttp
import pytest

CHUNKED = (
    b"POST /v1/completions HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'7\r\n{"promp\r\n9\r\nt": "hi"}\r\n0\r\n\r\n'
)
CHAT = {"model": "any", "messages": [{"role": "user", "content": "three small words"}]}


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
    async with client.post(path, json=body) as response:
        assert "text/event-stream" == response.content_type
        text = await response.text()
    return [line.removeprefix("data: ") for line in text.split("\n\n") if line]


async def test_it_says_that_it_is_a_demonstration(client):
    _, answer = await post(client, "/v1/chat/completions", CHAT)
    assert "not a language model" in answer["choices"][0]["message"]["content"]


async def test_a_chat_completion_counts_what_it_heard_and_said(client):
    status, answer = await post(client, "/v1/chat/completions", CHAT)
    said = len(answer["choices"][0]["message"]["content"].split())
    assert 200 == status
    assert {"prompt_tokens": 3, "completion_tokens": said, "total_tokens": 3 + said} == answer["usage"]
    assert ("tiny", "chat.completion") == (answer["model"], answer["object"])
    assert "stop" == answer["choices"][0]["finish_reason"]


async def test_a_stream_says_the_same_words_as_the_whole_answer(client):
    _, whole = await post(client, "/v1/chat/completions", CHAT)
    parts = await events(client, "/v1/chat/completions", {**CHAT, "stream": True})
    assert "[DONE]" == parts[-1]
    choices = [json.loads(part)["choices"][0] for part in parts[:-1]]
    said = "".join(choice["delta"].get("content", "") for choice in choices)
    assert whole["choices"][0]["message"]["content"] == said
    assert [None] * (len(choices) - 1) + ["stop"] == [c["finish_reason"] for c in choices]


async def test_a_stream_ends_with_usage_when_the_client_asks_for_it(client):
    body = {**CHAT, "stream": True, "stream_options": {"include_usage": True}, "max_tokens": 2}
    *_, usage, done = await events(client, "/v1/chat/completions", body)
    assert "[DONE]" == done
    assert {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5} == json.loads(usage)["usage"]


async def test_an_answer_cut_by_max_tokens_says_so(client):
    _, answer = await post(client, "/v1/chat/completions", {**CHAT, "max_tokens": 2})
    choice = answer["choices"][0]
    assert ("This is", "length") == (choice["message"]["content"], choice["finish_reason"])


async def test_text_completions_answer_whole_and_as_a_stream(client):
    body = {"prompt": "once upon"}
    _, whole = await post(client, "/v1/completions", body)
    parts = await events(client, "/v1/completions", {**body, "stream": True})
    text = "".join(json.loads(part)["choices"][0]["text"] for part in parts[:-1])
    assert whole["choices"][0]["text"] == text
    assert text.endswith("heard: once upon")


async def test_embeddings_are_unit_vectors_that_depend_on_the_text_alone(client):
    _, answer = await post(client, "/v1/embeddings", {"input": ["a", "b", "a"], "dimensions": 8})
    first, second, third = (item["embedding"] for item in answer["data"])
    assert first == third != second
    assert math.isclose(1, sum(x * x for x in first))
    assert 8 == len(first)


async def test_embeddings_come_as_base64_where_asked(client):
    _, plain = await post(client, "/v1/embeddings", {"input": "a"})
    _, packed = await post(client, "/v1/embeddings", {"input": "a", "encoding_format": "base64"})
    vector = struct.unpack("<64f", base64.b64decode(packed["data"][0]["embedding"]))
    assert pytest.approx(plain["data"][0]["embedding"], rel=1e-6) == vector


async def test_the_model_is_listed_with_and_without_v1(client):
    for path in ("/v1/models", "/models"):
        async with client.get(path) as response:
            assert ["tiny"] == [model["id"] for model in (await response.json())["data"]]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {}),
        ("/v1/chat/completions", {"messages": []}),
        ("/v1/chat/completions", {**CHAT, "max_tokens": "many"}),
        ("/v1/chat/completions", []),
        ("/v1/embeddings", {}),
        ("/v1/embeddings", {"input": "a", "dimensions": 10**9}),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused_in_openai_s_shape(client, path, body):
    status, answer = await post(client, path, body)
    assert 400 == status
    assert "invalid_request_error" == answer["error"]["type"]


@pytest.mark.parametrize(("path", "status"), [("/v1/nothing", 404), ("/health", 405)])
async def test_an_unknown_route_is_told_from_a_wrong_method(client, path, status):
    assert status == (await post(client, path, {}))[0]


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"POST /v1/completions HTTP/1.1\r\nHost: demo\r\nContent-Length: many\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: demo\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: demo\r\n" + b"X: y\r\n" * 200 + b"\r\n", 400),
        (b"GET /health HTTP/1.0\r\n\r\n", 200),
        (CHUNKED, 200),
    ],
)
async def test_what_is_no_http_is_refused_and_http_1_0_is_understood(client, request_bytes, status):
    address = urlsplit(str(client._base_url))
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    with closing(writer):
        writer.write(request_bytes)
        answer = await reader.read()
    assert str(status).encode() == answer.split()[1]


async def test_a_body_that_is_too_large_is_refused(client):
    async with client.post("/v1/completions", data=io.BytesIO(bytes(17 * 1024 * 1024))) as response:
        assert (413, 413) == (response.status, (await response.json())["error"]["code"])


async def test_a_connection_carries_many_requests(client):
    address = urlsplit(str(client._base_url))
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    with closing(writer):
        writer.write(b"GET /health HTTP/1.1\r\nHost: demo\r\n\r\n" * 3)
        for _ in range(3):
            assert b"200" in await reader.readuntil(b"\r\n\r\n")
            assert b'{"status": "ok"}\n' == await reader.readline()
