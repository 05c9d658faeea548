"""One trace a request: what its spans say, whatever becomes of it, and whose trace it goes on with."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from tests.web.gateway.conftest import CHAT, STREAM, GatewayHarness, post, until
from zoosup.core.state.phases import Phase
from zoosup.core.state.refusal import Code, Refusal
from zoosup.runtime.events.journal import Journal
from zoosup.web.gateway.context.limits import Limits
from zoosup.web.gateway.telemetry.tracing.setup import Tracing
from zoosup.web.gateway.telemetry.tracing.spans import records_by

PATH = "/v1/chat/completions"
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
USAGE = b'{"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":34}}'
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(USAGE),
    USAGE,
)
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
FOR_ABSENT = CHAT.replace(b"qwen", b"absent")


@pytest.fixture
def limits() -> Limits:
    return Limits(tick=0.01, quiet=0.05, quiet_at_most=0.05)


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def tracing(exporter: InMemorySpanExporter, journal: Journal) -> Tracing:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Tracing(records_by(provider.get_tracer("test"), journal), provider.shutdown)


async def spans_of(exporter: InMemorySpanExporter) -> Mapping[str, ReadableSpan]:
    """Those of one request, by name, once it is over."""
    await until(
        lambda: any(span.kind is SpanKind.SERVER and span.end_time for span in exporter.get_finished_spans())
    )
    spans = exporter.get_finished_spans()
    assert 1 == len({span.context.trace_id for span in spans})
    return {span.name: span for span in spans}


def attributes_of(span: ReadableSpan, *without: str) -> dict[str, Any]:
    return {name: value for name, value in (span.attributes or {}).items() if name not in without}


def parent_of(span: ReadableSpan) -> str:
    assert span.parent is not None
    return f"{span.parent.span_id:016x}"


def id_of(span: ReadableSpan) -> str:
    return f"{span.context.span_id:016x}"


async def test_an_answer(harness: GatewayHarness, exporter: InMemorySpanExporter):
    harness.script(OK)
    await harness.ask(post(CHAT, f"{PATH}?secret=1", "x-request-id: mine"))
    spans = await spans_of(exporter)
    assert {f"POST {PATH}", "answer"} == set(spans)
    request, answer = spans[f"POST {PATH}"], spans["answer"]
    assert {
        "http.request.method": "POST",
        "http.route": PATH,
        "url.path": PATH,
        "url.scheme": "http",
        "client.address": "127.0.0.1",
        "zoosup.request_id": "mine",
        "gen_ai.request.model": "qwen",
        "http.response.status_code": 200,
    } == attributes_of(request)
    assert {
        "http.request.method": "POST",
        "gen_ai.request.model": "qwen",
        "http.response.status_code": 200,
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 34,
    } == attributes_of(answer)
    assert (None, SpanKind.CLIENT, id_of(request)) == (request.parent, answer.kind, parent_of(answer))
    assert request.start_time <= answer.start_time <= answer.end_time <= request.end_time
    assert ["first byte"] == [event.name for event in answer.events]
    assert {StatusCode.UNSET} == {request.status.status_code, answer.status.status_code}


@pytest.mark.parametrize("path", [PATH, "/upstream/qwen/x"])
async def test_a_clients_trace_goes_on_at_the_model(
    harness: GatewayHarness, exporter: InMemorySpanExporter, path: str
):
    harness.script(OK)
    await harness.ask(
        post(CHAT, path, f"Traceparent: 00-{TRACE}-{SPAN}-01", "tracestate: a=1,b=2", "baggage: k=v")
    )
    spans = await spans_of(exporter)
    (request,) = (span for span in spans.values() if span.kind is SpanKind.SERVER)
    assert (TRACE, SPAN) == (f"{request.context.trace_id:032x}", parent_of(request))
    headers = harness.backend.asked[0].headers
    assert f"00-{TRACE}-{id_of(spans['answer'])}-01" == headers["traceparent"]
    assert ("a=1,b=2", "k=v") == (headers["tracestate"], headers["baggage"])
    assert 1 == harness.backend.asked[0].head.lower().count(b"traceparent:")


async def test_each_request_of_a_connection_has_a_trace_of_its_own(
    harness: GatewayHarness, exporter: InMemorySpanExporter
):
    harness.script(OK)
    wire = await harness.wire()
    for _ in range(3):  # the later ones are known by their head
        wire.send(post())
        await wire.until(USAGE)
    told = [asked.headers["traceparent"].split("-")[1] for asked in harness.backend.asked]
    assert 3 == len(set(told))


async def test_a_trace_that_the_client_does_not_keep_is_not_kept_but_goes_on(
    harness: GatewayHarness, exporter: InMemorySpanExporter
):
    harness.script(OK)
    await harness.ask(post(CHAT, PATH, f"traceparent: 00-{TRACE}-{SPAN}-00"))
    told = harness.backend.asked[0].headers["traceparent"]
    assert (f"00-{TRACE}-", "-00") == (told[:36], told[-3:])
    assert () == exporter.get_finished_spans()


@pytest.mark.parametrize(
    "lines", [["traceparent: ?"], [f"traceparent: 00-{TRACE}-{SPAN}-01"] * 2, ["tracestate: a=1"]]
)
async def test_what_is_no_context_begins_a_trace(
    harness: GatewayHarness, exporter: InMemorySpanExporter, lines: list[str]
):
    harness.script(OK)
    await harness.ask(post(CHAT, PATH, *lines))
    request = (await spans_of(exporter))[f"POST {PATH}"]
    assert request.parent is None
    assert f"{request.context.trace_id:032x}" == harness.backend.asked[0].headers["traceparent"][3:35]
    assert TRACE != f"{request.context.trace_id:032x}"


async def test_a_refused_request(harness: GatewayHarness, exporter: InMemorySpanExporter):
    harness.leasing.refusals["qwen"] = Refusal(Code.MODEL_BACKOFF, "crashed", 3.0)
    await harness.ask(post())
    spans = await spans_of(exporter)
    request = spans[f"POST {PATH}"]
    assert [f"POST {PATH}"] == list(spans)
    assert (503, "model_backoff", StatusCode.ERROR) == (
        request.attributes["http.response.status_code"],
        request.attributes["error.type"],
        request.status.status_code,
    )


async def test_a_clients_fault_is_told_but_is_no_error_of_the_gateway(
    harness: GatewayHarness, exporter: InMemorySpanExporter
):
    await harness.ask(post(CHAT, "/v1/nonsense"))
    spans = await spans_of(exporter)
    assert ["POST"] == list(spans)
    found = attributes_of(spans["POST"])
    assert (404, "unknown_url", "/v1/nonsense") == (
        found["http.response.status_code"],
        found["error.type"],
        found["url.path"],
    )
    assert ("http.route" in found, StatusCode.UNSET) == (False, spans["POST"].status.status_code)


async def test_an_error_of_the_model(harness: GatewayHarness, exporter: InMemorySpanExporter):
    harness.script(BUSY)
    await harness.ask(post())
    for span in (await spans_of(exporter)).values():
        assert (503, "503", StatusCode.ERROR) == (
            span.attributes["http.response.status_code"],
            span.attributes["error.type"],
            span.status.status_code,
        )


async def test_an_answer_that_breaks_off(harness: GatewayHarness, exporter: InMemorySpanExporter):
    async def script(asked, reader, writer):
        writer.write(SSE)
        await asyncio.sleep(0.02)
        writer.close()

    harness.script(script)
    await harness.told(post(STREAM))
    for span in (await spans_of(exporter)).values():
        assert ("upstream_error", StatusCode.ERROR) == (
            span.attributes["error.type"],
            span.status.status_code,
        )


async def test_a_client_that_hangs_up(harness: GatewayHarness, exporter: InMemorySpanExporter):
    async def script(asked, reader, writer):
        writer.write(SSE)
        await reader.read()

    harness.script(script)
    wire = await harness.wire()
    wire.send(post(STREAM))
    await wire.until(b"\r\n\r\n")
    await wire.hang_up()
    spans = await spans_of(exporter)
    request = spans[f"POST {PATH}"]
    assert {"cancelled"} == {span.attributes["error.type"] for span in spans.values()}
    assert (200, StatusCode.UNSET) == (
        request.attributes["http.response.status_code"],
        request.status.status_code,
    )


async def test_a_wait_and_the_start_that_it_was_for(
    harness: GatewayHarness, exporter: InMemorySpanExporter, journal: Journal
):
    harness.script(OK)
    wire = await harness.wire()
    wire.send(post(FOR_ABSENT))
    await until(lambda: harness.leasing.queue)
    said = {"from": Phase.PENDING, "to": Phase.STARTING, "run_id": "r1"}
    journal.add("Phase", "absent", "starting", "", said)
    journal.add("Phase", "other", "starting", "", said)
    await asyncio.sleep(0.03)
    said = {"from": Phase.STARTING, "to": Phase.READY, "run_id": "r1", "seconds": 0.03}
    journal.add("Phase", "absent", "ready", "", said)
    harness.leasing.arrive("absent", harness.backend.port)
    await wire.until(USAGE)
    spans = await spans_of(exporter)
    assert {f"POST {PATH}", "wait", "start", "answer"} == set(spans)
    wait, start, answer = spans["wait"], spans["start"], spans["answer"]
    assert (id_of(wait), id_of(spans[f"POST {PATH}"])) == (parent_of(start), parent_of(wait))
    expected = {"gen_ai.request.model": "absent", "zoosup.run_id": "r1", "zoosup.start.seconds": 0.03}
    assert expected == attributes_of(start)
    assert wait.start_time <= start.start_time < start.end_time <= wait.end_time <= answer.start_time
    assert start.end_time - start.start_time >= 20_000_000  # uvloop's clock counts milliseconds


async def test_a_client_that_does_not_wait_for_its_model(
    harness: GatewayHarness, exporter: InMemorySpanExporter
):
    wire = await harness.wire()
    wire.send(post(FOR_ABSENT))
    await until(lambda: harness.leasing.queue)
    await wire.hang_up()
    spans = await spans_of(exporter)
    assert {f"POST {PATH}", "wait"} == set(spans)
    assert "cancelled" == spans[f"POST {PATH}"].attributes["error.type"]


async def test_a_server_that_closed_a_connection_unread_is_asked_again_and_both_are_seen(
    harness: GatewayHarness, exporter: InMemorySpanExporter
):
    harness.script(OK)
    await harness.ask(post())
    await until(lambda: 2 == len(exporter.get_finished_spans()))
    exporter.clear()
    asked_before = len(harness.backend.asked)

    async def script(asked, reader, writer):
        if len(harness.backend.asked) == asked_before + 1:
            writer.close()
        else:
            writer.write(OK)

    harness.script(script)
    await harness.ask(post())
    await until(lambda: 3 == len(exporter.get_finished_spans()))
    answers = [span for span in exporter.get_finished_spans() if span.name == "answer"]
    assert ["upstream_error", None] == [span.attributes.get("error.type") for span in answers]
    told = [asked.headers["traceparent"].split("-")[2] for asked in harness.backend.asked[-2:]]
    assert [id_of(span) for span in answers] == told


async def test_ollamas_api(harness: GatewayHarness, exporter: InMemorySpanExporter):
    said = b'{"choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":12,"completion_tokens":34}}'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(said)
    harness.script(head + said)
    await harness.ask(
        post(
            b'{"model": "qwen", "messages": [{"role": "user", "content": "hi"}], "stream": false}',
            "/api/chat",
        )
    )
    spans = await spans_of(exporter)
    assert {"POST /api/chat", "answer"} == set(spans)
    assert 34 == spans["answer"].attributes["gen_ai.usage.output_tokens"]
    assert ["first byte"] == [event.name for event in spans["answer"].events]
    assert id_of(spans["answer"]) == harness.backend.asked[0].headers["traceparent"].split("-")[2]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (b"GET /v1/models/qwen HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /v1/models/{model}"),
        (b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /v1/models"),
        (b"GET /upstream/qwen/a/b HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /upstream/{model}/{path}"),
        (b"PROPFIND /upstream/qwen HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP"),
        (b"POST /api/nonsense HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", "POST"),
    ],
)
async def test_no_name_grows_with_what_clients_make_up(
    harness: GatewayHarness, exporter: InMemorySpanExporter, request_: bytes, expected: str
):
    harness.script(OK)
    await harness.told(request_.replace(b"Host", b"Connection: close\r\nHost"))
    spans = await spans_of(exporter)
    assert [expected] == [span.name for span in spans.values() if span.kind is SpanKind.SERVER]


async def test_a_health_check_is_no_trace(harness: GatewayHarness, exporter: InMemorySpanExporter):
    await harness.ask(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await harness.ask(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert {"GET /v1/models"} == set(await spans_of(exporter))


class TestWithoutTraces:
    """Then a client's context is a header like others."""

    @pytest.fixture
    def tracing(self) -> None:
        return None

    async def test_what_a_client_says_passes_as_it_is(self, harness: GatewayHarness):
        harness.script(OK)
        await harness.ask(post(CHAT, PATH, f"Traceparent: 00-{TRACE}-{SPAN}-01"))
        await harness.ask(post())
        told = [asked.headers.get("traceparent") for asked in harness.backend.asked]
        assert [f"00-{TRACE}-{SPAN}-01", None] == told
