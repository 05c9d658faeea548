"""The snapshot as Prometheus metrics: made anew at each scrape, in a registry of our own.

Knows names, units and help texts. What is unknown is left out, for it is never 0.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from zoosup.core.state.phases import Phase
from zoosup.runtime.api import GatewayCounters, RuntimeApi

Snapshot = Mapping[str, Any]
Row = tuple[list[str], float | None]

_POOL_FIGURES = {
    "total": "What there is in the pool.",
    "free": "What is free now, as measured.",
    "budget": "The most that all models together may hold.",
    "reserve": "What is always left to the rest of the host.",
    "reserved": "What is promised to models that live.",
    "held": "What models hold, as measured.",
    "foreign": "What others than models hold.",
}
_MEMORY_FIGURES = {
    "need": "What the model is taken to need at its peak.",
    "reserved": "What is promised to the model.",
    "held": "What the model holds, as measured.",
    "peak": "The most that the model has held in this run.",
}


def registry(runtime: RuntimeApi) -> CollectorRegistry:
    """Make the registry: zoosup's metrics, and the usual process_* of zoosup itself where the OS has them."""
    made = CollectorRegistry(auto_describe=False)
    made.register(_SnapshotCollector(runtime))
    ProcessCollector(registry=made)
    return made


def exposition(source: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """Write all metrics in the format that the client accepts; returns the bytes and their content type."""
    encode, kind = choose_encoder(accept)
    return encode(source), kind


class _SnapshotCollector(Collector):
    def __init__(self, runtime: RuntimeApi) -> None:
        self._runtime = runtime

    def describe(self) -> Iterable[Metric]:
        return ()  # what there is depends on the snapshot

    def collect(self) -> Iterator[Metric]:
        age = self._runtime.commands.heartbeat()
        yield _gauge("zoosup_heartbeat_age_seconds", "Time since the loop last turned.", (), [([], age)])
        events = CounterMetricFamily("zoosup_events", "Events written to the journal.", labels=())
        events.add_metric((), self._runtime.journal.last)
        yield events
        if self._runtime.clients is not None:
            yield from _gateway(self._runtime.clients)
        snapshot = self._runtime.publisher.snapshot
        if snapshot:
            for part in (_daemon, _conditions, _pools, _models, _restarts, _memory):
                yield from part(snapshot)


def _gateway(clients: GatewayCounters) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "zoosup_gateway_requests",
        "Requests answered, by the hundreds of the status; without a model, by the gateway itself.",
        labels=["model", "status"],
    )
    for (model, hundreds), count in clients.requests.items():
        requests.add_metric([model, f"{hundreds}xx"], count)
    yield requests
    for name, text, by_model in (
        ("cancelled_requests", "Requests whose client hung up.", clients.cancelled),
        ("broken_answers", "Answers that ended before they were complete.", clients.broken),
        ("wait_seconds", "Time that requests have waited for their model.", clients.waited),
    ):
        family = CounterMetricFamily(f"zoosup_gateway_{name}", text, labels=["model"])
        for model, amount in by_model.items():
            family.add_metric([model], amount)
        yield family
    yield _gauge("zoosup_gateway_connections", "Clients connected.", (), [([], clients.connections)])
    for name, text, amount in (
        ("received_bytes", "What clients have sent.", clients.received),
        ("sent_bytes", "What models have answered.", clients.sent),
    ):
        total = CounterMetricFamily(f"zoosup_gateway_{name}", text, labels=())
        total.add_metric((), amount)
        yield total


def _daemon(snapshot: Snapshot) -> Iterator[Metric]:
    config = snapshot["config"]
    labels = {key: str(snapshot[key]) for key in ("version", "instance", "node")}
    yield InfoMetricFamily("zoosup_build", "Which zoosup this is.", value=labels)
    for name, text, value in (
        ("converged", "1 when the host is as zoo.yaml says.", float(snapshot["converged"])),
        (
            "config_error",
            "1 while zoo.yaml is refused and the last good one is in force.",
            float(bool(config["error"])),
        ),
        ("config_generation", "How many specs have been applied.", config["generation"]),
        (
            "config_observed_generation",
            "The spec that the last pass looked at.",
            config["observed_generation"],
        ),
        ("config_loaded_timestamp_seconds", "When the spec in force was read.", config["loaded_at"]),
    ):
        yield _gauge(f"zoosup_{name}", text, (), [([], value)])


def _conditions(snapshot: Snapshot) -> Iterator[Metric]:
    rows: list[Row] = [(["", each["type"]], float(each["status"])) for each in snapshot["conditions"]]
    for name, model in snapshot["models"].items():
        rows += [([name, each["type"]], float(each["status"])) for each in model["conditions"]]
    text = "1 where a condition is so, 0 where it is not; without a model, one of the zoo as a whole."
    yield _gauge("zoosup_condition", text, ("model", "type"), rows)


def _pools(snapshot: Snapshot) -> Iterator[Metric]:
    for figure, text in _POOL_FIGURES.items():
        rows: list[Row] = [([pool["node"], pool["id"]], pool[figure]) for pool in snapshot["pools"]]
        yield _gauge(f"zoosup_pool_{figure}_bytes", text, ("node", "pool"), rows)


def _models(snapshot: Snapshot) -> Iterator[Metric]:
    models = snapshot["models"]
    phases: list[Row] = [
        ([name, phase.value], float(model["phase"] == phase))
        for name, model in models.items()
        for phase in Phase
    ]
    yield _gauge("zoosup_model_phase", "1 for the phase that the model is in.", ("model", "phase"), phases)
    yield _each("active", "1 for a model that zoo.yaml wants to run.", models, lambda m: float(m["active"]))
    yield _each("inflight", "Requests that it is answering.", models, lambda m: m["inflight"])
    yield _each("waiting", "Requests that wait for it.", models, lambda m: m["waiting"])
    yield _each("load_seconds", "How long its last start took.", models, lambda m: m["load_time"])
    yield _each("start_timestamp_seconds", "When its process was started.", models, lambda m: m["started_at"])
    yield _each("ready_timestamp_seconds", "When it became ready.", models, lambda m: m["ready_at"])
    yield _each(
        "backoff_until_timestamp_seconds", "When it is tried again.", models, lambda m: m["backoff_until"]
    )


def _restarts(snapshot: Snapshot) -> Iterator[Metric]:
    restarts = CounterMetricFamily(
        "zoosup_model_restarts", "Starts after an exit nobody asked for.", labels=["model"]
    )
    for name, model in snapshot["models"].items():
        restarts.add_metric([name], model["restarts"])
    yield restarts
    exits: list[Row] = [
        ([name, model["last_exit"]["reason"]], model["last_exit"]["at"])
        for name, model in snapshot["models"].items()
        if model["last_exit"]
    ]
    text = "When and why it last ended."
    yield _gauge("zoosup_model_last_exit_timestamp_seconds", text, ("model", "reason"), exits)


def _memory(snapshot: Snapshot) -> Iterator[Metric]:
    for figure, text in _MEMORY_FIGURES.items():
        rows: list[Row] = [
            ([name, pool], memory[figure])
            for name, model in snapshot["models"].items()
            for pool, memory in model["memory"].items()
        ]
        yield _gauge(f"zoosup_model_memory_{figure}_bytes", text, ("model", "pool"), rows)


def _each(
    name: str, text: str, models: Mapping[str, Any], value: Callable[[Mapping[str, Any]], float | None]
) -> Metric:
    rows: list[Row] = [([model], value(state)) for model, state in models.items()]
    return _gauge(f"zoosup_model_{name}", text, ("model",), rows)


def _gauge(name: str, text: str, labels: Iterable[str], rows: Iterable[Row]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=list(labels))
    for values, figure in rows:
        if figure is not None:
            family.add_metric(values, figure)
    return family
