"""Variants, a default model and headers of zoo.yaml's: what the model's server is sent."""

import json

import pytest

from tests.web.gateway.conftest import CHAT, ID, GatewayHarness, post
from tests.web.gateway.forms import TYPE, form
from zoosup.runtime.api.upstream import Upstream
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.requests import VariantSpec

FAST = VariantSpec(
    set_params={"chat_template_kwargs": {"enable_thinking": False}},
    default_params={"temperature": 0.2},
    description="Quick",
)


@pytest.fixture
def models():
    return {
        "qwen": ModelSpec(
            command=("x",),
            aliases=("gpt-4o",),
            variants={"qwen-fast": FAST},
            upstream_headers={"X-Team": "a b", "authorization": "Bearer own"},
            default_params={"top_k": 1},
        ),
        "absent": ModelSpec(command=("x",)),
    }


async def test_a_variant_is_its_model_with_other_parameters(harness: GatewayHarness):
    body = b'{"model": "qwen-fast", "chat_template_kwargs": {"x":1}, "n": 1.0}'
    await harness.ask(post(body))
    expected = (
        b'{"model": "qwen", "chat_template_kwargs": {"x":1,"enable_thinking":false}, "n": 1.0,'
        b'"top_k":1,"temperature":0.2}'
    )
    assert expected == harness.backend.asked[0].body
    assert ["qwen"] == [lease.model for lease in harness.leasing.given]


async def test_a_form_for_a_variant_is_changed_likewise(harness: GatewayHarness):
    body = form(('name="model"', b"qwen-fast"), ('name="temperature"', b"1"))
    lines = (b"Content-Type: application/json", f"Content-Type: {TYPE}".encode())
    await harness.ask(post(body, "/v1/images/edits").replace(*lines))
    expected = form(
        ('name="model"', b"qwen"),
        ('name="temperature"', b"1"),
        ('name="top_k"', b"1"),
        ('name="chat_template_kwargs"', b'{"enable_thinking":false}'),
    )
    assert expected == harness.backend.asked[0].body


async def test_a_variant_is_listed_and_described_by_itself(harness: GatewayHarness):
    _, _, body = await harness.ask(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
    listed = {each["id"]: each for each in json.loads(body)["data"]}
    assert ["qwen", "qwen-fast", "absent"] == list(listed)
    assert ("qwen", "Quick", []) == tuple(
        listed["qwen-fast"][n] for n in ("variant_of", "description", "aliases")
    )
    _, _, body = await harness.ask(b"GET /v1/models/qwen-fast HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert listed["qwen-fast"] == json.loads(body)
    _, _, body = await harness.ask(b"GET /v1/models/gpt-4o HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert listed["qwen"] == json.loads(body)


async def test_headers_of_the_file_take_the_place_of_the_clients(harness: GatewayHarness):
    for _ in range(2):  # the second is known by its head
        await harness.ask(post(CHAT, "/v1/chat/completions", "x-team: mine", "Authorization: Bearer client"))
    for asked in harness.backend.asked:
        assert asked.head.endswith(
            b"\r\nContent-Type: application/json\r\nX-Team: a b\r\nauthorization: Bearer own\r\n"
            b"Content-Length: %d\r\n%b\r\n" % (len(asked.body), ID)
        )


async def test_an_edit_of_them_counts_from_the_next_request_on_the_same_connection(harness: GatewayHarness):
    await harness.ask(post())
    harness.leasing.upstreams["qwen"] = Upstream((("X-Team", "b"),))
    await harness.ask(post())
    assert ["a b", "b"] == [asked.headers["x-team"] for asked in harness.backend.asked]
    assert 1 == harness.backend.connections


async def test_without_a_default_a_body_must_name_its_model(harness: GatewayHarness):
    status, _, body = await harness.ask(post(b"{}"))
    assert (400, "missing_required_parameter") == (status, json.loads(body)["error"]["code"])


async def test_a_default_answers_for_a_body_that_names_none(harness: GatewayHarness):
    harness.leasing.default = "qwen"
    for body in (b'{"messages":[]}', b'{"model":null}', b'{"model":""}'):
        assert 200 == (await harness.ask(post(body)))[0]
    assert [b'{"messages":[],"top_k":1}', b'{"model":null,"top_k":1}', b'{"model":"","top_k":1}'] == [
        asked.body for asked in harness.backend.asked
    ]
