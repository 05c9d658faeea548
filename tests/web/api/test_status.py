"""What the read-only routes answer, asked over a real socket."""

from copy import deepcopy

import pytest

from tests.web.fakes import GIB, NOW, Runtime, condition, model, snapshot


async def test_livez_is_ok_while_the_loop_turns_whatever_the_models_do(harness):
    harness.runtime.publisher.publish(snapshot({"a": model("failed")}))
    assert (200, b"ok\n") == await harness.get("/livez")


async def test_livez_fails_once_the_loop_has_not_turned_for_more_than_five_seconds(harness):
    harness.runtime.commands.age = 5.0
    assert (200, b"ok\n") == await harness.get("/livez")
    harness.runtime.commands.age = 5.1
    assert (503, b"the loop has not turned for 5.1 s\n") == await harness.get("/livez")


@pytest.mark.parametrize("runtime", [Runtime()])
@pytest.mark.parametrize("path", ["/readyz", "/healthz", "/status", "/status/a"])
async def test_before_the_first_pass_there_is_no_answer_but_503(harness, path):
    status, body = await harness.get(path)
    assert 503 == status
    assert b"zoosup has not looked at anything yet" in body


@pytest.mark.parametrize("runtime", [Runtime()])
async def test_before_the_first_pass_livez_and_metrics_answer(harness):
    assert 200 == (await harness.get("/livez"))[0]
    assert 200 == (await harness.get("/metrics"))[0]


async def test_status_is_the_snapshot_and_nothing_else(harness):
    assert (200, snapshot()) == await harness.json("/status")


async def test_status_follows_the_board(harness):
    newer = deepcopy(snapshot())
    newer["conditions"] = [condition("Switched", "RolledBack", "b could not become ready")]
    harness.runtime.publisher.publish(newer)
    assert (200, newer) == await harness.json("/status")


async def test_status_of_one_model_is_its_part(harness):
    assert (200, snapshot()["models"]["a"]) == await harness.json("/status/a")


@pytest.mark.parametrize("name", ["org/model:8b", "org%2Fmodel:8b", "org%2Fmodel%3A8b"])
async def test_a_name_with_slashes_and_colons_is_found_encoded_or_not(harness, name):
    harness.runtime.logs.lines["org/model:8b"] = ["hello"]
    assert 200 == (await harness.get(f"/status/{name}"))[0]
    assert (200, b"hello\n") == await harness.get(f"/logs/{name}")
    assert 200 == (await harness.post(f"/models/{name}/restart", session=harness.unix))[0]
    assert [("restart", "org/model:8b")] == harness.runtime.commands.wishes


async def test_an_unknown_model_is_404_with_those_there_are(harness):
    status, answer = await harness.json("/status/c")
    assert 404 == status
    assert {
        "message": "no model 'c'; there are a, b, org/model:8b",
        "type": "invalid_request_error",
        "code": "model_not_found",
    } == answer["error"]


async def test_an_unknown_address_is_404_with_those_there_are(harness):
    for path in ("/stats", "/index.html"):
        status, answer = await harness.json(path)
        assert 404 == status
        assert "GET /, /livez, /readyz" in answer["error"]["message"]


async def test_a_wrong_method_is_405_and_says_which_are_right(harness):
    async with harness.tcp.get(f"{harness.url}/reload") as answer:
        assert 405 == answer.status
        assert "POST" == answer.headers["Allow"]
        assert "method_not_allowed" == (await answer.json())["error"]["code"]


async def test_events_come_as_json_with_the_number_to_go_on_from(harness):
    journal = harness.runtime.journal
    journal.add("ModelReady", "a", "Ready", "a is ready", {"seconds": 2.5})
    journal.add("ConfigRefused", None, "Invalid", "zoo.yaml:1:1: no")
    status, answer = await harness.json("/events")
    assert 200 == status
    assert 2 == answer["last"]
    assert {
        "seq": 1,
        "at": NOW,
        "type": "ModelReady",
        "words": "ModelReady",
        "model": "a",
        "reason": "Ready",
        "message": "a is ready",
        "data": {"seconds": 2.5},
    } == answer["events"][0]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [1, 2, 3, 4, 5]),
        ("?since=3", [4, 5]),
        ("?model=b", [2, 4]),
        ("?limit=2", [4, 5]),
        ("?limit=0", []),
        ("?since=1&model=b&limit=1", [4]),
        ("?since=99", []),
    ],
)
async def test_events_are_selected_by_number_model_and_limit(harness, query, expected):
    for number in range(1, 6):
        harness.runtime.journal.add("Tick", "ab"[number % 2 == 0], "", str(number))
    assert expected == [event["seq"] for event in (await harness.json(f"/events{query}"))[1]["events"]]


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/events?since=-1", "since"),
        ("/events?limit=ten", "limit"),
        ("/events?since=" + "9" * 30, "since"),
        ("/events?form=json", "form"),
        ("/logs/a?lines=1e3", "lines"),
        ("/logs/a?follow=maybe", "follow"),
        ("/logs/a?previous=1&follow=1", "previous"),
        ("/readyz?model=a", "model"),
    ],
)
async def test_a_wrong_parameter_is_400_and_named(harness, path, names):
    status, answer = await harness.json(path)
    assert 400 == status
    assert answer["error"]["message"].startswith(names)


async def test_logs_are_the_last_lines_as_text(harness):
    harness.runtime.logs.lines["a"] = [f"line {n}" for n in range(300)]
    harness.runtime.logs.previous["a"] = ["it was the other run"]
    async with harness.tcp.get(f"{harness.url}/logs/a") as answer:
        assert "text/plain; charset=utf-8" == answer.headers["Content-Type"]
        assert [f"line {n}" for n in range(200, 300)] == (await answer.text()).splitlines()
    assert (200, b"line 299\n") == await harness.get("/logs/a?lines=1")
    assert (200, b"it was the other run\n") == await harness.get("/logs/a?previous=1")
    assert (200, b"") == await harness.get("/logs/b")


async def test_logs_of_an_unknown_model_are_404_also_when_followed(harness):
    assert 404 == (await harness.get("/logs/c?follow=1"))[0]


async def test_an_internal_error_is_told_as_such_and_nothing_of_it_leaks(harness, caplog):
    harness.runtime.commands.fault = RuntimeError("the secret of the harness")
    status, answer = await harness.post("/models/a/start", session=harness.unix)
    assert 500 == status
    assert "internal_error" == answer["error"]["code"]
    assert "secret" not in str(answer)
    assert "the secret of the harness" in caplog.text


async def test_nothing_may_be_cached_or_sniffed(harness):
    for path in ("/status", "/livez", "/nowhere"):
        async with harness.tcp.get(harness.url + path) as answer:
            assert "no-store" == answer.headers["Cache-Control"]
            assert "nosniff" == answer.headers["X-Content-Type-Options"]


async def test_a_status_comes_with_its_health_where_that_is_asked_for(harness, runtime):
    assert "health" not in (await harness.json("/status"))[1]
    runtime.publisher.publish(
        snapshot({"b": model("failed", reason="CrashLoop", active=True)}, converged=False)
    )
    status, answer = await harness.json("/status?health=1")
    assert 200 == status
    assert answer.pop("health") == (await harness.json("/healthz"))[1]
    assert answer == (await harness.json("/status"))[1]
    assert 400 == (await harness.json("/status?health=perhaps"))[0]


async def test_memory_is_what_pools_held_and_since_a_time_only_what_came_after(harness, runtime):
    runtime.publisher.publish(snapshot(at=1_000_000.0))
    runtime.publisher.publish(snapshot(at=1_000_020.0))
    status, found = await harness.json("/memory")
    assert (200, 10.0, ["ram"]) == (status, found["every"], list(found["pools"]))
    # The harness has published a later one before, so that these began anew.
    assert [[1_000_000.0, 3 * GIB // 2, GIB // 2, 11 * GIB // 2]] == found["pools"]["ram"][:1]
    assert [1_000_020.0] == [
        point[0] for point in (await harness.json("/memory?since=1000010"))[1]["pools"]["ram"]
    ]
    assert 400 == (await harness.get("/memory?since=yesterday"))[0]
