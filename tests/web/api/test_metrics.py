"""What Prometheus is told, read back with its own parser."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.web.fakes import GIB, NOW, Runtime, condition, model, pool, snapshot


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
    clients.answered("a", 200)
    clients.answered("a", 201)
    clients.answered("a", 503)
    clients.cancelled["a"] = 2
    clients.waited["a"] = 1.5
    clients.connections, clients.sent = 7, 4096
    found = await scrape(harness)
    assert 2 == found["zoosup_gateway_requests_total", "model=a", "status=2xx"]
    assert 1 == found["zoosup_gateway_requests_total", "model=a", "status=5xx"]
    assert 2 == found["zoosup_gateway_cancelled_requests_total", "model=a"]
    assert 1.5 == found["zoosup_gateway_wait_seconds_total", "model=a"]
    assert 7 == found["zoosup_gateway_connections",]
    assert 4096 == found["zoosup_gateway_sent_bytes_total",]


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


async def test_conditions_are_told_of_the_zoo_and_of_a_model(harness):
    models = {"a": model("pending", conditions=[condition("Admitted", "ExceedsBudget", "too much")])}
    harness.runtime.publisher.publish(
        snapshot(models, conditions=[condition("Switched", "Done", "b took over", status=True)])
    )
    found = await scrape(harness)
    assert 0 == found["zoosup_condition", "model=a", "type=Admitted"]
    assert 1 == found["zoosup_condition", "model=", "type=Switched"]


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
