"""Models over several hosts, on whole hosts in virtual time: held by all or by none, started and ended together."""

import asyncio

import pytest

from tests.fleet.conftest import LOST_AFTER, fleet_yaml
from tests.runtime.conftest import GIB
from zoosup.runtime.leasing.catalogue import serving_run

pytestmark = pytest.mark.looptime

LOAD = 1.0
WIDE = ["spans: 2", "env: {HOSTS: '${HOSTS}', LEADER: '${LEADER}', ADDRESS: '${ADDRESS}', RANK: '${RANK}'}"]
WORKER = [*WIDE, "worker: {command: [work, '${LEADER}']}"]


def text(ram="4GiB", more=WIDE, active=("w",), **others):
    return fleet_yaml({"w": ram} | others, active, {"w": more})


def copies(fleet):
    """Hosts that have a process of it, by rank."""
    found = {}
    for node, host in fleet.hosts.items():
        for launch in host.machine.launches:
            process = host.machine.living.get(launch.run_id)
            if launch.model == "w" and process is not None and process.exit is None:
                found[int(launch.env["RANK"])] = node
    return found


def whole(fleet, hosts=2):
    """Whether all of it answers."""
    return len(fleet.where("w")) == hosts == len(copies(fleet))


def launch(fleet, rank, at=-1):
    found = [
        each
        for host in fleet.hosts.values()
        for each in host.machine.launches
        if each.env["RANK"] == str(rank)
    ]
    return found[at]


def events(fleet, what):
    """When, and on which host."""
    return [
        (at, node)
        for node, host in fleet.hosts.items()
        for at, who, each in host.machine.history
        if (who, each) == ("w", what)
    ]


def reserved(host):
    run = host.zoosup.zoo.models["w"].run
    return None if run is None else dict(run.reserved)


async def started(fleet, nodes=("a", "b", "c"), file=None, **behaviours):
    await fleet.begin(*nodes, text=file or text(), **behaviours)
    await fleet.until(lambda: whole(fleet), 60)
    await asyncio.sleep(5)


@pytest.mark.parametrize("more", [WIDE, WORKER])
async def test_its_memory_is_held_on_each_host_and_its_command_runs_on_the_first(fleet, more):
    await started(fleet, file=text(more=more))
    first, other = copies(fleet)[0], copies(fleet)[1]
    addresses = [fleet.hosts[node].address for node in (first, other)]
    leader, part = launch(fleet, 0), launch(fleet, 1)
    assert ["serve", "w"] == list(leader.argv)
    assert (["work", addresses[0]] if more is WORKER else ["sleep", "2147483647"]) == list(part.argv)
    for each, rank in ((leader, 0), (part, 1)):
        assert (addresses[1], addresses[0], addresses[rank]) == tuple(
            each.env[name] for name in ("HOSTS", "LEADER", "ADDRESS")
        )
    assert [{"ram": 4 * GIB}] * 2 == [reserved(fleet.hosts[node]) for node in (first, other)]
    assert all(host.zoosup.publisher.snapshot["converged"] for host in fleet.hosts.values())
    serving = [serving_run(fleet.hosts[node].zoosup.zoo.models["w"]) for node in (first, other)]
    assert [True, False] == [run is not None for run in serving]


async def test_the_command_starts_once_the_others_have_their_part(fleet):
    await started(fleet, file=text(more=WORKER), w={"load": 3.0})
    (began,) = [at for at, node in events(fleet, "spawn") if node == copies(fleet)[0]]
    (ready,) = [at for at, node in events(fleet, "ready") if node == copies(fleet)[1]]
    assert ready <= began <= ready + 1.0


async def test_where_one_of_its_hosts_has_no_room_nobody_holds_anything(fleet):
    await fleet.begin("a", "b", text=text(active=()))
    fleet.hosts["b"].machine.foreign = 29 * GIB
    fleet.save(text())
    for _ in range(600):
        await asyncio.sleep(0.1)
        assert {} == copies(fleet)
        assert [None, None] == [reserved(host) for host in fleet.hosts.values()]
    (why,) = fleet.hosts["a"].zoosup.zoo.fleet.view.refusals.values()
    assert "a: has room, and 2 hosts are needed; b: needs 4 GiB of RAM" in why
    fleet.hosts["b"].machine.foreign = 2 * GIB
    await fleet.until(lambda: whole(fleet), 30)


async def test_what_a_part_has_reserved_nobody_else_gets(fleet):
    """The part itself holds nothing here: it is promised all the same."""
    file = text("24GiB", active=("w",), n="6GiB", more=WIDE)
    await fleet.begin("a", "b", text=file, w={"holds": 0})
    await fleet.until(lambda: whole(fleet), 60)
    fleet.save(fleet_yaml({"w": "24GiB", "n": "6GiB"}, ["w", "n"], {"w": WIDE}))
    await asyncio.sleep(30)
    assert [] == fleet.where("n")
    assert "n" in fleet.hosts["a"].zoosup.zoo.fleet.view.refusals


async def test_one_that_waits_for_memory_keeps_the_others_waiting_for_half_a_minute_at_most(fleet):
    """The host says that it has room, and its own admission sees none."""
    await fleet.begin("a", "b", text=text(active=()))
    await asyncio.sleep(12)
    member = fleet.hosts["b"].member
    fleet.hosts["b"].machine.foreign = 29 * GIB
    honest = member.report

    async def boasting(after, asked):
        found = await honest(after, asked)
        (pool,) = found["report"]["pools"]
        pool["capacity"] = 30 * GIB
        return found

    member.report = boasting
    fleet.save(text())
    held = 0.0
    for _ in range(900):
        await asyncio.sleep(0.1)
        held += 0.1 * bool(copies(fleet))
        assert 0 not in copies(fleet)
    assert 0 < held <= 45
    assert {} == copies(fleet)
    assert "has had no memory for its part" in fleet.hosts["a"].zoosup.zoo.fleet.view.refusals["w"]


@pytest.mark.parametrize("rank", [0, 1])
async def test_when_a_host_is_lost_it_is_stopped_everywhere_and_placed_anew(fleet, rank):
    await started(fleet)
    before = copies(fleet)
    (third,) = {*fleet.hosts} - {*before.values()}
    await fleet.hosts[before[rank]].lose_power()
    took = await fleet.until(lambda: whole(fleet), 60)
    assert took <= LOST_AFTER + 2 + 2 * LOAD + 1
    assert {third, before[1 - rank]} == {*copies(fleet).values()}
    hosts = [fleet.hosts[copies(fleet)[each]].address for each in (0, 1)]
    assert [",".join(hosts)] * 2 == [launch(fleet, each).env["ZOOSUP_HOSTS"] for each in (0, 1)]


async def test_a_host_that_comes_back_starts_nothing_of_it_by_what_it_knew(fleet):
    await started(fleet)
    host = fleet.hosts[copies(fleet)[0]]
    await host.lose_power()
    await fleet.until(lambda: whole(fleet), 60)
    spawned = len(host.machine.launches)
    fleet.carrier.cut.add(host.node)
    await host.begin()
    await asyncio.sleep(60)
    said = host.zoosup.zoo.models["w"]
    assert (spawned, "WaitingForHosts") == (len(host.machine.launches), said.reason)
    fleet.carrier.cut.clear()
    await fleet.until(lambda: host.zoosup.zoo.models["w"].phase == "stopped", 10)
    assert spawned == len(host.machine.launches)


async def test_without_another_host_nothing_of_it_is_left(fleet):
    await started(fleet, nodes=("a", "b"))
    await fleet.hosts["b"].lose_power()
    await fleet.until(lambda: not copies(fleet), LOST_AFTER + 5)
    await fleet.until(lambda: reserved(fleet.hosts["a"]) is None, 5)
    await asyncio.sleep(60)
    assert {} == copies(fleet)


async def test_a_part_that_ends_takes_the_command_with_it_and_both_come_back(fleet):
    await started(fleet, file=text(more=WORKER))
    before, pids = copies(fleet), fleet.pids()
    fleet.hosts[before[1]].machine.kill("w")
    await asyncio.sleep(1)
    await fleet.until(lambda: whole(fleet), 60)
    assert before == copies(fleet)
    assert all(pids[node] != fleet.pids()[node] for node in before.values())


async def test_nothing_of_it_notices_that_zoosups_and_controllers_restart(fleet):
    await started(fleet, file=text(more=WORKER))
    before = fleet.pids()
    for host in fleet.hosts.values():
        await host.kill_zoosup()
        await asyncio.sleep(2)
        await host.begin()
        await asyncio.sleep(8)
    for away in (0.5, 70.0):
        fleet.carrier.end()
        await asyncio.sleep(away)
        fleet.carrier.begin()
        await asyncio.sleep(40)
    assert before == fleet.pids()


async def test_the_fleet_goes_and_all_of_it_stays_for_hours(fleet):
    await started(fleet)
    before = fleet.pids()
    fleet.carrier.end()
    await asyncio.sleep(3600)
    for host in fleet.hosts.values():
        await host.kill_zoosup()
        await host.begin()
    await asyncio.sleep(60)
    assert before == fleet.pids()


@pytest.mark.parametrize("how", ["edit", "drain"])
async def test_its_parts_stay_until_its_last_requests_are_answered(fleet, how):
    await started(fleet, w={"stop": 3.0})
    before = copies(fleet)
    if how == "edit":
        fleet.save(text(active=()))
    else:
        await fleet.hosts["a"].member.drain(before[0], on=True)
    await fleet.until(lambda: fleet.hosts[before[0]].machine.events("w").count("gone"), 30)
    leader = fleet.hosts[before[0]].machine.at("w", "gone")
    await fleet.until(lambda: fleet.hosts[before[1]].machine.events("w").count("term"), 30)
    assert leader <= fleet.hosts[before[1]].machine.at("w", "term") <= leader + 3


async def test_by_hand_no_host_starts_it_alone(fleet):
    await fleet.begin("a", "b", text=text(active=()))
    await asyncio.sleep(12)
    zoosup = fleet.hosts["a"].zoosup
    await zoosup.commands.start("w")
    await asyncio.sleep(5)
    model = zoosup.zoo.models["w"]
    assert ("pending", "WaitingForHosts") == (model.phase, model.reason)
    assert "takes 2 hosts at once" in model.message
    assert {} == copies(fleet)
