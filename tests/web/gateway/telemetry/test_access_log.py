"""A line for each answer, whatever became of it; none where none is asked for, and never a body or a key."""

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from tests.web.gateway.conftest import CHAT, STREAM, GatewayHarness, post, until
from zoosup.core.state.refusal import Code, Refusal
from zoosup.runtime.events.log_sink import JsonLines, TextLines
from zoosup.spec.model.api_keys import ApiKeySpec
from zoosup.spec.model.gateway import AccessLogStyle
from zoosup.web.gateway.context.limits import Limits
from zoosup.web.gateway.telemetry.access_log.writer import LOGGER

PATH = "/v1/chat/completions"
KEY = "x-api-key: ka"
USAGE = b'{"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":34}}'
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(USAGE),
    USAGE,
)
SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENTS = b"%x\r\ndata: %b\n\n\r\n0\r\n\r\n" % (len(USAGE) + 8, USAGE)


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    async def one(self) -> dict[str, Any]:
        """The only line so far."""
        await until(lambda: self.records)
        (record,) = self.records
        found: dict[str, Any] = record.access
        return found


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler = Lines()
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    yield handler
    LOGGER.removeHandler(handler)
    LOGGER.setLevel(logging.NOTSET)


@pytest.fixture
def limits() -> Limits:
    return Limits(tick=0.01, quiet=0.05, quiet_at_most=0.05, in_line=4096)


@pytest.fixture
def settings() -> dict[str, Any]:
    return {"access_log": "json", "api_keys": [ApiKeySpec(name="alice", key="ka", models=("qwen", "absent"))]}


@pytest.fixture
def keys() -> tuple[str, ...]:
    return ("ka",)


def ask(body: bytes = CHAT, *more: str) -> bytes:
    return post(body, f"{PATH}?secret=1", KEY, "x-request-id: mine", *more)


async def test_an_answer(harness: GatewayHarness, lines: Lines):
    harness.script(OK)
    wire = await harness.wire()
    wire.send(ask())
    told = await wire.until(USAGE)
    found = await lines.one()
    assert 0 <= found.pop("seconds") < 5
    expected = {
        "request_id": "mine", "key": "alice", "peer": "127.0.0.1", "method": "POST", "path": PATH, "model": "qwen",
        "status": 200, "wait": 0.0, "bytes": len(told), "prompt_tokens": 12, "completion_tokens": 34,
        "end": "answered", "code": None,
    }  # fmt: skip
    assert expected == found


async def test_each_request_of_a_connection_has_a_line(harness: GatewayHarness, lines: Lines):
    harness.script(OK)
    wire = await harness.wire()
    for _ in range(3):
        wire.send(ask())
        await wire.until(USAGE)
    await until(lambda: len(lines.records) == 3)
    assert 1 == len({(each.access["bytes"], each.access["completion_tokens"]) for each in lines.records})


async def test_a_stream_with_its_last_event(harness: GatewayHarness, lines: Lines):
    async def script(asked, reader, writer):
        writer.write(SSE)
        await asyncio.sleep(0.05)
        writer.write(EVENTS)

    harness.script(script)
    wire = await harness.wire()
    wire.send(ask(STREAM))
    told = await wire.until(b"0\r\n\r\n")
    found = await lines.one()
    assert (len(told), 34) == (found["bytes"], found["completion_tokens"])
    assert found["seconds"] >= 0.05


async def test_who_waited_and_was_told_so(harness: GatewayHarness, lines: Lines):
    harness.script(SSE + EVENTS)
    wire = await harness.wire()
    wire.send(ask(STREAM.replace(b"qwen", b"absent")))
    told = await wire.until(b": loading")
    harness.leasing.arrive("absent", harness.backend.port)
    told += await wire.until(b"0\r\n\r\n")
    found = await lines.one()
    assert ("absent", 200, "answered", 34) == tuple(
        found[n] for n in ("model", "status", "end", "completion_tokens")
    )
    assert len(told) == found["bytes"]
    assert 0.05 <= found["wait"] <= found["seconds"]


REFUSED = {
    "no model": (ask(b'{"model": "nobody"}'), 404, "model_not_found", "alice"),
    "no such address": (
        b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\nx-api-key: ka\r\n\r\n",
        404,
        "unknown_url",
        "alice",
    ),
    "no key": (post(), 401, "invalid_api_key", ""),
    "another's model": (ask(b'{"model": "other"}'), 403, "model_not_allowed", "alice"),
    "no HTTP": (b"no\r\n\r\n", 400, "invalid_request", ""),
    "no beginning": (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505, "invalid_request", ""),
}


@pytest.mark.parametrize(("asked", "status", "code", "key"), REFUSED.values(), ids=REFUSED)
async def test_a_refusal(
    harness: GatewayHarness, lines: Lines, asked: bytes, status: int, code: str, key: str
):
    harness.leasing.models = {**harness.leasing.models, "other": harness.leasing.models["qwen"]}
    _, headers, body = await harness.ask(asked)
    found = await lines.one()
    told = (found["status"], found["end"], found["code"], found["key"], found["model"])
    assert (status, "refused", code, key, None) == told
    assert headers["x-request-id"] == found["request_id"]
    assert found["bytes"] > len(body)


async def test_a_model_that_can_not_be_had(harness: GatewayHarness, lines: Lines):
    harness.leasing.refusals["absent"] = Refusal(Code.QUEUE_FULL, "full")
    await harness.ask(ask(b'{"model": "absent"}'))
    found = await lines.one()
    assert ("absent", 429, "refused", "queue_full") == tuple(
        found[n] for n in ("model", "status", "end", "code")
    )


async def test_one_that_can_not_be_had_after_a_first_word(harness: GatewayHarness, lines: Lines):
    wire = await harness.wire()
    wire.send(ask(STREAM.replace(b"qwen", b"absent")))
    told = await wire.until(b": loading")
    harness.leasing.queue.pop().holder.refused(Refusal(Code.MODEL_FAILED, "it failed"))
    told += await wire.until(b"0\r\n\r\n")
    found = await lines.one()
    assert (200, "refused", "model_failed") == tuple(found[n] for n in ("status", "end", "code"))
    assert len(told) == found["bytes"]


async def test_a_model_that_gives_no_answer(harness: GatewayHarness, lines: Lines):
    async def script(asked, reader, writer):
        writer.close()

    harness.script(script)
    await harness.ask(ask())
    found = await lines.one()
    assert (502, "refused", "upstream_error") == tuple(found[n] for n in ("status", "end", "code"))


async def test_a_client_that_hangs_up_while_it_waits(harness: GatewayHarness, lines: Lines):
    wire = await harness.wire()
    wire.send(ask(b'{"model": "absent"}'))
    await until(lambda: harness.leasing.queue)
    await wire.hang_up()
    found = await lines.one()
    assert ("absent", None, "cancelled", 0) == tuple(found[n] for n in ("model", "status", "end", "bytes"))


async def test_a_client_that_hangs_up_after_a_first_word(harness: GatewayHarness, lines: Lines):
    wire = await harness.wire()
    wire.send(ask(STREAM.replace(b"qwen", b"absent")))
    await wire.until(b": loading")
    await wire.hang_up()
    found = await lines.one()
    assert (200, "cancelled") == (found["status"], found["end"])
    assert found["wait"] > 0


async def _mid_stream(harness: GatewayHarness) -> Any:
    async def script(asked, reader, writer):
        writer.write(SSE + b"8\r\ndata: a\n\r\n")
        await reader.read()

    harness.script(script)
    wire = await harness.wire()
    wire.send(ask(STREAM))
    await wire.until(b"data: a\n\r\n")
    return wire


async def test_a_client_that_hangs_up_in_mid_stream(harness: GatewayHarness, lines: Lines):
    await (await _mid_stream(harness)).hang_up()
    found = await lines.one()
    assert (200, "cancelled", None) == tuple(found[n] for n in ("status", "end", "code"))


async def test_an_answer_that_is_cut(harness: GatewayHarness, lines: Lines):
    wire = await _mid_stream(harness)
    harness.leasing.out[0].holder.cut(Refusal(Code.MODEL_EVICTED, "made room"))
    await wire.rest()
    found = await lines.one()
    assert (200, "cut", "model_evicted") == tuple(found[n] for n in ("status", "end", "code"))


async def test_a_client_that_hangs_up_while_its_long_body_is_read(
    harness: GatewayHarness, lines: Lines, monkeypatch: pytest.MonkeyPatch
):
    work: list[Any] = []

    def later(_pool: Any, do: Any) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        work.append((future, do))
        return future

    monkeypatch.setattr(asyncio.get_running_loop(), "run_in_executor", later, raising=False)
    wire = await harness.wire()
    wire.send(ask(CHAT[:-1] + b', "x": "' + b"x" * 5000 + b'"}'))
    await until(lambda: work)
    await wire.hang_up()
    await asyncio.sleep(0.05)
    future, do = work.pop()
    future.set_result(do())
    found = await lines.one()
    assert ("cancelled", None) == (found["end"], found["model"])


TUNNEL = (
    b"GET /upstream/qwen/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: x\r\n"
    b"x-api-key: ka\r\n\r\n"
)


@pytest.mark.parametrize("cut", [False, True])
async def test_a_tunnel(harness: GatewayHarness, lines: Lines, cut: bool):
    async def script(asked, reader, writer):
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
        await reader.read()

    harness.script(script)
    wire = await harness.wire()
    wire.send(TUNNEL)
    await wire.until(b"\r\n\r\n")
    if cut:
        harness.leasing.out[0].holder.cut(Refusal(Code.MODEL_STOPPED, "by hand"))
    else:
        wire.writer.close()
    found = await lines.one()
    expected = (101, "cut", "model_stopped") if cut else (101, "answered", None)
    assert expected == tuple(found[n] for n in ("status", "end", "code"))


async def test_a_body_that_is_passed_on_as_it_comes(harness: GatewayHarness, lines: Lines):
    harness.script(OK)
    await harness.ask(post(b"x" * 10_000, "/upstream/qwen/x", KEY))
    found = await lines.one()
    assert ("/upstream/qwen/x", "qwen", 34) == tuple(found[n] for n in ("path", "model", "completion_tokens"))


async def test_it_is_turned_on_and_off_for_whoever_is_connected(harness: GatewayHarness, lines: Lines):
    wire, spec = await harness.wire(), harness.gateway._spec
    for style, count in (("off", 0), ("text", 1), ("off", 1), ("json", 2)):
        await harness.gateway.configure(
            spec.model_copy(update={"access_log": AccessLogStyle(style)}), ("ka",)
        )
        wire.send(ask())
        await wire.answer()
        await until(lambda count=count: len(lines.records) == count)
        await asyncio.sleep(0.02)
        assert count == len(lines.records)
    assert [False, True] == [hasattr(each, "access") for each in lines.records]


async def test_neither_keys_nor_queries_nor_bodies_are_in_it(harness: GatewayHarness, lines: Lines):
    harness.script(OK)
    await harness.ask(ask(CHAT[:-1] + b', "prompt": "hunter2"}', "Authorization: Bearer hunter2"))
    await lines.one()
    for formatter in (JsonLines(), TextLines()):
        text = formatter.format(lines.records[0])
        assert json.loads(text)
        assert not any(word in text for word in ("hunter2", "secret", "choices", '"ka"'))


async def test_the_last_lines_are_written_at_its_end(harness: GatewayHarness, lines: Lines):
    wire = await _mid_stream(harness)
    await harness.gateway.stop(0.0)
    assert ("cut", "shutting_down") == tuple(lines.records[0].access[n] for n in ("end", "code"))
    await wire.rest()
