"""What a host says of itself: its room by its own sums, what its models need here, what it has been told."""

import asyncio

import pytest

from tests.runtime.fleet.fleet_file import answer, fleet_yaml
from zoosup.core.fleet.words import FleetModel, HostReport
from zoosup.runtime.api.commands import HoldRequest
from zoosup.runtime.fleet.report import gateway_address, report
from zoosup.spec.parse import spec_hash

pytestmark = pytest.mark.looptime

GIB = 2**30


def said(zoo, sequence=1) -> HostReport:
    return report(zoo.zoo, zoo.zoo.fleet, "life", sequence)


async def test_room_is_what_the_host_could_give_to_models_if_none_were_there(host, zoo):
    host.save(fleet_yaml({"a1": "4GiB", "a2": "2GiB"}, ("a1",), more={"a1": ["hosts: [a]"]}))
    await asyncio.sleep(1)
    before = said(zoo).pools
    await zoo.until("a1", "ready")
    await asyncio.sleep(15)
    # 32 GiB, of which others hold 2, and a tenth is left to the host.
    assert [("ram", 30 * GIB - 32 * GIB // 10)] == [(pool.id, pool.capacity) for pool in before]
    assert before == said(zoo).pools
    host.foreign += 6 * GIB
    await asyncio.sleep(5)
    assert 24 * GIB - 32 * GIB // 10 == said(zoo).pools[0].capacity


async def test_a_pool_that_cant_be_read_has_room_for_those_alone_that_are_there(host, zoo):
    host.save(fleet_yaml({"a1": "4GiB"}, ("a1",), more={"a1": ["hosts: [a]"]}))
    await zoo.until("a1", "ready")
    host.readable = False
    await asyncio.sleep(15)
    assert 4 * GIB == said(zoo).pools[0].capacity


async def test_room_that_a_person_holds_is_nobody_elses(host, zoo):
    host.save(fleet_yaml({}, ()))
    await asyncio.sleep(1)
    before = said(zoo).pools[0].capacity
    await zoo.commands.hold(HoldRequest(ram=3 * GIB))
    await asyncio.sleep(1)
    assert before - 3 * GIB == said(zoo).pools[0].capacity


async def test_each_model_is_told_with_its_need_its_phase_and_what_it_holds(host, zoo):
    host.save(
        fleet_yaml(
            {"a1": "4GiB", "a2": "2GiB", "a3": "90GiB"}, ("a1", "a2", "a3"), more={"a1": ["on_demand: true"]}
        )
    )
    await asyncio.sleep(1)
    zoo.zoo.fleet.hear(answer(host.text, "a1", "a3"))
    zoo.reconciler._inbox.wake()
    await zoo.until("a1", "ready")
    await zoo.until("a3", "pending")
    models = said(zoo).models
    assert [4 * GIB, 2 * GIB, 90 * GIB] == [models[name].need.ram for name in ("a1", "a2", "a3")]
    assert [True, False, False] == [models[name].ready for name in ("a1", "a2", "a3")]
    assert [{"ram": 4 * GIB}, {}, {}] == [models[name].held for name in ("a1", "a2", "a3")]
    assert [True, False, False] == [models[name].yields for name in ("a1", "a2", "a3")]
    assert [None, None] == [models[name].refused for name in ("a1", "a2")]
    assert "needs 90 GiB" in models["a3"].refused


async def test_the_file_is_told_as_all_hosts_share_it(host, zoo):
    more = {
        "a1": ["hosts: {gpu: a100}", "replicas: all"],
        "a2": ["hosts: [a, b]", "on_demand: true"],
    }
    host.save(fleet_yaml({"a1": "1GiB", "a2": "1GiB"}, ("a2",), more=more))
    await asyncio.sleep(1)
    spec = said(zoo).spec
    assert (
        FleetModel("a1", labels={"gpu": "a100"}, replicas=None),
        FleetModel("a2", priority=0, on_demand=True, hosts=("a", "b")),
    ) == spec.models
    assert (spec_hash(host.text), 0, 10.0) == (spec.digest, spec.generation, spec.lost_after)


async def test_the_last_assignment_and_all_known_hosts_are_told(host, zoo):
    host.save(fleet_yaml({"a1": "1GiB"}, ("a1",)))
    await asyncio.sleep(1)
    told = answer(host.text, "a1", generation=4, nodes=("a", "b", "c"))
    zoo.zoo.fleet.hear(told)
    now = said(zoo, 7)
    assert (told.assignment, ("a", "b", "c"), 4) == (now.assignment, now.known, now.spec.generation)
    assert ("a", "life", 7, False) == (now.node, now.life, now.sequence, now.leaving)


@pytest.mark.parametrize(
    ("listen", "address", "found"),
    [
        ("0.0.0.0:8080", "10.0.0.7", "10.0.0.7:8080"),
        ("[::]:8080", "fd00::7", "[fd00::7]:8080"),
        ("10.1.0.7:8080", "10.0.0.7", "10.1.0.7:8080"),
        ("127.0.0.1:8080", "10.0.0.7", ""),  # nobody else reaches it
        ("127.0.0.2:8080", "127.0.0.2", "127.0.0.2:8080"),
        ("0.0.0.0:8080", "", ""),
        (None, "10.0.0.7", ""),
    ],
)
def test_where_other_hosts_reach_the_gateway(listen, address, found):
    assert found == gateway_address(listen, address)
