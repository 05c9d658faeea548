"""A model's answers in the words of Ollama's API, whole and as they come."""

import json
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from zoosup.web.gateway.ollama import answers
from zoosup.web.gateway.ollama.answers import AnswerError, Figures, Line, Stream
from zoosup.web.gateway.ollama.requests import Form
from zoosup.web.gateway.ollama.vectors import embeddings

CHAT, GENERATE = Line(Form.CHAT, "m:latest"), Line(Form.GENERATE, "m")
AT = 1764460800.25
HEAD = {"model": "m:latest", "created_at": "2025-11-30T00:00:00.250000Z"}
USAGE = {"prompt_tokens": 11, "completion_tokens": 3}


def delta(finish=None, **words):
    return {"choices": [{"index": 0, "delta": words, "finish_reason": finish}]}


def sse(*chunks):
    return b"".join(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks) + b"data: [DONE]\n\n"


def lines(data):
    return [json.loads(line) for line in data.splitlines()]


def streamed(*chunks, line=CHAT, raw=None):
    """All lines of one stream whose request came at 0, was sent at 1, got a word at 3 and ended at 7."""
    stream = Stream(line, Figures(0.0, 1.0))
    return lines(stream.feed(sse(*chunks) if raw is None else raw, 3.0, AT) + stream.end(7.0, AT))


def piece(**words):
    return HEAD | {"message": {"role": "assistant", "content": ""} | words, "done": False}


def last(**more):
    figures = {
        "total_duration": 7_000_000_000, "load_duration": 1_000_000_000, "prompt_eval_count": 11,
        "prompt_eval_duration": 2_000_000_000, "eval_count": 3, "eval_duration": 4_000_000_000,
    }  # fmt: skip
    return piece() | {"done": True, "done_reason": "stop"} | figures | more


def test_a_stream_of_words():
    found = streamed(
        delta(role="assistant", content=None), delta(content="one"), delta(content=" two"), delta("stop"),
        {"choices": [], "usage": USAGE},
    )  # fmt: skip
    assert [piece(content="one"), piece(content=" two"), last()] == found


def test_what_the_server_says_of_its_time_counts():
    timings = {"prompt_ms": 1.5, "predicted_ms": 2500, "prompt_n": 1}
    found = streamed(delta("length", content="x"), {"choices": [], "usage": USAGE, "timings": timings})[-1]
    more = {"done_reason": "length", "prompt_eval_duration": 1_500_000, "eval_duration": 2_500_000_000}
    assert last(**more) == found


@pytest.mark.parametrize("word", ["reasoning_content", "reasoning"])
def test_thoughts_are_told_apart(word):
    found = streamed(delta(**{word: "hm"}), delta(content="yes"), delta("stop"), {"usage": USAGE})
    assert [piece(thinking="hm"), piece(content="yes"), last()] == found


CALLS = (
    delta(content="", tool_calls=[{"index": 0, "id": "c0", "function": {"name": "add", "arguments": ""}}]),
    delta(tool_calls=[{"index": 0, "function": {"arguments": '{"a": [1,'}}]),
    delta(tool_calls=[{"index": 1, "id": "c1", "function": {"name": "sub", "arguments": "{}"}}]),
    delta(tool_calls=[{"index": 0, "function": {"arguments": " 2]}"}}]),
    delta("tool_calls"),
    {"choices": [], "usage": USAGE},
)


def test_calls_of_tools_are_told_when_they_are_complete():
    calls = [
        {"id": "c0", "function": {"index": 0, "name": "add", "arguments": {"a": [1, 2]}}},
        {"id": "c1", "function": {"index": 1, "name": "sub", "arguments": {}}},
    ]
    assert [piece(tool_calls=calls), last()] == streamed(*CALLS)


@given(st.lists(st.integers(0, len(sse(*CALLS))), max_size=12))
def test_wherever_the_stream_is_cut_the_lines_are_the_same(cuts):
    data, stream, told = sse(delta(content="ö"), *CALLS), Stream(CHAT, Figures(0.0, 1.0)), b""
    ends = [0, *sorted(cuts), len(data)]
    for start, end in pairwise(ends):
        told += stream.feed(data[start:end], 3.0, AT)
    assert streamed(raw=data) == lines(told + stream.end(7.0, AT))


def test_a_call_without_arguments_has_none():
    call = {"index": 0, "function": {"name": "now", "arguments": ""}}
    found = streamed(delta(tool_calls=[call]), delta("tool_calls"), {"usage": USAGE})[0]
    assert [{"function": {"index": 0, "name": "now", "arguments": {}}}] == found["message"]["tool_calls"]


def test_a_call_that_is_cut_off_is_left_out_and_one_that_is_none_is_an_error():
    cut = delta(tool_calls=[{"index": 0, "function": {"name": "add", "arguments": '{"a'}}])
    assert [last(done_reason="length")] == streamed(cut, delta("length"), {"usage": USAGE})
    with pytest.raises(AnswerError, match=r'it calls add with what is no JSON object: \{"a'):
        streamed(cut, delta("tool_calls"))


@pytest.mark.parametrize("arguments", ["[1]", "7", '"a"', "true"])
def test_arguments_that_are_json_and_no_object_are_none(arguments):
    call = delta(tool_calls=[{"index": 0, "function": {"name": "add", "arguments": arguments}}])
    with pytest.raises(AnswerError, match="it calls add with what is no JSON object"):
        streamed(call, delta("tool_calls"))


@pytest.mark.parametrize(
    ("form", "told"),
    [
        (Form.EMBED, {"model": "m:latest", "embeddings": []}),
        (Form.EMBEDDINGS, {"embedding": []}),
        (Form.CHAT, piece() | {"done": True, "done_reason": "load"}),
    ],
)
def test_who_only_wants_the_model_there_is_answered_in_the_form_that_was_asked(form, told):
    assert told == json.loads(answers.unasked(Line(form, "m:latest"), AT, "load"))


def test_an_error_in_a_stream_ends_it_and_nothing_says_that_it_is_complete():
    broken = {"error": {"message": "out of memory", "code": 500}}
    assert [piece(content="x"), {"error": "out of memory"}] == streamed(
        delta(content="x"), broken, delta("stop")
    )


@pytest.mark.parametrize(
    "ending", [b"data: [DONE]\n\n", sse(delta("stop")).removesuffix(b"data: [DONE]\n\n")]
)
def test_an_answer_that_has_not_ended_is_not_said_to_be_complete(ending):
    words = b"data: %b\n\n" % json.dumps(delta(content="x")).encode()
    assert streamed(raw=words + ending)[-1]["done"]
    with pytest.raises(AnswerError, match="its stream has ended before its answer"):
        streamed(raw=words)


NAMES = ("choices", "delta", "message", "content", "reasoning", "tool_calls", "function", "name", "arguments", "index",
         "id", "finish_reason", "usage", "prompt_tokens", "timings", "prompt_ms", "logprobs", "error")  # fmt: skip
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "x", "length", "{}"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
)


@given(ANYTHING, st.sampled_from([CHAT, GENERATE]))
def test_whatever_a_server_says_it_is_told_as_lines_or_is_no_answer(said, line):
    data = json.dumps(said).encode()
    for tell in (
        lambda: streamed(raw=b"data: %b\n\ndata: [DONE]\n\n" % data, line=line),
        lambda: lines(answers.whole(line, Figures(0.0, 1.0), data, 7.0, AT)),
    ):
        try:
            told = tell()
        except AnswerError:
            continue
        assert {"done", "error"} & set(told[-1])


def test_arguments_may_be_an_object():
    call = {"function": {"name": "add", "arguments": {"a": 1}}}
    found = streamed(delta("tool_calls", tool_calls=[call]), {"usage": USAGE})[0]["message"]["tool_calls"]
    assert [{"function": {"index": 0, "name": "add", "arguments": {"a": 1}}}] == found


def test_what_is_no_json_is_no_answer():
    with pytest.raises(AnswerError, match="its answer is no JSON object: 'nonsense'"):
        streamed(raw=b"data: nonsense\n\n")


def test_a_plain_completion_is_a_response():
    chunks = (
        {"choices": [{"text": "one", "finish_reason": None}]},
        {"choices": [{"text": "", "finish_reason": "stop"}]},
    )
    first, end = streamed(*chunks, {"choices": [], "usage": USAGE}, line=GENERATE)
    assert {"model": "m", "created_at": HEAD["created_at"], "response": "one", "done": False} == first
    assert ("", True, 3) == (end["response"], end["done"], end["eval_count"])


def test_probabilities_are_handed_on():
    found = {"token": "a", "logprob": -0.5, "top_logprobs": []}
    chunk = {"choices": [{"delta": {"content": "a"}, "logprobs": {"content": [found]}}]}
    assert [found] == streamed(chunk)[0]["logprobs"]


def test_an_answer_as_a_whole():
    call = {"id": "c", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    message = {"role": "assistant", "content": None, "reasoning_content": "hm", "tool_calls": [call]}
    body = json.dumps(
        {"choices": [{"message": message, "finish_reason": "tool_calls"}], "usage": USAGE}
    ).encode()
    [found] = lines(answers.whole(CHAT, Figures(0.0, 1.0), body, 7.0, AT))
    calls = [{"id": "c", "function": {"index": 0, "name": "add", "arguments": {"a": 1}}}]
    expected = {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": calls}
    assert last(message=expected, prompt_eval_duration=0, eval_duration=6_000_000_000) == found


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"error": {"message": "no", "code": 1}}, "no"),
        ({"error": "no"}, "no"),
        ({"detail": "no"}, "no"),
        ({"message": "no"}, "no"),
        ("no", "no"),
        ({"a": 1}, "{'a': 1}"),
    ],
)
def test_what_an_error_says(said, text):
    assert text == answers.error_text(said)


def test_vectors_are_handed_on_digit_by_digit_in_their_order():
    body = b'{"data":[{"index":1,"embedding":[1e-7, 2.50]},{"index":0,"embedding":[0.1]}],"usage":{"prompt_tokens":5}}'
    found = embeddings(Form.EMBED, "m", Figures(0.0, 1.0), body, 7.0)
    assert b'"embeddings":[[0.1],[1e-7, 2.50]]' in found
    assert {
        "total_duration": 7_000_000_000,
        "load_duration": 1_000_000_000,
        "prompt_eval_count": 5,
    }.items() <= json.loads(found).items()
    assert b'{"embedding":[0.1]}' == embeddings(Form.EMBEDDINGS, "m", Figures(0.0, 1.0), body, 7.0)


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"data":[{}]}', b"\xff"])
def test_what_has_no_vectors(body):
    with pytest.raises(AnswerError, match="its answer has no embeddings"):
        embeddings(Form.EMBED, "m", Figures(0.0, 1.0), body, 7.0)
