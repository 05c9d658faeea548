"""May traffic come, and is all as the file says: what health checkers are answered."""

import pytest

from tests.web.fakes import condition, model, snapshot


async def test_readyz_is_ready_when_every_active_model_is(harness):
    assert (200, b"ready\n") == await harness.get("/readyz")


async def test_readyz_says_which_model_is_missing_and_why(harness):
    waiting = model("pending", reason="WaitingForMemory", message="ram is short of 3.1 GiB")
    harness.runtime.publisher.publish(snapshot({"a": model("ready"), "b": waiting}))
    assert (
        503,
        b"not ready\nb is pending (waits for memory: ram is short of 3.1 GiB)\n",
    ) == await harness.get("/readyz")


async def test_readyz_asked_for_some_models_looks_at_those_alone(harness):
    harness.runtime.publisher.publish(
        snapshot({"a": model("ready"), "b": model("starting"), "c": model("ready", active=False)})
    )
    assert 200 == (await harness.get("/readyz?models=a,c"))[0]
    assert (503, b"not ready\nb is starting\n") == await harness.get("/readyz?models=a,b")


async def test_readyz_asked_for_an_unknown_model_says_so(harness):
    status, answer = await harness.json("/readyz?models=a,nobody")
    assert 404 == status
    assert "model_not_found" == answer["error"]["code"]


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({"config": {"observed_generation": 2}}, b"generation 3 of zoo.yaml is being applied"),
        ({"config": {"generation": 0, "observed_generation": 0}}, b"no zoo.yaml has been applied yet"),
        ({"phase": "starting"}, b"zoosup is starting"),
        ({"phase": "stopping"}, b"zoosup is stopping"),
        ({"fleet": {"assigned": False}}, b"the fleet has not said yet what this host is to run"),
    ],
)
async def test_readyz_waits_for_the_spec_to_be_applied(harness, change, missing):
    harness.runtime.publisher.publish(snapshot(**change))
    assert (503, b"not ready\n" + missing + b"\n") == await harness.get("/readyz")


async def test_a_refused_file_leaves_a_serving_zoo_ready_and_is_told_in_healthz(harness):
    harness.runtime.publisher.publish(snapshot(config={"error": "zoo.yaml:3:1: activ: unknown key"}))
    assert (200, b"ready\n") == await harness.get("/readyz")
    status, answer = await harness.json("/healthz")
    assert 503 == status
    assert "zoo.yaml:3:1: activ: unknown key" == answer["config_error"]
    assert ["zoo.yaml is refused: zoo.yaml:3:1: activ: unknown key"] == answer["wrong"]


GATEWAY_DOWN = condition("GatewayListening", "Refused", "127.0.0.1:8080 is in use")
TAKEN_OVER = {"incoming": ["b"], "outgoing": ["a"], "outcome": "open"}
TOO_LARGE = {"reason": "ExceedsBudget", "message": "needs 90 GiB", "refused": True}


async def test_readyz_waits_for_the_gateway(harness):
    harness.runtime.publisher.publish(snapshot(conditions=[GATEWAY_DOWN], converged=False))
    said = "the gateway does not listen where zoo.yaml says: 127.0.0.1:8080 is in use"
    assert (503, f"not ready\n{said}\n".encode()) == await harness.get("/readyz")
    assert 503 == (await harness.get("/readyz?models=a"))[0]
    assert [said] == (await harness.json("/healthz"))[1]["wrong"]


@pytest.mark.parametrize(
    ("models", "more", "ready"),
    [
        ({"a": model("ready", active=False), "b": model("starting")}, {"switch": TAKEN_OVER}, True),
        ({"a": model("stopping", active=False), "b": model("pending")}, {"switch": TAKEN_OVER}, False),
        ({"a": model("ready", active=False), "b": model("ready"), "c": model("starting")}, {}, False),
        ({"a": model("ready"), "b": model("failed")}, {}, True),
        ({"a": model("ready"), "b": model("pending", **TOO_LARGE)}, {}, True),
        ({"a": model("ready"), "b": model("backoff")}, {}, False),
        ({"a": model("ready"), "b": model("stopped", active=True, override="stop")}, {}, True),
        ({"a": model("pending", on_demand=True, reason="WaitingForEviction")}, {}, True),
        ({"a": model("parked", on_demand=True)}, {}, True),
        (
            {"a": model("starting", active=False), "b": model("failed")},
            {"switch": TAKEN_OVER | {"outcome": "rolled-back"}},
            False,
        ),
        (
            {"a": model("ready", active=False), "b": model("failed")},
            {"switch": TAKEN_OVER | {"outcome": "rolled-back"}},
            True,
        ),
    ],
)
async def test_readyz_asks_whether_traffic_may_come(harness, models, more, ready):
    harness.runtime.publisher.publish(snapshot(models, **more))
    assert (200 if ready else 503) == (await harness.get("/readyz"))[0]


async def test_readyz_names_what_the_file_can_not_have(harness):
    harness.runtime.publisher.publish(snapshot({"a": model("ready"), "b": model("pending", **TOO_LARGE)}))
    said = b"ready\nnot to be had: b is pending (can never fit: needs 90 GiB)\n"
    assert (200, said) == await harness.get("/readyz")
    assert 503 == (await harness.get("/readyz?models=b"))[0]


async def test_readyz_asked_for_the_model_to_come_is_answered_by_the_one_that_serves(harness):
    models = {"a": model("ready", active=False), "b": model("starting")}
    harness.runtime.publisher.publish(snapshot(models, switch=TAKEN_OVER))
    assert 200 == (await harness.get("/readyz?models=b"))[0]


@pytest.mark.parametrize(
    ("models", "more", "wrong"),
    [
        ({"a": model("ready")}, {}, []),
        ({"a": model("ready")}, {"converged": False}, ["zoosup is still at work"]),
        (
            {"a": model("ready", conditions=[condition("Current", "FetchingWeights", "1 of 2 GiB")])},
            {"converged": False},
            ["a runs as it was before the last edit: its weights are being downloaded: 1 of 2 GiB"],
        ),
        ({"a": model("failed", reason="OOM")}, {}, ["a is failed (given up for want of memory)"]),
        ({"a": model("failed", active=False, on_demand=True)}, {}, ["a is failed"]),
        ({"a": model("backoff")}, {"converged": False}, ["a is backoff"]),
        (
            {"a": model("ready", crashes=3)},
            {},
            ["a is ready (crashed 3 times in a row; not yet stable)"],
        ),
        (
            {"a": model("pending", **TOO_LARGE)},
            {"converged": False},
            ["a is pending (can never fit: needs 90 GiB)"],
        ),
        (
            {"a": model("ready")},
            {"conditions": [condition("StateWritable", "Refused", "the disk is full")]},
            ["the disk does not take what zoosup writes: the disk is full"],
        ),
    ],
)
async def test_healthz_says_what_is_not_as_the_file_says(harness, models, more, wrong):
    harness.runtime.publisher.publish(snapshot(models, **more))
    status, answer = await harness.json("/healthz")
    assert (200 if not wrong else 503, wrong) == (status, answer["wrong"])


async def test_healthz_counts_phases_and_names_who_is_missing(harness):
    models = {"a": model("ready"), "b": model("backoff"), "c": model("stopped"), "d": model("stopped")}
    harness.runtime.publisher.publish(snapshot(models, converged=False))
    assert (
        503,
        {
            "healthy": False,
            "tone": "move",
            "verdict": "at work",
            "wrong": ["b is backoff"],
            "ready": False,
            "missing": ["b is backoff"],
            "waiting": ["b"],
            "refused": [],
            "phases": {"ready": 1, "backoff": 1, "stopped": 2},
            "converged": False,
            "generation": 3,
            "config_error": None,
        },
    ) == await harness.json("/healthz")
