"""What Ollama's clients send, and what becomes of it: bodies for OpenAI's API of a model's server."""

import json
from contextlib import suppress
from math import inf

import pytest
from hypothesis import given, strategies as st

from zoosup.web.gateway.errors import DeniedError
from zoosup.web.gateway.ollama import fields, keep_alive
from zoosup.web.gateway.ollama.api import known_as
from zoosup.web.gateway.ollama.requests import Form, asked

HI = {"role": "user", "content": "hi"}
STREAM = {"stream": True, "stream_options": {"include_usage": True}}


def sent(form=Form.CHAT, name="m", **said):
    """The body that the model's server gets."""
    return json.loads(asked(form, json.dumps({"model": "m"} | said).encode()).named(name))


def refused(form=Form.CHAT, **said):
    with pytest.raises(DeniedError) as caught:
        asked(form, json.dumps({"model": "m"} | said).encode())
    return caught.value


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (None, None), ("", None), (0, 0), ("0", 0), ("0s", 0), (300, 300), (1.5, 1.5), ("300", 300), ("5m", 300),
        ("1h30m", 5400), ("1.5h", 5400), ("250ms", 0.25), ("24h", 86400), (-1, inf), ("-1", inf), ("-1m", inf),
        ("+5s", 5), (10**400, inf), (-(10**400), inf), ("9" * 60 + "h", inf), (float("inf"), inf),
        (315360000, 315360000), (315360001, inf),
    ],
)  # fmt: skip
def test_how_long_a_model_stays(said, seconds):
    assert seconds == keep_alive.seconds(said)


@pytest.mark.parametrize("said", [True, "soon", "5 m", "m", "5m!", [], {}, "--5m", "1e3", float("nan")])
def test_what_is_no_duration(said):
    with pytest.raises(DeniedError, match="keep_alive: expected seconds"):
        keep_alive.seconds(said)


def test_a_chat_streams_unless_it_is_told_not_to():
    assert {"model": "m", "messages": [HI], **STREAM} == sent(messages=[HI])
    assert {"model": "m", "messages": [HI]} == sent(messages=[HI], stream=False)


def test_the_server_is_told_the_name_that_zoo_yaml_has():
    assert "öl" == sent(name="öl", messages=[HI])["model"]


def test_options_are_put_in_other_words_and_those_about_loading_left_out():
    same = {
        "temperature": 0, "top_p": 0.9, "top_k": 40, "min_p": 0.1, "typical_p": 0.7, "seed": 7, "stop": ["a"],
        "presence_penalty": 0.5, "frequency_penalty": 0.2, "repeat_penalty": 1.1, "repeat_last_n": 64,
        "mirostat": 2, "mirostat_tau": 5.0, "mirostat_eta": 0.1,
    }  # fmt: skip
    other = {"num_predict": 0, "num_keep": 5}
    loading = {"num_ctx": 8192, "num_gpu": 99, "num_thread": 4, "use_mmap": True, "tfs_z": 1.0}
    found = sent(messages=[HI], stream=False, options=same | other | loading)
    renamed = {"max_tokens": 0, "n_keep": 5, "repetition_penalty": 1.1}
    assert {"model": "m", "messages": [HI]} | same | renamed == found


@pytest.mark.parametrize("limit", [-1, -2, None])
def test_an_answer_without_a_limit_has_none(limit):
    assert "max_tokens" not in sent(messages=[HI], options={"num_predict": limit})


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"format": "json"}, {"response_format": {"type": "json_object"}}),
        (
            {"format": {"type": "object"}},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": True},
                }
            },
        ),
        ({"format": ""}, {}),
        ({"think": None}, {}),
        ({"think": False}, {"chat_template_kwargs": {"enable_thinking": False}}),
        (
            {"think": "low"},
            {
                "reasoning_effort": "low",
                "chat_template_kwargs": {"enable_thinking": True, "reasoning_effort": "low"},
            },
        ),
        ({"logprobs": True, "top_logprobs": 3}, {"logprobs": True, "top_logprobs": 3}),
        ({"tools": [{"type": "function"}]}, {"tools": [{"type": "function"}]}),
        ({"options": None, "tools": None, "format": None}, {}),
    ],
)
def test_format_thinking_and_tools(said, expected):
    assert {"model": "m", "messages": [HI]} | expected == sent(messages=[HI], stream=False, **said)


def test_pictures_become_parts_by_how_they_begin():
    found = sent(messages=[HI | {"images": ["/9j/AA", "iVBORw0", "data:image/webp;base64,A", "UklGR1"]}])
    text, *pictures = found["messages"][0]["content"]
    assert {"type": "text", "text": "hi"} == text
    assert [
        "data:image/jpeg;base64,/9j/AA",
        "data:image/png;base64,iVBORw0",
        "data:image/webp;base64,A",
        "data:image/webp;base64,UklGR1",
    ] == [each["image_url"]["url"] for each in pictures]
    assert {"image_url"} == {each["type"] for each in pictures}


def test_calls_and_their_results_are_joined_by_ids_of_their_own():
    def call(name):
        return {"function": {"name": name, "arguments": {"of": name}}}

    found = sent(
        messages=[
            HI,
            {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": [call("a"), call("b")]},
            {"role": "tool", "tool_name": "b", "content": "B"},
            {"role": "tool", "content": "A"},
            {"role": "assistant", "tool_calls": [call("a")]},
            {"role": "tool", "content": "A2", "name": "a"},
        ]
    )["messages"]
    assert "hm" == found[1]["reasoning_content"]
    assert [("call_0", "a", '{"of": "a"}'), ("call_1", "b", '{"of": "b"}')] == [
        (each["id"], each["function"]["name"], each["function"]["arguments"])
        for each in found[1]["tool_calls"]
    ]
    assert ["call_1", "call_0"] == [found[2]["tool_call_id"], found[3]["tool_call_id"]]
    assert found[4]["tool_calls"][0]["id"] == found[5]["tool_call_id"] == "call_2"


def test_a_result_that_names_its_call_is_that_ones():
    call = {"id": "x9", "function": {"name": "a", "arguments": {}}}
    said = [
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "x9", "content": "1"},
    ]
    found = sent(messages=said)["messages"]
    assert ("x9", "x9") == (found[0]["tool_calls"][0]["id"], found[1]["tool_call_id"])


def test_a_prompt_goes_as_a_chat_so_that_the_models_template_is_put_around_it():
    found = sent(
        Form.GENERATE, prompt="hi", system="be brief", suffix="", template="", context=[], stream=False
    )
    assert [{"role": "system", "content": "be brief"}, HI] == found["messages"]
    assert b"/v1/chat/completions" == asked(Form.GENERATE, b'{"model":"m","prompt":"hi"}').target


def test_a_raw_prompt_goes_as_it_is():
    said = asked(Form.GENERATE, b'{"model":"m","prompt":"<s>hi","raw":true,"stream":false}')
    assert (b"/v1/completions", {"model": "m", "prompt": "<s>hi"}) == (
        said.target,
        json.loads(said.named("m")),
    )


@pytest.mark.parametrize(
    ("form", "said", "texts"),
    [
        (Form.EMBED, {"input": ["a", "b"], "truncate": True}, ["a", "b"]),
        (Form.EMBED, {"input": "a"}, "a"),
        (Form.EMBEDDINGS, {"prompt": "a"}, "a"),
    ],
)
def test_texts_to_embed(form, said, texts):
    assert {"model": "m", "input": texts, "encoding_format": "float"} == sent(form, **said)
    assert {"dimensions": 64}.items() <= sent(form, dimensions=64, **said).items()


@pytest.mark.parametrize(
    ("form", "said"),
    [
        (Form.CHAT, {}),
        (Form.CHAT, {"messages": [], "options": {"num_ctx": 1}}),
        (Form.GENERATE, {}),
        (Form.GENERATE, {"prompt": ""}),
        (Form.EMBED, {"input": []}),
        (Form.EMBEDDINGS, {"prompt": ""}),
    ],
)
def test_without_words_the_model_is_only_to_be_there_or_to_go(form, said):
    def read(**more):
        return asked(form, json.dumps({"model": "m"} | said | more).encode())

    assert (None, False, None) == ((found := read()).body, found.unloads, found.stay)
    assert (inf, False) == ((found := read(keep_alive=-1)).stay, found.unloads)
    assert read(keep_alive=0).unloads


@pytest.mark.parametrize(
    ("form", "said", "message"),
    [
        (Form.CHAT, {"messages": "hi"}, "messages: expected a list"),
        (Form.CHAT, {"messages": ["hi"]}, r"messages[0]: expected an object"),
        (Form.CHAT, {"messages": [HI, {"role": 1}]}, "messages[1].role: expected a string"),
        (Form.CHAT, {"messages": [HI | {"images": [7]}]}, "messages[0].images[0]: expected a picture in Base64"),
        (Form.CHAT, {"messages": [{"role": "a", "tool_calls": [{"function": 1}]}]},
         "messages[0].tool_calls[0].function: expected an object"),
        (Form.CHAT, {"messages": [HI], "options": []}, "options: expected an object"),
        (Form.CHAT, {"messages": [HI], "format": "xml"}, 'format: expected "json", or a JSON schema'),
        (Form.CHAT, {"messages": [HI], "think": 1}, 'think: expected true, false, or an effort such as "low"'),
        (Form.CHAT, {"model": 1}, "model: expected a string"),
        (Form.GENERATE, {"prompt": "a", "suffix": "b"},
         "suffix is not supported; send raw with the model's own words for it, or POST /infill"),
        (Form.GENERATE, {"prompt": "a", "template": "{{ .Prompt }}"}, "template is not supported; send raw"),
        (Form.EMBED, {"input": 7}, "input: expected a string, or a list of strings"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(form, said, message):
    assert (400, message) == ((error := refused(form, **said)).status, error.message)


NAMES = (
    "model", "messages", "role", "content", "images", "tool_calls", "function", "name", "arguments", "prompt", "system",
    "options", "stop", "num_predict", "seed", "format", "think", "tools", "input", "keep_alive", "stream", "raw",
    "logprobs", "top_logprobs", "dimensions",
)  # fmt: skip
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "x", "tool", "json", "5m", "\ud800"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
)


@given(st.sampled_from(Form), st.dictionaries(st.sampled_from(NAMES), ANYTHING, max_size=6))
def test_whatever_a_client_sends_it_is_read_or_refused(form, said):
    with suppress(DeniedError):
        found = asked(form, json.dumps(said).encode())
        assert found.body is None or "m" == json.loads(found.named("m"))["model"]


@pytest.mark.parametrize("depth", [900, 980, 100_000])
def test_what_is_nested_too_deeply_is_refused_or_read(depth):
    body = b'{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[%b]}' % (
        b'{"a":' * depth + b"1" + b"}" * depth
    )
    with suppress(DeniedError):
        assert "m" == json.loads(asked(Form.CHAT, body).named("m"))["model"]


def test_a_body_that_is_translated_has_a_length_of_its_own(monkeypatch):
    body = b'{"model":"m","messages":[{"role":"user","content":"x"}]}'
    monkeypatch.setattr(fields, "LONGEST", len(body))
    asked(Form.CHAT, body)
    with pytest.raises(DeniedError, match=r"/v1/ takes more") as caught:
        asked(Form.CHAT, body + b" ")
    assert (413, "body_too_large") == (caught.value.status, caught.value.code)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"a":1}x', b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_object(body):
    with pytest.raises(DeniedError, match="the body is not a JSON object"):
        asked(Form.CHAT, body)


@pytest.mark.parametrize(
    ("name", "known"), [("a", "a"), ("a:latest", "a"), ("b", "b:latest"), ("b:latest", "b:latest"), ("c", "c"),
                        ("d:7b", "d:7b"), ("", "")],
)  # fmt: skip
def test_a_tag_that_says_latest_may_be_there_or_not(name, known):
    assert known == known_as(name, {"a", "b:latest", "d:7b"}.__contains__)
