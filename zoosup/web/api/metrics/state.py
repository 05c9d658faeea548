"""The snapshot as metrics: the file in force, conditions, pools, models."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client.core import InfoMetricFamily, Metric

from zoosup.core.state.phases import Phase
from zoosup.web.api.metrics.families import Row, counter, gauge

Snapshot = Mapping[str, Any]

_POOL_FIGURES = {
    "total": "What there is in the pool.",
    "free": "What is free now, as measured.",
    "budget": "The most that all models together may hold.",
    "reserve": "What is always left to the rest of the host.",
    "reserved": "What is promised to models that live, and to holds.",
    "held": "What models hold, and what of holds is in use, as measured.",
    "foreign": "What all others hold.",
}
_HOLD_FIGURES = {
    "reserved": "What is held for something that is no model.",
    "held": "What of that is in use, as measured.",
}
_MEMORY_FIGURES = {
    "need": "What the model is taken to need at its peak.",
    "reserved": "What is promised to the model.",
    "held": "What the model holds, as measured.",
    "peak": "The most that the model has held in this run.",
}


def state_metrics(snapshot: Snapshot) -> Iterator[Metric]:
    """All of one snapshot."""
    for part in (_daemon, _conditions, _pools, _holds, _models, _restarts, _memory):
        yield from part(snapshot)


def _daemon(snapshot: Snapshot) -> Iterator[Metric]:
    config = snapshot["config"]
    labels = {key: str(snapshot[key]) for key in ("version", "instance", "node")}
    yield InfoMetricFamily("zoosup_build", "Which zoosup this is.", value=labels)
    of = {"revision": config["revision"] or "", "hash": config["hash"], "path": config["path"]}
    yield InfoMetricFamily("zoosup_config", "Which zoo.yaml is in force.", value=of)
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
        yield gauge(f"zoosup_{name}", text, (), [((), value)])


def _conditions(snapshot: Snapshot) -> Iterator[Metric]:
    """Those that are one to act on, whatever the polarity of their type; a condition that is well says nothing."""
    rows: list[Row] = [(("", *_named(each)), 1.0) for each in snapshot["conditions"] if each["problem"]]
    for name, model in snapshot["models"].items():
        rows += [((name, *_named(each)), 1.0) for each in model["conditions"] if each["problem"]]
    text = "1 for each condition that is one to act on; without a model, one of the zoo as a whole."
    yield gauge("zoosup_problem", text, ("model", "type", "reason"), rows)


def _named(condition: Mapping[str, Any]) -> tuple[str, str]:
    return condition["type"], condition["reason"]


def _pools(snapshot: Snapshot) -> Iterator[Metric]:
    for figure, text in _POOL_FIGURES.items():
        rows: list[Row] = [((pool["node"], pool["id"]), pool[figure]) for pool in snapshot["pools"]]
        yield gauge(f"zoosup_pool_{figure}_bytes", text, ("node", "pool"), rows)


def _holds(snapshot: Snapshot) -> Iterator[Metric]:
    for figure, text in _HOLD_FIGURES.items():
        rows: list[Row] = [
            ((name, pool), memory[figure])
            for name, hold in snapshot["holds"].items()
            for pool, memory in hold["memory"].items()
        ]
        yield gauge(f"zoosup_hold_{figure}_bytes", text, ("hold", "pool"), rows)


def _models(snapshot: Snapshot) -> Iterator[Metric]:
    models = snapshot["models"]
    phases: list[Row] = [
        ((name, phase.value), float(model["phase"] == phase))
        for name, model in models.items()
        for phase in Phase
    ]
    yield gauge("zoosup_model_phase", "1 for the phase that the model is in.", ("model", "phase"), phases)
    yield _each("active", "1 for a model that zoo.yaml wants to run.", models, lambda m: float(m["active"]))
    refused: list[Row] = [((n, m["reason"]), 1.0) for n, m in models.items() if m["refused"]]
    text = "1 for a model that can't be had as things are, and why."
    yield gauge("zoosup_model_refused", text, ("model", "reason"), refused)
    yield _each("inflight", "Requests that it is answering.", models, lambda m: m["inflight"])
    yield _each("waiting", "Requests that wait for it.", models, lambda m: m["waiting"])
    yield _each("load_seconds", "How long its last start took.", models, lambda m: m["load_time"])
    yield _each("start_timestamp_seconds", "When its process was started.", models, lambda m: m["started_at"])
    yield _each("ready_timestamp_seconds", "When it became ready.", models, lambda m: m["ready_at"])
    yield _each(
        "backoff_until_timestamp_seconds", "When it is tried again.", models, lambda m: m["backoff_until"]
    )


def _restarts(snapshot: Snapshot) -> Iterator[Metric]:
    yield counter(
        "zoosup_model_restarts",
        "Starts after an exit nobody asked for.",
        ("model",),
        [((name,), model["restarts"]) for name, model in snapshot["models"].items()],
    )
    exits: list[Row] = [
        ((name, model["last_exit"]["reason"]), model["last_exit"]["at"])
        for name, model in snapshot["models"].items()
        if model["last_exit"]
    ]
    text = "When and why it last ended."
    yield gauge("zoosup_model_last_exit_timestamp_seconds", text, ("model", "reason"), exits)


def _memory(snapshot: Snapshot) -> Iterator[Metric]:
    for figure, text in _MEMORY_FIGURES.items():
        rows: list[Row] = [
            ((name, pool), memory[figure])
            for name, model in snapshot["models"].items()
            for pool, memory in model["memory"].items()
        ]
        yield gauge(f"zoosup_model_memory_{figure}_bytes", text, ("model", "pool"), rows)


def _each(
    name: str, text: str, models: Mapping[str, Any], value: Callable[[Mapping[str, Any]], float | None]
) -> Metric:
    rows: list[Row] = [((model,), value(state)) for model, state in models.items()]
    return gauge(f"zoosup_model_{name}", text, ("model",), rows)
