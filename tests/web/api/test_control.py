"""The routes that change something, asked over the control socket."""

import io

import pytest

from tests.web.fakes import GIB, hold, snapshot
from zoosup.errors import ZoosupError
from zoosup.runtime.api.commands import HoldRequest


@pytest.mark.parametrize("verb", ["start", "stop", "restart", "unload", "auto"])
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


# holds


async def test_room_is_asked_for_and_given_back(harness):
    harness.runtime.publisher.publish(snapshot(holds={"h1": hold()}))
    body = {"ram": "8GiB", "for": "2h", "force": True, "pid": 77, "command": "game", "gpu": None}
    assert (200, hold()) == await harness.post("/holds", session=harness.unix, json=body)
    asked = HoldRequest(ram=8 * GIB, lasts=7200.0, forced=True, pid=77, command="game")
    assert [("hold", asked)] == harness.runtime.commands.wishes
    async with harness.unix.delete(harness.url + "/holds/h1") as answer:
        assert (200, hold()) == (answer.status, await answer.json())


async def test_what_is_held_can_be_read_by_all_and_by_one(harness):
    harness.runtime.publisher.publish(snapshot(holds={"h1": hold()}))
    assert (200, {"h1": hold()}) == await harness.json("/holds")
    assert (200, hold()) == await harness.json("/holds/h1")
    status, answer = await harness.json("/holds/h2")
    assert (404, "hold_not_found", "no hold 'h2'; there are h1") == (
        status, answer["error"]["code"], answer["error"]["message"],
    )  # fmt: skip


async def test_over_tcp_room_is_held_and_given_back_with_the_token_alone(harness):
    harness.runtime.publisher.publish(snapshot(holds={"h1": hold()}))
    harness.server.set_token("secret")
    assert 401 == (await harness.post("/holds", json={"ram": "8GiB"}))[0]
    async with harness.tcp.delete(harness.url + "/holds/h1") as answer:
        assert 401 == answer.status
    shown = {"Authorization": "Bearer secret"}
    assert 200 == (await harness.post("/holds", json={"ram": "8GiB"}, headers=shown))[0]
    async with harness.tcp.delete(harness.url + "/holds/h1", headers=shown) as answer:
        assert 200 == answer.status


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "the body is no JSON: "),
        (b"[]", 'expected an object such as {"ram": "8GiB"}'),
        (b"{}", "expected ram or vram: how much is to be held"),
        (b'{"ram": "8"}', "ram: got '8', expected "),
        (b'{"ram": 8}', "ram: got 8, expected text"),
        (b'{"ram": "1GiB", "for": "soon"}', "for: got 'soon', expected "),
        (b'{"ram": "1GiB", "pid": true}', "pid: got True, expected the number of a process"),
        (b'{"ram": "1GiB", "force": 1}', "force: got 1, expected true or false"),
        (b'{"ram": "1GiB", "gpu": "0"}', "gpu: expected vram beside it: how much of that GPU is to be held"),
        (b'{"size": "1GiB"}', "size: no such key, expected ram, vram, gpu, for, force, command, pid, keep"),
    ],
)
async def test_a_body_that_asks_for_no_room_says_what_is_wrong_with_it(harness, body, message):
    status, answer = await harness.post("/holds", session=harness.unix, data=body)
    assert (400, "bad_request") == (status, answer["error"]["code"])
    assert answer["error"]["message"].startswith(message)
    assert [] == harness.runtime.commands.wishes


async def test_no_room_is_409_with_the_sum(harness):
    harness.runtime.commands.fault = ZoosupError("no room: ram is short of 1 GiB")
    status, answer = await harness.post("/holds", session=harness.unix, json={"ram": "8GiB"})
    assert (409, "no room: ram is short of 1 GiB") == (status, answer["error"]["message"])
