"""Ollama's API on the wire: its own package, and requests as other clients send them, before a scripted server."""

import asyncio
import json
from math import inf

import ollama
import pytest

from tests.web.gateway.conftest import OK, GatewayHarness, named, post, until
from zoosup.core.state.refusal import Code, Refusal
from zoosup.runtime.api.listing import Running
from zoosup.spec.model.api_keys import ApiKeySpec
from zoosup.spec.model.model import ModelSpec, Task
from zoosup.spec.model.requests import VariantSpec
from zoosup.web.gateway.context.limits import Limits

HI = [{"role": "user", "content": "hi"}]
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
USAGE = {"prompt_tokens": 11, "completion_tokens": 2}
THINKS_NOT = VariantSpec(set_params={"chat_template_kwargs": {"enable_thinking": False}})


@pytest.fixture
def models():
    return {
        "qwen": ModelSpec(
            command=("x",), aliases=("gpt-4o",), on_demand=True, variants={"quick": THINKS_NOT}
        ),
        "vectors": ModelSpec(command=("x",), task=Task.EMBED),
        "absent": ModelSpec(command=("x",), on_demand=True),
        "painter": ModelSpec(command=("x",), task=Task.IMAGE),
    }


@pytest.fixture
async def client(harness: GatewayHarness):
    harness.leasing.ports["vectors"] = harness.backend.port
    async with ollama.AsyncClient(f"http://{harness.gateway.address}") as made:
        yield made


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(**said) -> bytes:
    return b"data: %b\n\n" % json.dumps(said).encode()


def delta(finish=None, **words) -> bytes:
    return event(choices=[{"index": 0, "delta": words, "finish_reason": finish}])


def stream(*events: bytes) -> bytes:
    usage = event(choices=[], usage=USAGE)
    return EVENTS + b"".join(map(chunk, [*events, usage, b"data: [DONE]\n\n"])) + b"0\r\n\r\n"


def whole(said, status: bytes = b"200 OK") -> bytes:
    body = json.dumps(said).encode()
    return b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        status,
        len(body),
        body,
    )


def said(**message) -> bytes:
    choice = {"message": {"role": "assistant"} | message, "finish_reason": "stop"}
    return whole({"choices": [choice], "usage": USAGE})


def asked(harness: GatewayHarness) -> dict:
    return json.loads(harness.backend.asked[-1].body)


def get(path: str, *more: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *more, "", ""]).encode()


# its own package


async def test_a_chat(harness: GatewayHarness, client):
    harness.script(said(content="hello", reasoning_content="hm"))
    answer = await client.chat("qwen:latest", HI, options={"num_predict": 5, "num_ctx": 9})
    assert ("hello", "hm", "stop", 11, 2) == (
        answer.message.content,
        answer.message.thinking,
        answer.done_reason,
        answer.prompt_eval_count,
        answer.eval_count,
    )
    assert "qwen:latest" == answer.model
    assert {"model": "qwen", "messages": HI, "max_tokens": 5} == asked(harness)
    head = harness.backend.asked[-1]
    assert b"POST /v1/chat/completions HTTP/1.1" == head.line
    assert ("application/json", None) == (head.headers["content-type"], head.headers.get("accept-encoding"))
    assert {("qwen", "", 200): 1} == harness.gateway.counters.requests


async def test_a_stream_comes_word_by_word(harness: GatewayHarness, client):
    go = asyncio.Event()

    async def script(_, __, writer):
        writer.write(EVENTS + chunk(delta(role="assistant") + delta(content="one")[:20]))
        writer.write(chunk(delta(content="one")[20:]))
        await go.wait()
        writer.write(stream(delta(content=" two"), delta("length")).removeprefix(EVENTS))

    harness.script(script)
    words = [part async for part in await _after_the_first(await client.chat("qwen", HI, stream=True), go)]
    assert ["one", " two", ""] == [part.message.content for part in words]
    assert [False, False, True] == [part.done for part in words]
    assert ("length", 11, 2) == (words[-1].done_reason, words[-1].prompt_eval_count, words[-1].eval_count)


async def _after_the_first(parts, go):
    async def told():
        async for part in parts:
            yield part
            go.set()

    return told()


async def test_a_prompt(harness: GatewayHarness, client):
    harness.script(stream(delta(content="blue"), delta("stop")))
    parts = [part async for part in await client.generate("gpt-4o", "why", system="short", stream=True)]
    assert ["blue", ""] == [part.response for part in parts]
    assert ["system", "user"] == [each["role"] for each in asked(harness)["messages"]]


def weather(city: str) -> str:
    """Tell the weather.

    Args:
        city: where
    """
    return city


@pytest.mark.parametrize("streams", [False, True])
async def test_tools_pictures_and_a_schema(harness: GatewayHarness, client, streams):
    call = {
        "index": 0,
        "id": "c",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"city": "Rome"}'},
    }
    harness.script(
        stream(delta(tool_calls=[call]), delta("tool_calls")) if streams else said(tool_calls=[call])
    )
    schema = {"type": "object", "properties": {}}
    message = HI[0] | {"images": [b"\x89PNG\r\n\x1a\n"]}
    answer = await client.chat("qwen", [message], tools=[weather], format=schema, think=True, stream=streams)
    parts = [part async for part in answer] if streams else [answer]
    [found] = [each for part in parts for each in part.message.tool_calls or ()]
    assert ("weather", {"city": "Rome"}) == (found.function.name, found.function.arguments)
    sent = asked(harness)
    assert "weather" == sent["tools"][0]["function"]["name"]
    assert sent["messages"][0]["content"][1]["image_url"]["url"].startswith("data:image/png;base64,iVBOR")
    assert (schema, True) == (
        sent["response_format"]["json_schema"]["schema"],
        sent["chat_template_kwargs"]["enable_thinking"],
    )


async def test_embeddings(harness: GatewayHarness, client):
    data = [{"index": 0, "embedding": [0.5, 1.0]}, {"index": 1, "embedding": [2.0]}]
    harness.script(whole({"data": data, "usage": {"prompt_tokens": 4}}))
    found = await client.embed("vectors", ["a", "b"], dimensions=2)
    assert ([[0.5, 1.0], [2.0]], 4) == (found.embeddings, found.prompt_eval_count)
    assert {"model": "vectors", "input": ["a", "b"], "encoding_format": "float", "dimensions": 2} == asked(
        harness
    )
    assert [0.5, 1.0] == (await client.embeddings("vectors", "a")).embedding


async def test_what_there_is_what_runs_and_what_each_can_do(harness: GatewayHarness, client):
    harness.leasing.running["qwen"] = Running(3 * 2**30, 2**30, 2_000_000_000.0)
    harness.leasing.running["vectors"] = Running(1, 0, None)
    harness.leasing.contexts["qwen"] = 4096
    assert ["qwen", "quick", "vectors", "absent"] == [each.model for each in (await client.list()).models]
    first, second = (await client.ps()).models
    assert ("qwen", 4 * 2**30, 2**30, 4096) == (
        first.model,
        first.size,
        first.size_vram,
        first.context_length,
    )
    assert 2_000_000_000.0 == first.expires_at.timestamp()
    assert second.expires_at.year > 2300
    assert first.digest == (await client.list()).models[0].digest
    shown = await client.show("gpt-4o:latest")
    assert (
        {"general.architecture": "unknown", "general.basename": "qwen", "unknown.context_length": 4096},
        "num_ctx 4096",
    ) == (
        shown.modelinfo,
        shown.parameters,
    )
    assert ["completion", "tools"] == shown.capabilities
    assert ["embedding"] == (await client.show("vectors")).capabilities
    assert 0 == harness.leasing.looks + len(harness.leasing.given)


@pytest.mark.parametrize(
    ("keep_alive", "seconds"), [("5m", 300.0), (90, 90.0), (-1, inf), ("0", 0.0), (0, 0.0), (None, None)]
)
async def test_a_client_says_how_long_the_model_stays(harness: GatewayHarness, client, keep_alive, seconds):
    harness.script(said(content="x"))
    await client.chat("qwen", HI, keep_alive=keep_alive)
    assert ([] if seconds is None else [("qwen", seconds)]) == harness.leasing.stays


async def test_one_is_loaded_without_a_word(harness: GatewayHarness, client):
    loading = asyncio.ensure_future(client.generate("absent", keep_alive="1h"))
    await until(lambda: harness.leasing.queue)
    harness.leasing.arrive("absent", harness.backend.port)
    answer = await loading
    assert ("", True, "load") == (answer.response, answer.done, answer.done_reason)
    assert ([("absent", 3600.0)], []) == (harness.leasing.stays, harness.backend.asked)


async def test_one_is_given_back_without_a_word(harness: GatewayHarness, client):
    assert "unload" == (await client.chat("qwen", [], keep_alive=0)).done_reason
    assert ([("qwen", 0.0)], 1) == (harness.leasing.stays, harness.leasing.looks)
    assert "unload" == (await client.generate("absent", keep_alive=0)).done_reason
    assert [] == harness.leasing.queue


async def test_one_that_would_not_go_is_not_given_back(client):
    with pytest.raises(ollama.ResponseError, match="vectors is not on_demand") as refused:
        await client.embed("vectors", "", keep_alive=0)
    assert 409 == refused.value.status_code


async def test_refusals_are_in_its_words(harness: GatewayHarness, client):
    with pytest.raises(ollama.ResponseError, match="there is no model 'nobody'; known are qwen") as refused:
        await client.chat("nobody", HI)
    assert 404 == refused.value.status_code
    with pytest.raises(ollama.ResponseError, match="vectors is for embed, and /api/chat is for chat"):
        await client.chat("vectors", HI)
    harness.leasing.refusals["absent"] = Refusal(Code.INSUFFICIENT_MEMORY, "short of 3 GiB")
    with pytest.raises(ollama.ResponseError, match=r"^short of 3 GiB") as refused:
        await client.generate("absent", "x")
    assert 503 == refused.value.status_code
    harness.script(whole({"error": {"message": "context is full", "code": 400}}, b"400 Bad Request"))
    for streams in (False, True):
        with pytest.raises(ollama.ResponseError, match=r"^context is full") as refused:
            await _told(client, streams)
        assert 400 == refused.value.status_code


async def _told(client, streams):
    answer = await client.chat("qwen", HI, stream=streams)
    return [part async for part in answer] if streams else [answer]


async def test_what_zoosup_does_not_do_is_said(client):
    for doing in (
        client.pull("nobody"),
        client.push("qwen"),
        client.copy("qwen", "other"),
        client.create("other", from_="qwen"),
    ):
        with pytest.raises(
            ollama.ResponseError, match=r"models stand in zoo\.yaml: zoosup .* none"
        ) as refused:
            await doing
        assert 501 == refused.value.status_code
    assert 501 == await _status_of(client.delete("qwen"))
    assert "success" == (await client.pull("qwen")).status
    assert ["success"] == [part.status async for part in await client.pull("qwen:latest", stream=True)]


async def _status_of(doing) -> int:
    with pytest.raises(ollama.ResponseError) as refused:
        await doing
    return refused.value.status_code


async def test_an_answer_that_breaks_off_is_seen(harness: GatewayHarness, client):
    async def script(_, __, writer):
        writer.write(EVENTS + chunk(delta(content="one")))
        await writer.drain()
        writer.close()

    harness.script(script)
    parts = []
    with pytest.raises(ollama.ResponseError, match="qwen: it closed the connection"):
        parts += [part async for part in await client.chat("qwen", HI, stream=True)]
    with pytest.raises(ollama.ResponseError, match="qwen: it closed the connection") as refused:
        await client.chat("qwen", HI)
    assert 502 == refused.value.status_code


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (stream(b"data: nonsense\n\n"), "qwen: its answer is no JSON object: 'nonsense'"),
        (stream(event(error={"message": "out of memory"})), "out of memory"),
    ],
)
async def test_a_stream_that_is_none_ends_with_the_reason(harness: GatewayHarness, client, answer, why):
    harness.script(answer)
    with pytest.raises(ollama.ResponseError, match=why):
        [part async for part in await client.chat("qwen", HI, stream=True)]


async def test_a_server_that_does_not_stream_is_answered_for_all_the_same(harness: GatewayHarness, client):
    harness.script(said(content="all at once"))
    [only] = [part async for part in await client.chat("qwen", HI, stream=True)]
    assert ("all at once", True) == (only.message.content, only.done)


# while it waits


@pytest.mark.parametrize("limits", [Limits(tick=0.01, quiet=0.02, quiet_at_most=0.02, comment=0.02)])
@pytest.mark.parametrize(
    ("settings", "thinks"),
    [({}, None), ({"loading": "reasoning"}, "its weights are being read\n"), ({"loading": "off"}, None)],
)
async def test_a_stream_that_waits_is_kept_alive(harness: GatewayHarness, client, settings, thinks):
    asking = asyncio.ensure_future(_all(client.chat("absent", HI, stream=True)))
    await until(lambda: harness.leasing.queue)
    await asyncio.sleep(0.1)
    harness.script(stream(delta(content="here"), delta("stop")))
    harness.leasing.arrive("absent", harness.backend.port)
    *waiting, word, last = await asking
    assert ("here", True) == (word.message.content, last.done)
    assert (settings.get("loading") == "off") == (waiting == [])
    assert {("", thinks)} >= {(part.message.content, part.message.thinking) for part in waiting}
    assert last.load_duration > 90_000_000


async def _all(asking):
    return [part async for part in await asking]


@pytest.mark.parametrize("limits", [Limits(tick=0.01, quiet=0.02, quiet_at_most=0.02, comment=0.02)])
@pytest.mark.parametrize("refuses", ["zoosup", "the model"])
async def test_one_that_was_kept_alive_and_is_then_refused(harness: GatewayHarness, client, refuses):
    asking = asyncio.ensure_future(_all(client.chat("absent", HI, stream=True)))
    await until(lambda: harness.leasing.queue)
    await asyncio.sleep(0.1)
    if refuses == "zoosup":
        harness.leasing.queue.pop().holder.refused(Refusal(Code.MODEL_FAILED, "no such luck"))
    else:
        harness.script(whole({"error": {"message": "no such luck"}}, b"500 Oops"))
        harness.leasing.arrive("absent", harness.backend.port)
    with pytest.raises(ollama.ResponseError, match=r"^no such luck"):
        await asking


async def test_a_client_that_hangs_up_cancels_what_it_asked(harness: GatewayHarness):
    async def script(_, reader, writer):
        writer.write(EVENTS + chunk(delta(content="one")))
        await reader.read()

    harness.script(script)
    streaming, waiting = await harness.wire(), await harness.wire()
    streaming.send(post(json.dumps({"model": "qwen", "messages": HI}).encode(), "/api/chat"))
    waiting.send(post(b'{"model": "absent"}', "/api/generate"))
    await streaming.until(b"one")
    await until(lambda: harness.leasing.queue)
    await streaming.hang_up()
    await waiting.hang_up()
    await until(lambda: harness.backend.hung_up == 1 and not harness.leasing.queue)
    assert {"qwen": 1, "absent": 1} == harness.gateway.counters.cancelled


async def test_a_slow_client_slows_the_model(harness: GatewayHarness):
    sent, words = 0, chunk(delta(content="x" * 60_000))

    async def script(_, __, writer):
        nonlocal sent
        writer.write(EVENTS)
        while sent < 1000:
            writer.write(words)
            await writer.drain()
            sent += 1
        writer.write(chunk(delta("stop")) + b"0\r\n\r\n")

    harness.script(script)
    wire = await harness.wire()
    wire.writer.transport.pause_reading()
    wire.send(post(json.dumps({"model": "qwen", "messages": HI}).encode(), "/api/chat"))
    stuck = -1
    while stuck != sent or not sent:
        stuck = sent
        await asyncio.sleep(0.1)
    assert sent < 500
    wire.writer.transport.resume_reading()
    ending = b""
    while not ending.endswith(b"\r\n0\r\n\r\n"):
        piece = await wire.reader.read(2**20)
        assert piece
        ending = (ending + piece)[-7:]
    assert 1000 == sent


# on the wire


async def test_a_stream_is_lines_of_json_in_chunks(harness: GatewayHarness):
    harness.script(stream(delta(content="ö"), delta("stop")))
    wire = await harness.wire()
    for _ in range(2):  # the connection lives on
        wire.send(post(json.dumps({"model": "qwen", "messages": HI}).encode(), "/api/chat"))
        head = await wire.until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n")
        assert named(b"\r\n\r\n").strip() in head
        body = await wire.until(b"\r\n0\r\n\r\n")
        assert b'"content":"\xc3\xb6"' in body
        assert b"\n\r\n0\r\n\r\n" == body[-8:]


async def test_http_1_0_is_answered_line_by_line_without_chunks(harness: GatewayHarness):
    harness.script(stream(delta(content="one"), delta("stop")))
    request = post(json.dumps({"model": "qwen", "messages": HI}).encode(), "/api/chat").replace(
        b"HTTP/1.1", b"HTTP/1.0"
    )
    head, _, body = (await harness.told(request)).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert ["one", ""] == [json.loads(line)["message"]["content"] for line in body.splitlines()]


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", "text/plain"])
async def test_curl_says_something_else_of_the_body(harness: GatewayHarness, kind: str):
    harness.script(said(content="x"))
    body = b'{"model": "quick", "prompt": "why", "stream": false}'
    status, headers, _ = await harness.ask(
        post(body, "/api/generate").replace(b"application/json", kind.encode())
    )
    assert (200, "application/json") == (status, headers["content-type"])
    sent = asked(harness)
    assert {"enable_thinking": False} == sent["chat_template_kwargs"]  # the variant's word
    assert "application/json" == harness.backend.asked[-1].headers["content-type"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_clients_look_whether_it_runs(harness: GatewayHarness, method: str):
    wire = await harness.wire()
    wire.send(get("/", method=method) + get("/api/version"))
    assert b"HTTP/1.1 200 OK" == (await wire.until(b"\r\n\r\n")).partition(b"\r\n")[0]
    if method == "GET":
        assert b"Ollama is running" == await wire.exactly(17)
    status, _, body = await wire.answer()
    assert (200, {"version"}) == (status, set(json.loads(body)))


async def test_long_bodies_are_read_in_a_thread(harness: GatewayHarness):
    harness.script(said(content="x"))
    picture = "iVBOR" + "A" * 600_000
    message = HI[0] | {"images": [picture]}
    for model in ("qwen", "quick"):
        body = json.dumps({"model": model, "messages": [message], "stream": False}).encode()
        assert 200 == (await harness.ask(post(body, "/api/chat")))[0]
        assert asked(harness)["messages"][0]["content"][1]["image_url"]["url"].endswith(picture)


@pytest.mark.parametrize(
    ("request_", "status", "error"),
    [
        (post(b"{", "/api/chat"), 400, "the body is not a JSON object"),
        (post(b'{"messages": []}', "/api/chat"), 400, "no model is named"),
        (post(b'{"model": "nobody"}', "/api/show"), 404, "there is no model 'nobody'"),
        (post(b"{}", "/api/unheard"), 404, "/api/unheard is none of what is spoken here of Ollama's API"),
        (get("/api/chat"), 405, "GET is not for /api/chat; expected OPTIONS or POST"),
        (get("/api/blobs/sha256:00", method="HEAD"), 501, ""),
        (post(b"x", "/api/chat", "Content-Encoding: gzip"), 415, "the body is encoded as 'gzip'"),
        (post(b"x" * 300_000, "/api/show"), 413, "the body is longer than"),
    ],
)
async def test_what_is_wrong_is_said_in_its_words(harness: GatewayHarness, request_, status, error):
    wire = await harness.wire()
    wire.send(request_)
    head = (await wire.until(b"\r\n\r\n")).decode()
    assert str(status) == head.split()[1]
    if error:
        length = int(head.lower().partition("content-length:")[2].split()[0])
        assert json.loads(await wire.exactly(length))["error"].startswith(error)


class TestKeys:
    @pytest.fixture
    def settings(self):
        return {"api_keys": [ApiKeySpec(name="alice", key="ka", models=("qwen",)), "kp"]}

    @pytest.fixture
    def keys(self):
        return ("ka", "kp")

    async def test_they_are_asked_for_and_for_their_models_alone(self, harness: GatewayHarness):
        harness.script(said(content="x"))
        url = f"http://{harness.gateway.address}"
        async with ollama.AsyncClient(url) as stranger:
            for doing in (stranger.chat("qwen", HI), stranger.list(), stranger.ps(), stranger.show("qwen")):
                assert 401 == await _status_of(doing)
        async with ollama.AsyncClient(url, headers={"Authorization": "Bearer ka"}) as alice:
            assert ["qwen"] == [each.model for each in (await alice.list()).models]
            assert "x" == (await alice.chat("qwen", HI)).message.content
            for doing in (
                alice.chat("quick", HI),
                alice.show("absent"),
                alice.generate("absent", keep_alive=0),
            ):
                assert 403 == await _status_of(doing)
        assert "authorization" not in harness.backend.asked[-1].headers
        assert 1 == harness.gateway.counters.requests["qwen", "alice", 200]


async def test_openais_requests_of_the_same_connection_stay_as_they_are(harness: GatewayHarness):
    wire = await harness.wire()
    for path in ("/v1/chat/completions", "/api/chat", "/v1/chat/completions"):
        harness.script(OK if path.startswith("/v1") else said(content="x"))
        wire.send(
            post(b'{"model": "qwen", "messages": [{"role": "user", "content": "x"}], "stream": false}', path)
        )
        assert 200 == (await wire.answer())[0]
    first, second, third = harness.backend.asked
    assert first == third
    assert first.body != second.body
