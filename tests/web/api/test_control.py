"""The routes that change something, asked over the control socket."""

import io

import pytest

from zoosup.errors import ZoosupError


@pytest.mark.parametrize("verb", ["start", "stop", "restart"])
async def test_a_wish_reaches_the_single_writer_and_the_model_comes_back(house, verb):
    status, answer = await house.post(f"/models/a/{verb}", session=house.unix)
    assert 200 == status
    assert house.runtime.publisher.snapshot["models"]["a"] == answer
    assert [(verb, "a")] == house.runtime.commands.wishes


async def test_what_a_model_needs_is_asked_of_the_runtime(house):
    status, answer = await house.post("/models/a/estimate", session=house.unix)
    assert (200, "learned", {"ram": 3}) == (status, answer["source"], answer["amounts"])
    assert 404 == (await house.post("/models/c/estimate", session=house.unix))[0]


async def test_a_wish_for_an_unknown_model_is_404(house):
    status, answer = await house.post("/models/c/start", session=house.unix)
    assert (404, "model_not_found") == (status, answer["error"]["code"])


async def test_a_wish_that_zoosup_cannot_grant_is_409_with_its_reason(house):
    house.runtime.commands.fault = ZoosupError("zoosup is stopping")
    status, answer = await house.post("/models/a/start", session=house.unix)
    assert (409, "zoosup is stopping") == (status, answer["error"]["message"])


async def test_another_verb_is_no_address(house):
    assert 404 == (await house.post("/models/a/delete", session=house.unix))[0]


async def test_reload_answers_with_the_config(house):
    status, answer = await house.post("/reload", session=house.unix)
    assert (200, 3) == (status, answer["generation"])


async def test_plan_without_a_body_is_for_the_file_that_is_followed(house):
    assert (200, house.runtime.commands.answer) == await house.post("/plan", session=house.unix)
    assert [("plan", None, "/srv/zoo.yaml")] == house.runtime.commands.wishes


async def test_plan_with_a_body_is_for_that_text_under_its_name(house):
    text = "active: []\nmodels: {}\n"
    status, _ = await house.post("/plan?path=other.yaml", session=house.unix, data=text.encode())
    assert 200 == status
    assert [("plan", text, "other.yaml")] == house.runtime.commands.wishes


async def test_plan_for_an_empty_file_is_no_plan_for_the_one_that_is_followed(house):
    status, answer = await house.post("/plan?path=empty.yaml", session=house.unix)
    assert (422, "invalid_file") == (status, answer["error"]["code"])
    assert answer["error"]["message"].startswith("empty.yaml:1:1: ")


async def test_plan_for_an_invalid_file_names_every_problem(house):
    text = b"activ: []\nmodels: {a: {command: x, port: 99999}}\n"
    status, answer = await house.post("/plan?path=z.yaml", session=house.unix, data=text)
    assert 422 == status
    assert {"z.yaml:1:1", "z.yaml:2:32"} <= {
        line.partition(": ")[0] for line in answer["error"]["message"].splitlines()
    }


async def test_plan_for_bytes_that_are_no_text_is_refused_with_their_place(house):
    status, answer = await house.post("/plan?path=z.yaml", session=house.unix, data=b"a\n\xff")
    assert (422, "z.yaml:2:1: the byte 0xFF is not UTF-8, expected UTF-8 text") == (
        status,
        answer["error"]["message"],
    )


async def test_a_body_beyond_the_files_limit_is_refused(house):
    status, answer = await house.post("/plan?path=z", session=house.unix, data=io.BytesIO(b"#" * (1 << 21)))
    assert (413, "body_too_large") == (status, answer["error"]["code"])
