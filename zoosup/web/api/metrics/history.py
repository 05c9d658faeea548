"""What has happened to models since zoosup began."""

from collections.abc import Iterator

from prometheus_client.core import Metric

from zoosup.runtime.events.tally import Tally
from zoosup.web.api.metrics.families import by_one, counter, histogram


def history_metrics(tally: Tally) -> Iterator[Metric]:
    """Starts, ends, switches, and the way back of memory."""
    yield histogram(
        "zoosup_model_start_seconds",
        "Time from the booking of a model's memory until it was ready.",
        ("model",),
        by_one(tally.starts),
    )
    yield histogram(
        "zoosup_switch_seconds", "Time that a change of active took.", ("outcome",), by_one(tally.switches)
    )
    yield histogram(
        "zoosup_reclaim_seconds",
        "Time from the end of a model until its memory was back, or no longer waited for.",
        ("pool", "outcome"),
        list(tally.reclaims.items()),
    )
    yield counter(
        "zoosup_model_ends", "Runs that ended, by cause.", ("model", "cause"), list(tally.ends.items())
    )
    yield counter(
        "zoosup_model_evictions",
        "Times that it was stopped or put to sleep because its memory was needed.",
        ("model",),
        [((model,), count) for model, count in list(tally.evictions.items())],
    )
    yield counter(
        "zoosup_model_probe_failures",
        "Times that a probe found it not ready by its deadline (startup), no longer ready, or no longer alive (live).",
        ("model", "probe"),
        list(tally.probe_failures.items()),
    )
