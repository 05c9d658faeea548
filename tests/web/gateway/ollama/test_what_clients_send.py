"""Requests as programs that speak Ollama's API are known to write them, and what a model's server makes of each."""

import json
from math import inf

import pytest

from zoosup.web.gateway.ollama.requests import Form, asked

STREAM = {"stream": True, "stream_options": {"include_usage": True}}
USER = {"role": "user", "content": "hi"}
TOOL = {
    "type": "function",
    "function": {"name": "HassTurnOn", "parameters": {"type": "object", "properties": {}}},
}

CASES = {
    "Open WebUI": (
        Form.CHAT,
        {
            "model": "m", "messages": [{"role": "system", "content": "be brief"}, USER], "stream": True,
            "options": {"num_ctx": 8192, "temperature": 0.7, "stop": ["###"]}, "keep_alive": "10m", "format": None,
        },
        600,
        {"messages": [{"role": "system", "content": "be brief"}, USER], "temperature": 0.7, "stop": ["###"], **STREAM},
    ),
    "Open WebUI, a title": (
        Form.CHAT,
        {"model": "m", "messages": [USER], "stream": False, "options": {"num_predict": 1000}, "metadata": {"a": 1}},
        None,
        {"messages": [USER], "max_tokens": 1000},
    ),
    "LangChain": (
        Form.CHAT,
        {
            "messages": [{"role": "user", "content": "hi", "images": []}], "stream": True, "model": "m",
            "think": None, "format": None, "keep_alive": None, "tools": [],
            "options": {"mirostat": None, "num_ctx": None, "repeat_last_n": 64, "tfs_z": None, "seed": 3},
        },
        None,
        {"messages": [USER], "repeat_last_n": 64, "seed": 3, **STREAM},
    ),
    "Home Assistant": (
        Form.CHAT,
        {
            "model": "m", "messages": [USER], "tools": [TOOL], "stream": True, "format": "", "think": False,
            "keep_alive": "-1s", "options": {"num_ctx": 8192},
        },
        inf,
        {"messages": [USER], "tools": [TOOL], "chat_template_kwargs": {"enable_thinking": False}, **STREAM},
    ),
    "Home Assistant, a call and its result": (
        Form.CHAT,
        {
            "model": "m", "stream": True, "keep_alive": "300s",
            "messages": [
                {"role": "assistant", "content": None,
                 "tool_calls": [{"function": {"name": "HassTurnOn", "arguments": {"name": "lamp"}}}]},
                {"role": "tool", "content": '{"success": true}'},
            ],
        },
        300,
        {
            "messages": [
                {"role": "assistant", "content": "", "tool_calls": [
                    {"id": "call_0", "type": "function",
                     "function": {"name": "HassTurnOn", "arguments": '{"name": "lamp"}'}}]},
                {"role": "tool", "content": '{"success": true}', "tool_call_id": "call_0"},
            ],
            **STREAM,
        },
    ),
    "Continue, a chat": (
        Form.CHAT,
        {"model": "m", "raw": False, "messages": [USER], "keep_alive": 1800, "options": {"num_predict": -1}},
        1800,
        {"messages": [USER], **STREAM},
    ),
    "Continue, a line to complete": (
        Form.GENERATE,
        {
            "model": "m", "prompt": "<PRE> a <SUF>b <MID>", "raw": True, "keep_alive": 1800, "system": "",
            "options": {"temperature": 0.01, "num_predict": 256, "stop": ["<PRE>"], "num_thread": 4},
        },
        1800,
        {"prompt": "<PRE> a <SUF>b <MID>", "temperature": 0.01, "max_tokens": 256, "stop": ["<PRE>"], **STREAM},
    ),
    "ollama run": (
        Form.CHAT,
        {"model": "m", "messages": [USER], "format": "", "options": {}, "think": None},
        None,
        {"messages": [USER], **STREAM},
    ),
    "ollama run, before the first word": (Form.GENERATE, {"model": "m", "prompt": "", "stream": None}, None, None),
    "ollama stop": (Form.GENERATE, {"model": "m", "prompt": "", "keep_alive": 0}, 0, None),
    "LlamaIndex": (
        Form.EMBED,
        {"model": "m", "input": ["a"], "options": {"num_ctx": 2048}, "truncate": True, "keep_alive": 300.0},
        300,
        {"input": ["a"], "encoding_format": "float"},
    ),
    "AnythingLLM": (Form.EMBEDDINGS, {"model": "m", "prompt": "a"}, None, {"input": "a", "encoding_format": "float"}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_each_is_understood(case):
    form, said, stay, sent = case
    found = asked(form, json.dumps(said).encode())
    assert stay == found.stay
    assert sent == (None if found.body is None else json.loads(found.body))
