"""Whom a gateway asks for a model over several hosts: the first, and no part of it."""

import pytest

from zoosup.core.fleet.words import FleetModel, FleetSpec, FleetView, HostReport, HostView, ModelReport
from zoosup.runtime.api.upstream import Upstream
from zoosup.runtime.leasing.host_table import HostTable

ADDRESSES = {"a": "10.0.0.1", "b": "10.0.0.2", "c": "10.0.0.3"}
HELD = {"ram": 1}


def table(phases, first="b", other="a"):
    """As host c sees it."""
    peers = (ADDRESSES[first], ADDRESSES[other])
    hosts = {
        node: HostView(
            HostReport(
                node, address, f"{address}:8080",
                models={"w": ModelReport(phases[node], phases[node] == "ready", held=HELD, peers=peers)}
                if node in phases
                else {},
            )
        )
        for node, address in ADDRESSES.items()
    }  # fmt: skip
    spec = FleetSpec(models=(FleetModel("w", 0, spans=2),))
    view = FleetView(spec, hosts=hosts, placements={"w": (first, other)})
    return HostTable.of(view, "c", {node: Upstream((), node=node) for node in ADDRESSES})


def test_its_first_host_answers_and_its_part_does_not():
    row = table({"a": "ready", "b": "ready"}).row("w")
    assert ["b"] == [peer.node for _, peer in row.ready]
    assert () == row.coming


@pytest.mark.parametrize("phases", [{"a": "ready"}, {"a": "ready", "b": "starting"}, {"a": "starting"}])
def test_before_it_is_ready_the_first_is_where_to_wait(phases):
    row = table(phases).row("w")
    assert ((), ("b",)) == (row.ready, row.placed)
    assert ["b"] * ("b" in phases) == [peer.node for peer in row.coming]
