"""What the gateway itself says, as its clients' libraries read it."""

import json

import httptools
import pytest

from zoosup.core.state.phases import Phase
from zoosup.core.state.refusal import Code, Refusal
from zoosup.runtime.api.listing import ModelCard
from zoosup.spec.model.model import ModelSpec, Task
from zoosup.web.gateway.errors import DeniedError
from zoosup.web.gateway.http1.response import Response
from zoosup.web.gateway.proxy import rendering
from zoosup.web.gateway.route import Dialect


def headers(answer):
    return {name.lower(): value for name, value in answer.headers}


@pytest.mark.parametrize(
    ("refusal", "status", "kind", "param", "again"),
    [
        (
            Refusal(Code.MODEL_NOT_FOUND, "m", final=True),
            404,
            "invalid_request_error",
            "model",
            {"x-should-retry": "false"},
        ),
        (
            Refusal(Code.MODEL_DISABLED, "m", final=True),
            409,
            "invalid_request_error",
            "model",
            {"x-should-retry": "false"},
        ),
        (Refusal(Code.QUEUE_FULL, "m"), 429, "rate_limit_error", None, {"retry-after": "1"}),
        (Refusal(Code.QUEUE_FULL, "m", 12.2), 429, "rate_limit_error", None, {"retry-after": "13"}),
        (
            Refusal(Code.REQUEST_TIMEOUT, "m", final=True),
            504,
            "server_error",
            "model",
            {"x-should-retry": "false"},
        ),
        (Refusal(Code.INSUFFICIENT_MEMORY, "m"), 503, "server_error", "model", {}),
        (Refusal(Code.INSUFFICIENT_MEMORY, "m", 0.2), 503, "server_error", "model", {"retry-after": "1"}),
        (
            Refusal(Code.INSUFFICIENT_MEMORY, "m", 5, final=True),
            424,
            "invalid_request_error",
            "model",
            {"x-should-retry": "false"},
        ),
        (Refusal(Code.MODEL_LOADING_TIMEOUT, "m", 30), 503, "server_error", "model", {"retry-after": "30"}),
        (Refusal(Code.MODEL_BACKOFF, "m", 3.01), 503, "server_error", "model", {"retry-after": "4"}),
        (
            Refusal(Code.MODEL_FAILED, "m", final=True),
            424,
            "invalid_request_error",
            "model",
            {"x-should-retry": "false"},
        ),
        (Refusal(Code.UPSTREAM_ERROR, "m"), 502, "server_error", "model", {}),
        (Refusal(Code.MODEL_EVICTED, "m", 2), 503, "server_error", "model", {"retry-after": "2"}),
        (Refusal(Code.SHUTTING_DOWN, "m"), 503, "server_error", None, {}),
    ],
)
def test_every_refusal_has_a_status_and_says_whether_to_try_again(refusal, status, kind, param, again):
    answer = rendering.refused(refusal, local=False)
    assert status == answer.status
    assert {"message": "m", "type": kind, "code": refusal.code.value, "param": param} == json.loads(
        answer.body
    )["error"]
    assert {"content-type": "application/json"} | again == headers(answer)


def test_no_code_is_without_a_status():
    for code in Code:
        assert 400 <= rendering.refused(Refusal(code, "m"), local=True).status < 600


def test_the_last_log_lines_are_for_this_host_alone():
    refusal = Refusal(Code.MODEL_FAILED, "it failed", details="line 1\nline 2")
    near, far = (json.loads(rendering.refused(refusal, local=local).body)["error"] for local in (True, False))
    assert ("it failed\nline 1\nline 2", "it failed") == (near["message"], far["message"])
    assert b"line 2" in rendering.event(refusal, local=True)
    assert b"line 2" not in rendering.event(refusal, local=False)


@pytest.mark.parametrize(
    ("denied", "kind", "anthropic"),
    [
        (DeniedError(400, "invalid_json", "m"), "invalid_request_error", "invalid_request_error"),
        (DeniedError(401, "invalid_api_key", "m"), "invalid_request_error", "authentication_error"),
        (DeniedError(403, "wrong_origin", "m"), "invalid_request_error", "permission_error"),
        (DeniedError(404, "unknown_url", "m"), "invalid_request_error", "not_found_error"),
        (DeniedError.too_large(5), "invalid_request_error", "request_too_large"),
    ],
)
def test_a_denial_has_the_shape_that_its_client_knows(denied, kind, anthropic):
    plain = json.loads(rendering.denied_answer(denied).body)
    assert {"message": denied.message, "type": kind, "code": denied.code, "param": None} == plain["error"]
    theirs = json.loads(rendering.denied_answer(denied, Dialect.ANTHROPIC).body)
    assert {"type": "error", "error": {"type": anthropic, "message": denied.message}} == theirs


def test_a_busy_house_is_overloaded_to_anthropics_clients():
    refusal = Refusal(Code.INSUFFICIENT_MEMORY, "m")
    body = json.loads(rendering.refused(refusal, Dialect.ANTHROPIC, local=False).body)
    assert {"type": "error", "error": {"type": "overloaded_error", "message": "m"}} == body


def test_a_denial_keeps_its_headers():
    denied = DeniedError(405, "method_not_allowed", "m", headers={"Allow": "GET"})
    assert "GET" == headers(rendering.denied_answer(denied))["allow"]


class Read:
    def __init__(self, data):
        self.headers, self.body, self.whole = [], b"", False
        self.parser = httptools.HttpResponseParser(self)
        self.parser.feed_data(data)
        self.status = self.parser.get_status_code()

    def on_header(self, name, value):
        self.headers.append((name.decode(), value.decode("latin-1")))

    def on_body(self, body):
        self.body += body

    def on_message_complete(self):
        self.whole, self.stays = True, self.parser.should_keep_alive()


def test_an_answer_is_written_so_that_a_parser_reads_it_back():
    answer = Response(404, (("Content-Type", "application/json"),), b'{"a":1}\n')
    read = Read(answer.serialised())
    assert (404, b'{"a":1}\n', True, True) == (read.status, read.body, read.whole, read.stays)
    assert [("Content-Type", "application/json"), ("Content-Length", "8")] == read.headers
    assert not Read(answer.serialised(close=True)).stays
    assert answer.serialised(head_only=True) + answer.body == answer.serialised()


def test_no_value_breaks_out_of_its_header():
    answer = Response(200, (("Allow", "a\r\nSet-Cookie: b"), ("X", "ü☃")), b"")
    assert [("Allow", "a Set-Cookie: b"), ("X", "ü?"), ("Content-Length", "0")] == Read(
        answer.serialised()
    ).headers


def test_an_answer_without_a_body_has_no_length():
    assert (
        b"HTTP/1.1 204 No Content\r\nAllow: GET\r\n\r\n"
        == Response(204, (("Allow", "GET"),), b"").serialised()
    )
    assert b"HTTP/1.1 599 Unknown\r\n" in Response(599, (), b"").serialised()


CARDS = (
    ModelCard(
        "qwen",
        ModelSpec(
            command=("llama-server", "-m", "q.gguf", "--mmproj", "p.gguf", "--lora", "l.gguf"),
            aliases=("gpt-4o-mini",),
            task=Task.CHAT,
            on_demand=True,
            description="for everybody",
        ),
        Phase.READY,
        active=True,
        created=1790000000.7,
        context_length=32768,
    ),
    ModelCard("other", ModelSpec(command=("x",)), Phase.STOPPED, active=False, created=1.0),
)


def test_the_models_are_listed_once_each_with_what_clients_read():
    assert {
        "object": "list",
        "data": [
            {
                "id": "qwen",
                "object": "model",
                "created": 1790000000,
                "owned_by": "zoosup",
                "task": "chat",
                "state": "ready",
                "aliases": ["gpt-4o-mini"],
                "active": True,
                "on_demand": True,
                "is_lora": True,
                "multimodal": True,
                "context_length": 32768,
                "description": "for everybody",
            },
            {
                "id": "other",
                "object": "model",
                "created": 1,
                "owned_by": "zoosup",
                "task": None,
                "state": "stopped",
                "aliases": [],
                "active": False,
                "on_demand": False,
                "is_lora": False,
                "multimodal": False,
            },
        ],
    } == json.loads(rendering.models_document(CARDS))


def test_aliases_are_entries_of_their_own_where_that_is_wanted():
    plain = json.loads(rendering.models_document(CARDS))["data"]
    listed = json.loads(rendering.models_document(CARDS, aliases=True))["data"]
    names = [name for card in CARDS for name in (card.name, *card.spec.aliases)]
    assert len(names) > len(CARDS)
    assert names == [entry["id"] for entry in listed]
    assert plain[0] | {"id": CARDS[0].spec.aliases[0]} == listed[1]


def test_one_model_is_described_as_in_the_list():
    listed = json.loads(rendering.models_document(CARDS))["data"][0]
    answer = rendering.document_answer(rendering.model_document(CARDS[0]))
    assert (200, listed) == (answer.status, json.loads(answer.body))


def test_a_comment_stays_one_line_of_a_stream():
    assert b": qwen is loading 3 s\n\n" == rendering.loading_comment("qwen is\n\nloading\r3\u2028s")
    assert b": a data: b\n\n" == rendering.loading_comment("a\ndata: b")


def event(raw):
    """The event's name and its data as JSON; it must be one event and whole."""
    assert raw.endswith(b"\n\n")
    lines = raw.decode().removesuffix("\n\n").split("\n")
    fields = dict(line.split(": ", 1) for line in lines)
    assert len(lines) == len(fields)
    return fields.get("event"), json.loads(fields["data"])


def test_waiting_is_told_as_reasoning_of_a_chat_completion():
    name, chunk = event(rendering.loading_reasoning("qwen", "waits\nfor memory", 1790000000))
    assert (None, "chat.completion.chunk", "qwen", 1790000000) == (
        name,
        chunk["object"],
        chunk["model"],
        chunk["created"],
    )
    assert {"role": "assistant", "reasoning_content": "waits for memory\n"} == chunk["choices"][0]["delta"]
    assert chunk["choices"][0]["finish_reason"] is None


@pytest.mark.parametrize("dialect", [Dialect.OPENAI, Dialect.CHAT])
def test_a_stream_ends_with_an_error_that_openais_client_raises(dialect):
    name, data = event(rendering.sse_error("it\ndied", "upstream_error", dialect))
    expected = {"message": "it\ndied", "type": "server_error", "code": "upstream_error", "param": None}
    assert (None, {"error": expected}) == (name, data)


def test_a_stream_ends_with_an_error_that_anthropics_client_raises():
    name, data = event(rendering.sse_error("it died", "upstream_error", Dialect.ANTHROPIC))
    assert ("error", {"type": "error", "error": {"type": "api_error", "message": "it died"}}) == (name, data)


def test_a_stream_of_responses_ends_with_an_error_event():
    name, data = event(rendering.sse_error("it died", "upstream_error", Dialect.RESPONSES))
    assert ("error", "error", "upstream_error", "it died") == (
        name,
        data["type"],
        data["code"],
        data["message"],
    )


def test_half_a_surrogate_pair_breaks_no_message():
    body = rendering.refused(Refusal(Code.MODEL_NOT_FOUND, "no \ud83d"), local=False).body
    assert "no ?" == json.loads(body)["error"]["message"]


def test_an_alias_is_listed_once_however_many_variants_its_model_has():
    spec = ModelSpec(command=("x",), aliases=("b",), variants={"a-fast": {}})
    cards = [
        ModelCard("a", spec, Phase.READY, active=True, created=1.0),
        ModelCard("a-fast", spec, Phase.READY, active=True, created=1.0, model="a"),
    ]
    listed = json.loads(rendering.models_document(cards, aliases=True))["data"]
    assert ["a", "b", "a-fast"] == [each["id"] for each in listed]


@pytest.mark.parametrize(
    ("body", "event"),
    [
        (b'{"error": {"code": 5}, "more": 1}', b'data: {"error":{"code":5},"more":1}\n\n'),
        (b'{"detail": "no"}', None),
        (b'["error"]', None),
        (b"error", None),
        (b"\xff", None),
        (b"[" * 100_000, None),
    ],
)
def test_a_models_own_error_is_told_with_all_its_fields_where_it_is_one(body, event):
    assert event == rendering.own_error(body, Dialect.CHAT)
    named = None if event is None else b"event: error\n" + event
    assert named == rendering.own_error(body, Dialect.ANTHROPIC)
