"""All hosts of the fleet as metrics, as this one knows them; nothing where it is by itself."""

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.core import Metric

from zoosup.web.api.metrics.families import Row, gauge


def fleet_metrics(fleet: Mapping[str, Any] | None) -> Iterator[Metric]:
    """Of the snapshot's `fleet`."""
    if not fleet:
        return
    hosts = fleet["hosts"]
    lost: list[Row] = [((node,), float(host["lost"])) for node, host in hosts.items()]
    ready: list[Row] = [
        ((model, node), 1.0) for node, host in hosts.items() if not host["lost"] for model in host["ready"]
    ]
    assigned: list[Row] = [
        ((model, node), 1.0) for model, nodes in fleet["placements"].items() for node in nodes
    ]
    nowhere: list[Row] = [((model,), 1.0) for model in fleet["refusals"]]
    connected, partitioned = float(fleet["connected"]), float(fleet["partitioned"])
    yield gauge("zoosup_fleet_connected", "1 while the fleet answers this host.", (), [((), connected)])
    yield gauge("zoosup_fleet_partitioned", "1 while too few hosts report.", (), [((), partitioned)])
    yield gauge("zoosup_fleet_host_lost", "1 for a host that has not reported for too long.", ("node",), lost)
    yield gauge(
        "zoosup_fleet_model_ready", "1 for each host where the model answers.", ("model", "node"), ready
    )
    yield gauge(
        "zoosup_fleet_model_assigned", "1 for each host it is to run on.", ("model", "node"), assigned
    )
    yield gauge("zoosup_fleet_model_unplaced", "1 for one that no host can have.", ("model",), nowhere)
