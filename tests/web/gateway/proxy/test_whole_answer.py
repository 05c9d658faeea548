"""An answer that is no stream, as the events of one."""

import json

import pytest

from zoosup.web.gateway.proxy.whole_answer import as_events, begins_events
from zoosup.web.gateway.route import Dialect


def events(body: bytes, dialect: Dialect) -> list[str]:
    said = as_events(body, dialect)
    assert said is not None
    assert said.endswith(b"\n\n")
    return said.decode().removesuffix("\n\n").split("\n\n")


def test_a_chat_completion_becomes_a_chunk_of_one():
    call = {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    whole = {
        "object": "chat.completion",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "a\nb", "tool_calls": [call, call]}}
        ],
        "usage": {"prompt_tokens": 3},
    }
    first, last = events(json.dumps(whole, indent=1).encode(), Dialect.CHAT)
    chunk = json.loads(first.removeprefix("data: "))
    assert last == "data: [DONE]"
    assert (chunk["object"], chunk["usage"]) == ("chat.completion.chunk", whole["usage"])
    delta = chunk["choices"][0]["delta"]
    assert delta["content"] == "a\nb"
    assert delta["tool_calls"] == [{"index": 0} | call, {"index": 1} | call]
    assert "message" not in chunk["choices"][0]


@pytest.mark.parametrize("odd", [{"choices": None}, {"choices": [3]}, {"choices": [{"message": "x"}]}, {}])
def test_what_is_no_chat_completion_stays_what_it_is(odd):
    first, _ = events(json.dumps(odd).encode(), Dialect.CHAT)
    assert json.loads(first.removeprefix("data: ")).get("choices") == odd.get("choices")


def test_other_documents_are_one_event():
    assert events(b'{"text":\n"hi"}', Dialect.OPENAI) == ['data: {"text":"hi"}', "data: [DONE]"]


def test_a_response_is_complete_at_once():
    name, data = events(b'{"id": "r", "output": []}', Dialect.RESPONSES)[0].split("\n")
    assert name == "event: response.completed"
    event = json.loads(data.removeprefix("data: "))
    assert (event["type"], event["response"]) == ("response.completed", {"id": "r", "output": []})


def test_a_models_own_error_is_one():
    assert events(b'{"error": {"message": "no"}}', Dialect.CHAT) == ['data: {"error":{"message":"no"}}']


@pytest.mark.parametrize("body", [b"", b"<p>", b"[1]", b"3", b"\xff", b"[" * 100_000])
def test_what_is_no_object_is_no_event(body):
    assert as_events(body, Dialect.CHAT) is None


def test_a_message_of_anthropics_has_a_stream_of_its_own():
    assert as_events(b'{"type": "message", "content": []}', Dialect.ANTHROPIC) is None


@pytest.mark.parametrize(
    ("body", "begins"),
    [(b"data: 1", True), (b"\r\nevent:x", True), (b": hi", True), (b'{"data":1}', False), (b"dat", False)],
)
def test_a_stream_is_known_by_how_it_begins(body, begins):
    assert begins_events(body) is begins
