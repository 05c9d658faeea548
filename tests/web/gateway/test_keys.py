"""Keys with names: what each is for, how it is counted, and how its client is told apart from others."""

import json

import pytest

from tests.web.gateway.conftest import CHAT, GatewayHarness, post, until
from zoosup.spec.model.api_keys import ApiKeySpec
from zoosup.spec.model.model import ModelSpec, Task
from zoosup.spec.model.requests import VariantSpec

ALICE, BOB, PLAIN = "x-api-key: ka", "Authorization: Bearer kb", "x-api-key: kp"
QUICK = VariantSpec(set_params={"top_k": 1})


@pytest.fixture
def models():
    return {
        "qwen": ModelSpec(command=("x",), aliases=("gpt-4o",), variants={"quick": QUICK}),
        "absent": ModelSpec(command=("x",), task=Task.IMAGE),
        "other": ModelSpec(command=("x",), task=Task.IMAGE),
    }


@pytest.fixture
def settings():
    alice = ApiKeySpec(name="alice", key="ka", models=("gpt-4o", "absent"))
    return {"api_keys": [alice, ApiKeySpec(name="bob", key="kb", models=("quick",)), "kp"]}


@pytest.fixture
def keys():
    return ("ka", "kb", "kp")


def get(path: str, *more: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *more, "", ""]).encode()


def chat(name: str, key: str, path: str = "/v1/chat/completions") -> bytes:
    return post(CHAT.replace(b"qwen", name.encode()), path, key)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (chat("qwen", ALICE), 200),
        (chat("gpt-4o", ALICE), 200),
        (chat("quick", ALICE), 403),
        (chat("other", ALICE, "/v1/embeddings"), 403),
        (chat("nobody", ALICE), 404),
        (chat("qwen", BOB), 403),
        (chat("quick", BOB), 200),
        (chat("qwen", PLAIN), 200),
        (chat("quick", PLAIN), 200),
        (chat("qwen", "x-api-key: none"), 401),
        (post(CHAT, "/upstream/qwen/anything", ALICE), 200),
        (post(CHAT, "/upstream/other/anything", ALICE), 403),
        (get("/metrics?model=qwen", ALICE), 200),
        (get("/metrics?model=other", ALICE), 403),
        (get("/v1/models/gpt-4o", ALICE), 200),
        (get("/v1/models/other", ALICE), 403),
    ],
)
async def test_a_key_is_for_its_models(harness: GatewayHarness, request_: bytes, status: int):
    for _ in range(2):  # the second is known by its head
        found, _, body = await harness.ask(request_)
        assert status == found
        if status == 403:
            assert "model_not_allowed" == json.loads(body)["error"]["code"]
    assert (2 if status == 200 and b"/v1/models" not in request_ else 0) == len(harness.backend.asked)


@pytest.mark.parametrize("request_", [post(CHAT, "/upstream/quick/x", BOB), get("/slots?model=quick", BOB)])
async def test_a_key_for_a_variant_does_not_reach_past_its_parameters(
    harness: GatewayHarness, request_: bytes
):
    assert 403 == (await harness.ask(request_))[0]
    assert [] == harness.backend.asked


async def test_anthropics_clients_are_refused_in_their_words(harness: GatewayHarness):
    status, _, body = await harness.ask(chat("other", ALICE, "/v1/messages"))
    assert (403, "permission_error") == (status, json.loads(body)["error"]["type"])


async def test_others_are_not_listed_nor_told_of(harness: GatewayHarness):
    _, _, body = await harness.ask(get("/v1/models", ALICE))
    assert ["qwen", "absent"] == [each["id"] for each in json.loads(body)["data"]]
    _, _, body = await harness.ask(chat("nobody", BOB))
    assert b'known are quick"' in body


async def test_the_only_model_of_a_task_is_the_only_one_of_this_key(harness: GatewayHarness):
    wire = await harness.wire()
    wire.send(post(b"{}", "/sdapi/v1/txt2img", ALICE))
    await until(lambda: harness.leasing.queue)
    assert "absent" == harness.leasing.queue[0].model
    status, _, body = await harness.ask(post(b"{}", "/sdapi/v1/txt2img", PLAIN))
    assert (400, True) == (status, b"absent, other" in body)


async def test_requests_are_counted_by_the_name_of_their_key(harness: GatewayHarness):
    for request in (chat("qwen", ALICE), chat("quick", ALICE), chat("quick", BOB), chat("qwen", PLAIN)):
        await harness.ask(request)
    await harness.ask(post())
    expected = {
        ("qwen", "alice", 200): 1, ("", "alice", 403): 1, ("qwen", "bob", 200): 1, ("qwen", "", 200): 1,
        ("", "", 401): 1,
    }  # fmt: skip
    assert expected == harness.gateway.counters.requests


async def test_clients_are_told_apart_by_name_else_by_their_key(harness: GatewayHarness):
    for request in (chat("qwen", ALICE), chat("quick", BOB), chat("qwen", PLAIN)):
        await harness.ask(request)
    alice, bob, plain = (lease.holder.client for lease in harness.leasing.given)
    assert ("key alice", "key bob") == (alice, bob)
    assert len("key 0123456789abcdef") == len(plain)
    assert "kp" not in plain.removeprefix("key ")


async def test_what_a_key_is_for_can_change_while_its_client_is_connected(harness: GatewayHarness):
    wire = await harness.wire()
    wire.send(chat("quick", ALICE))
    assert 403 == (await wire.answer())[0]
    alice = ApiKeySpec(name="alice", key="ka", models=("quick",))
    spec = harness.gateway._spec.model_copy(update={"api_keys": (alice,)})
    await harness.gateway.configure(spec, ("ka",))
    wire.send(chat("quick", ALICE))
    assert 200 == (await wire.answer())[0]
