"""One scrape of `/metrics`: everything that zoosup knows of itself, in a registry of its own."""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from zoosup.runtime.api.runtime_api import RuntimeApi
from zoosup.web.api.metrics.families import counter, gauge
from zoosup.web.api.metrics.fleet import fleet_metrics
from zoosup.web.api.metrics.gateway import gateway_metrics
from zoosup.web.api.metrics.history import history_metrics
from zoosup.web.api.metrics.state import state_metrics


def registry(runtime: RuntimeApi) -> CollectorRegistry:
    """Make the registry: zoosup's metrics, and the usual process_* of zoosup itself where the OS has them."""
    made = CollectorRegistry(auto_describe=False)
    made.register(_Everything(runtime))
    ProcessCollector(registry=made)
    return made


def exposition(source: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """Write all metrics in the format that the client accepts; returns the bytes and their content type."""
    encode, kind = choose_encoder(accept)
    return encode(source), kind


class _Everything(Collector):
    def __init__(self, runtime: RuntimeApi) -> None:
        self._runtime = runtime

    def describe(self) -> Iterable[Metric]:
        return ()  # what there is depends on the snapshot

    def collect(self) -> Iterator[Metric]:
        runtime = self._runtime
        age = runtime.commands.heartbeat()
        yield gauge("zoosup_heartbeat_age_seconds", "Time since the loop last turned.", (), [((), age)])
        yield counter("zoosup_events", "Events written to the journal.", (), [((), runtime.journal.last)])
        if runtime.clients is not None:
            yield from gateway_metrics(runtime.clients)
        yield from history_metrics(runtime.journal.tally)
        if runtime.publisher.snapshot:
            yield from state_metrics(runtime.publisher.snapshot)
            yield from fleet_metrics(runtime.publisher.snapshot.get("fleet"))
