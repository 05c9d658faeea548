"""The routes that change something, asked over the control socket."""

import io

import pytest

from zoosup.errors import ZoosupError


@pytest.mark.parametrize("verb", ["start", "stop", "restart", "auto"])
async def test_a_wish_reaches_the_single_writer_and_the_model_comes_back(harness, verb):
    status, answer = await harness.post(f"/models/a/{verb}", session=harness.unix)
    assert 200 == status
    assert harness.runtime.publisher.snapshot["models"]["a"] == answer
    assert [(verb, "a")] == harness.runtime.commands.wishes


async def test_what_a_model_needs_is_asked_of_the_runtime(harness):
    status, answer = await harness.post("/models/a/estimate", session=harness.unix)
    assert (200, "learned", {"ram": 3}) == (status, answer["source"], answer["amounts"])
    assert 404 == (await harness.post("/models/c/estimate", session=harness.unix))[0]


async def test_a_wish_for_an_unknown_model_is_404(harness):
    status, answer = await harness.post("/models/c/start", session=harness.unix)
    assert (404, "model_not_found") == (status, answer["error"]["code"])


async def test_a_wish_that_zoosup_cannot_grant_is_409_with_its_reason(harness):
    harness.runtime.commands.fault = ZoosupError("zoosup is stopping")
    status, answer = await harness.post("/models/a/start", session=harness.unix)
    assert (409, "zoosup is stopping") == (status, answer["error"]["message"])


async def test_another_verb_is_no_address(harness):
    assert 404 == (await harness.post("/models/a/delete", session=harness.unix))[0]


async def test_reload_answers_with_the_config(harness):
    status, answer = await harness.post("/reload", session=harness.unix)
    assert (200, 3) == (status, answer["generation"])


async def test_plan_without_a_body_is_for_the_file_that_is_followed(harness):
    assert (200, harness.runtime.commands.answer) == await harness.post("/plan", session=harness.unix)
    assert [("plan", None, "/srv/zoo.yaml")] == harness.runtime.commands.wishes


async def test_plan_with_a_body_is_for_that_text_under_its_name(harness):
    text = "active: []\nmodels: {}\n"
    status, _ = await harness.post("/plan?path=other.yaml", session=harness.unix, data=text.encode())
    assert 200 == status
    assert [("plan", text, "other.yaml")] == harness.runtime.commands.wishes


async def test_plan_for_an_empty_file_is_no_plan_for_the_one_that_is_followed(harness):
    status, answer = await harness.post("/plan?path=empty.yaml", session=harness.unix)
    assert (422, "invalid_file") == (status, answer["error"]["code"])
    assert answer["error"]["message"].startswith("empty.yaml:1:1: ")


async def test_plan_for_an_invalid_file_names_every_problem(harness):
    text = b"activ: []\nmodels: {a: {command: x, port: 99999}}\n"
    status, answer = await harness.post("/plan?path=z.yaml", session=harness.unix, data=text)
    assert 422 == status
    assert {"z.yaml:1:1", "z.yaml:2:32"} <= {
        line.partition(": ")[0] for line in answer["error"]["message"].splitlines()
    }


async def test_plan_for_bytes_that_are_no_text_is_refused_with_their_place(harness):
    status, answer = await harness.post("/plan?path=z.yaml", session=harness.unix, data=b"a\n\xff")
    assert (422, "z.yaml:2:1: the byte 0xFF is not UTF-8, expected UTF-8 text") == (
        status,
        answer["error"]["message"],
    )


async def test_a_body_beyond_the_files_limit_is_refused(harness):
    status, answer = await harness.post(
        "/plan?path=z", session=harness.unix, data=io.BytesIO(b"#" * (1 << 21))
    )
    assert (413, "body_too_large") == (status, answer["error"]["code"])
