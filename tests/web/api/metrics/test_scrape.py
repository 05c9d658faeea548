"""What Prometheus is told, read back with its own parser."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.web.fakes import GIB, NOW, Runtime, condition, model, pool, snapshot
from zoosup.web.gateway.telemetry.usage import Tokens


async def scrape(harness) -> dict[tuple[str, ...], float]:
    status, body = await harness.get("/metrics")
    assert 200 == status
    families = list(text_string_to_metric_families(body.decode()))
    assert all(family.documentation for family in families if family.name.startswith("zoosup_"))
    return {
        (sample.name, *(f"{key}={value}" for key, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


async def test_a_models_phase_is_one_of_eleven(harness):
    found = await scrape(harness)
    phases = {key[2]: value for key, value in found.items() if key[:2] == ("zoosup_model_phase", "model=a")}
    assert 11 == len(phases)
    assert ["phase=ready"] == [phase for phase, value in phases.items() if value]


async def test_pools_and_models_are_told_in_bytes(harness):
    found = await scrape(harness)
    assert 16 * GIB == found["zoosup_pool_total_bytes", "node=box", "pool=ram"]
    assert 11 * GIB / 2 == found["zoosup_pool_foreign_bytes", "node=box", "pool=ram"]
    assert 2 * GIB == found["zoosup_model_memory_reserved_bytes", "model=a", "pool=ram"]
    assert 3 * GIB / 2 == found["zoosup_model_memory_held_bytes", "model=a", "pool=ram"]
    assert NOW - 3600 == found["zoosup_model_ready_timestamp_seconds", "model=a"]


async def test_what_clients_of_the_gateway_were_answered_is_counted(harness):
    clients = harness.runtime.clients
    clients.answered("a", "alice", 200)
    clients.answered("a", "alice", 201)
    clients.answered("a", "", 503)
    clients.refusals["a", "queue_full"] = 3
    clients.cancelled["a"] = 2
    clients.forwarded["a", "box2"] = 5
    clients.took("a", "alice", Tokens(12, 34))
    clients.connections, clients.sent = 7, 4096
    found = await scrape(harness)
    assert 1 == found["zoosup_gateway_requests_total", "key=alice", "model=a", "status=200"]
    assert 1 == found["zoosup_gateway_requests_total", "key=alice", "model=a", "status=201"]
    assert 1 == found["zoosup_gateway_requests_total", "key=", "model=a", "status=503"]
    assert 3 == found["zoosup_gateway_refusals_total", "code=queue_full", "model=a"]
    assert 5 == found["zoosup_gateway_forwarded_total", "model=a", "node=box2"]
    assert 2 == found["zoosup_gateway_cancelled_requests_total", "model=a"]
    assert 12 == found["zoosup_gateway_prompt_tokens_total", "key=alice", "model=a"]
    assert 34 == found["zoosup_gateway_completion_tokens_total", "key=alice", "model=a"]
    assert 7 == found["zoosup_gateway_connections",]
    assert 4096 == found["zoosup_gateway_sent_bytes_total",]


async def test_a_duration_counts_under_every_bound_that_it_keeps(harness):
    clients = harness.runtime.clients
    for seconds in (0.004, 0.005, 0.3, 700):
        clients.first_bytes["a"].observe(seconds)
    clients.answers["a"].observe(2)
    clients.waiting = 1
    clients.waited_for("a", 31)
    found = await scrape(harness)
    name = "zoosup_gateway_first_byte_seconds"
    expected = {"0.005": 2, "0.25": 2, "0.5": 3, "600.0": 3, "+Inf": 4}
    assert expected == {bound: found[f"{name}_bucket", f"le={bound}", "model=a"] for bound in expected}
    assert (4, 700.309) == (found[f"{name}_count", "model=a"], found[f"{name}_sum", "model=a"])
    assert 2 == found["zoosup_gateway_answer_seconds_sum", "model=a"]
    assert 1 == found["zoosup_gateway_wait_seconds_bucket", "le=60.0", "model=a"]


async def test_what_has_happened_is_counted(harness):
    journal = harness.runtime.journal
    journal.add("Phase", "a", "ready", "", {"from": "starting", "to": "ready", "seconds": 4.5})
    journal.add("Phase", "a", "unready", "", {"from": "ready", "to": "unready"})
    journal.add("Phase", "b", "parking", "", {"from": "ready", "to": "parking"})
    journal.add("Gone", "a", "MadeRoom", "")
    journal.add("Gone", "a", "LivenessFailed", "")
    journal.add("CoolDown", "a", "Recovered", "", {"pool": "ram", "seconds": 0.2})
    journal.add("Switch", None, "Completed", "", {"seconds": 8})
    journal.add("Switch", None, "Completed", "", {})
    found = await scrape(harness)
    assert 1 == found["zoosup_model_start_seconds_bucket", "le=5.0", "model=a"]
    assert 1 == found["zoosup_model_probe_failures_total", "model=a", "probe=ready"]
    assert 1 == found["zoosup_model_probe_failures_total", "model=a", "probe=live"]
    assert 1 == found["zoosup_model_evictions_total", "model=a"]
    assert 1 == found["zoosup_model_evictions_total", "model=b"]
    assert 1 == found["zoosup_model_ends_total", "cause=MadeRoom", "model=a"]
    assert 0.2 == found["zoosup_reclaim_seconds_sum", "outcome=Recovered", "pool=ram"]
    assert 1 == found["zoosup_switch_seconds_count", "outcome=Completed"]


async def test_what_is_unknown_is_left_out_and_never_0(harness):
    harness.runtime.publisher.publish(snapshot(pools=[pool(free=None, foreign=None)]))
    found = await scrape(harness)
    assert ("zoosup_pool_free_bytes", "node=box", "pool=ram") not in found
    assert ("zoosup_pool_total_bytes", "node=box", "pool=ram") in found
    assert ("zoosup_model_ready_timestamp_seconds", "model=b") not in found


async def test_a_refused_file_and_a_lagging_pass_are_seen(harness):
    config = {"generation": 4, "observed_generation": 3, "error": "zoo.yaml:1:1: no"}
    harness.runtime.publisher.publish(snapshot(config=config, converged=False))
    found = await scrape(harness)
    assert 1 == found["zoosup_config_error",]
    assert 4 == found["zoosup_config_generation",]
    assert 3 == found["zoosup_config_observed_generation",]
    assert 0 == found["zoosup_converged",]


async def test_which_file_is_in_force_is_told(harness):
    harness.runtime.publisher.publish(snapshot(config={"revision": "a1b2c3"}))
    found = await scrape(harness)
    assert 1 == found["zoosup_config_info", "hash=" + "ab" * 32, "path=/srv/zoo.yaml", "revision=a1b2c3"]


async def test_crashes_are_counted_and_the_last_one_named(harness):
    exit_ = {
        "reason": "OOMKilled",
        "code": None,
        "signal": "SIGKILL",
        "at": NOW - 5,
        "message": "",
        "log": [],
    }
    crashed = model("backoff", restarts=7, last_exit=exit_, backoff_until=NOW + 30)
    harness.runtime.publisher.publish(snapshot({"a": crashed}))
    found = await scrape(harness)
    assert 7 == found["zoosup_model_restarts_total", "model=a"]
    assert NOW - 5 == found["zoosup_model_last_exit_timestamp_seconds", "model=a", "reason=OOMKilled"]
    assert NOW + 30 == found["zoosup_model_backoff_until_timestamp_seconds", "model=a"]


async def test_conditions_have_one_polarity(harness):
    models = {"a": model("pending", conditions=[condition("Admitted", "ExceedsBudget", "too much")])}
    conditions = [
        condition("Switched", "Completed", "b took over", status=True),
        condition("MemoryPressure", "Soft", "short", status=True),
    ]
    harness.runtime.publisher.publish(snapshot(models, conditions=conditions))
    found = await scrape(harness)
    problems = {key[1:]: value for key, value in found.items() if key[0] == "zoosup_problem"}
    expected = {
        ("model=a", "reason=ExceedsBudget", "type=Admitted"): 1,
        ("model=", "reason=Soft", "type=MemoryPressure"): 1,
    }
    assert expected == problems


async def test_a_model_that_can_not_be_had_says_why(harness):
    harness.runtime.publisher.publish(snapshot({"a": model("failed", reason="OOM"), "b": model("ready")}))
    found = await scrape(harness)
    assert 1 == found["zoosup_model_refused", "model=a", "reason=OOM"]
    assert 1 == len([key for key in found if key[0] == "zoosup_model_refused"])


@pytest.mark.parametrize("runtime", [Runtime()])
async def test_before_the_first_pass_there_are_only_figures_of_zoosup_itself(harness):
    found = await scrape(harness)
    assert 0.01 == found["zoosup_heartbeat_age_seconds",]
    assert not [key for key in found if key[0].startswith("zoosup_model")]


async def test_open_metrics_is_spoken_where_it_is_asked_for(harness):
    async with harness.tcp.get(
        f"{harness.url}/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}
    ) as answer:
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
        assert (await answer.text()).endswith("# EOF\n")
