"""Requests that need not name their model: stable-diffusion servers, lists of voices; and aliases in the list."""

import json
from typing import Any

import pytest

from tests.web.gateway.conftest import GatewayHarness, post, until
from zoosup.spec.model.model import ModelSpec


@pytest.fixture
def models() -> dict[str, ModelSpec]:
    return {
        "qwen": ModelSpec(command=("x",), task="image", aliases=("sdxl",), set_params={"steps": 4}),
        "kokoro": ModelSpec(command=("x",), task="audio"),
        "chat": ModelSpec(command=("x",), task="chat"),
    }


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()


async def test_a_picture_is_asked_of_the_only_model_that_makes_some(harness: GatewayHarness):
    status, _, _ = await harness.ask(post(b'{"prompt":"a cat"}', "/sdapi/v1/txt2img"))
    asked = harness.backend.asked[0]
    assert (200, b"POST /sdapi/v1/txt2img HTTP/1.1") == (status, asked.line)
    assert {"prompt": "a cat", "steps": 4} == json.loads(asked.body)


async def test_its_lists_and_what_has_no_body_reach_it_too(harness: GatewayHarness):
    assert b" 200 " in await harness.told(get("/sdapi/v1/sd-models"))
    status, _, _ = await harness.ask(post(b"", "/sdapi/v1/interrupt?model=sdxl"))
    lines = [asked.line for asked in harness.backend.asked]
    assert 200 == status
    assert [b"GET /sdapi/v1/sd-models HTTP/1.1", b"POST /sdapi/v1/interrupt?model=sdxl HTTP/1.1"] == lines
    assert 0 == harness.leasing.looks


async def test_a_long_body_is_read_for_its_checkpoint(harness: GatewayHarness):
    picture = "A" * 3_000_000
    body = {"init_images": [picture], "override_settings": {"sd_model_checkpoint": "sdxl"}}
    status, _, _ = await harness.ask(post(json.dumps(body).encode(), "/sdapi/v1/img2img"))
    assert 200 == status
    assert body | {"steps": 4} == json.loads(harness.backend.asked[0].body)


async def test_progress_is_a_look(harness: GatewayHarness):
    assert b" 200 " in await harness.told(get("/sdapi/v1/progress?skip_current_image=false"))
    assert 1 == harness.leasing.looks
    del harness.leasing.ports["qwen"]
    said = await harness.told(get("/sdapi/v1/progress"))
    assert b"model_not_loaded" in said
    await until(lambda: not harness.leasing.out)


async def test_a_model_for_something_else_is_never_taken(harness: GatewayHarness):
    status, _, body = await harness.ask(post(b'{"model":"chat"}', "/sdapi/v1/txt2img"))
    assert (400, "model_task_mismatch") == (status, json.loads(body)["error"]["code"])
    status, _, body = await harness.ask(post(b'{"model":"none"}', "/sdapi/v1/txt2img"))
    assert (404, "model_not_found") == (status, json.loads(body)["error"]["code"])


async def test_voices_are_those_of_the_model_that_the_query_names(harness: GatewayHarness):
    harness.leasing.ports["kokoro"] = harness.backend.port
    assert b" 200 " in await harness.told(get("/v1/audio/voices?model=kokoro"))
    assert b" 400 " in await harness.told(get("/v1/audio/voices?model=qwen"))
    assert ["kokoro"] == [lease.model for lease in harness.leasing.given]
    assert b"GET /v1/audio/voices?model=kokoro HTTP/1.1" == harness.backend.asked[0].line


class TestAliases:
    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"list_aliases": True}

    async def test_are_listed_where_the_file_says_so(self, harness: GatewayHarness):
        body = (await harness.told(get("/v1/models"))).partition(b"\r\n\r\n")[2]
        assert ["qwen", "sdxl", "kokoro", "chat"] == [each["id"] for each in json.loads(body)["data"]]


async def test_aliases_are_not_listed_else(harness: GatewayHarness):
    body = (await harness.told(get("/v1/models"))).partition(b"\r\n\r\n")[2]
    assert ["qwen", "kokoro", "chat"] == [each["id"] for each in json.loads(body)["data"]]
