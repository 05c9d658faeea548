"""What is counted of answers on their way: how long they took, their tokens, refusals by their code."""

import asyncio
from typing import Any

import pytest

from tests.web.gateway.conftest import CHAT, STREAM, GatewayHarness, post, until
from zoosup.spec.model.api_keys import ApiKeySpec

USAGE = b'{"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":34}}'
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(USAGE),
    USAGE,
)
SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
TIMED = b'data: {"choices":[],"timings":{"prompt_n":5,"predicted_n":7}}\n\n'
KEY = "x-api-key: ka"


@pytest.fixture
def settings() -> dict[str, Any]:
    return {"api_keys": [ApiKeySpec(name="alice", key="ka")]}


@pytest.fixture
def keys() -> tuple[str, ...]:
    return ("ka",)


def counted(harness: GatewayHarness) -> tuple[dict[Any, int], dict[Any, int]]:
    counters = harness.gateway.counters
    found = counters.tokens.items()
    return {who: took.prompt for who, took in found}, {who: took.completion for who, took in found}


async def test_the_tokens_of_each_answer_of_a_connection(harness: GatewayHarness):
    harness.script(OK)
    wire = await harness.wire()
    for _ in range(3):
        wire.send(post(CHAT, "/v1/chat/completions", KEY))
        await wire.until(USAGE)
    await until(lambda: counted(harness) == ({("qwen", "alice"): 36}, {("qwen", "alice"): 102}))


async def test_a_stream_passes_as_it_comes_and_is_counted_at_its_end(harness: GatewayHarness):
    last = asyncio.Event()

    async def script(asked, reader, writer):
        writer.write(SSE + b"6\r\ndata: \r\n")
        await last.wait()
        writer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(TIMED), TIMED))

    harness.script(script)
    wire = await harness.wire()
    wire.send(post(STREAM, "/v1/chat/completions", KEY))
    await wire.until(b"data: ")
    assert ({}, {}) == counted(harness)
    last.set()
    await wire.until(b"0\r\n\r\n")
    await until(lambda: counted(harness) == ({("qwen", "alice"): 5}, {("qwen", "alice"): 7}))


async def test_an_answer_that_says_nothing_counts_no_tokens(harness: GatewayHarness):
    await harness.ask(post(CHAT, "/v1/chat/completions", KEY))
    assert 1 == harness.gateway.counters.answers["qwen"].count
    assert ({}, {}) == counted(harness)


@pytest.mark.parametrize(
    "settings", [{"count_tokens": False, "access_log": style} for style in ("off", "json")]
)
async def test_they_are_not_counted_where_the_file_says_so(harness: GatewayHarness):
    harness.script(OK)
    await harness.ask(post(CHAT, "/v1/chat/completions", KEY))
    assert 1 == harness.gateway.counters.answers["qwen"].count
    assert ({}, {}) == counted(harness)


async def test_how_long_the_head_and_the_end_of_an_answer_took(harness: GatewayHarness):
    head, end = asyncio.Event(), asyncio.Event()

    async def script(asked, reader, writer):
        await head.wait()
        writer.write(SSE)
        await end.wait()
        writer.write(b"0\r\n\r\n")

    harness.script(script)
    wire = await harness.wire()
    wire.send(post(STREAM, "/v1/chat/completions", KEY))
    await until(lambda: harness.backend.asked)
    await asyncio.sleep(0.05)
    head.set()
    await wire.until(b"\r\n\r\n")
    await asyncio.sleep(0.05)
    end.set()
    await wire.until(b"0\r\n\r\n")
    counters = harness.gateway.counters
    await until(lambda: counters.answers)
    first, whole = counters.first_bytes["qwen"].sum, counters.answers["qwen"].sum
    assert first > 0.04
    assert whole - first > 0.04


async def test_an_answer_that_breaks_off_has_begun_and_never_ended(harness: GatewayHarness):
    harness.script(SSE + b"6\r\ndata: \r\n")
    wire = await harness.wire()
    wire.send(post(STREAM, "/v1/chat/completions", KEY))
    await wire.until(b"data: ")
    await wire.hang_up()
    await until(lambda: harness.gateway.counters.cancelled)
    assert 1 == harness.gateway.counters.first_bytes["qwen"].count
    assert {} == harness.gateway.counters.answers


async def test_refusals_are_counted_by_their_code(harness: GatewayHarness):
    await harness.ask(post(b'{"model": "nobody"}', "/v1/chat/completions", KEY))
    await harness.ask(post(CHAT))
    await harness.ask(b"no\r\n\r\n")
    expected = {("", "model_not_found"): 1, ("", "invalid_api_key"): 1, ("", "invalid_request"): 1}
    assert expected == harness.gateway.counters.refusals
