"""Whole hosts over one controller, in virtual time: two heads, clocks, old files, drains, and any history of them all.

What holds throughout: a model's process on a living host ends only where another copy answers, or where the file no
longer has it active; and in the end each model runs once.
"""

import asyncio
import contextlib
import random

import pytest

from tests.fleet.conftest import LOST_AFTER, fleet_yaml
from zoosup.errors import ZoosupError
from zoosup.fleet.in_process import InProcessFleet

pytestmark = pytest.mark.looptime

MODELS = {f"m{n}": "4GiB" for n in range(1, 5)}
TEXT = fleet_yaml(MODELS, MODELS)
LOAD = 1.0
GOING = 1.0  # seconds at most from the word that one is to go until it is gone
SETTLED = 60.0
DAY = 86_400.0


async def started(fleet, text=TEXT, nodes=("a", "b", "c")):
    await fleet.begin(*nodes, text=text)
    await fleet.until(lambda: all(fleet.where(model) for model in MODELS), SETTLED)
    await asyncio.sleep(5)


def once(fleet, models=MODELS):
    return all(
        1 == len(fleet.where(model)) == sum(model in h.pids() for h in fleet.hosts.values())
        for model in models
    )


def conditions(host):
    return {each["type"]: each["reason"] for each in host.zoosup.publisher.snapshot["conditions"]}


async def over_to(host, carrier):
    """The host's link goes to another controller."""
    host.fleet = carrier
    await host.kill_link()
    host.begin_link()


async def test_a_host_that_takes_itself_for_the_head_moves_nothing_and_is_taken_back(fleet):
    await started(fleet)
    b = fleet.hosts["b"]
    theirs, others = b.pids(), fleet.pids(but="b")
    second = InProcessFleet(asyncio.get_running_loop().time)
    second.begin()
    await over_to(b, second)
    took = await fleet.until(lambda: all({*fleet.where(model)} - {"b"} for model in theirs), SETTLED)
    assert took <= LOST_AFTER + 2 + LOAD
    await asyncio.sleep(60)
    assert (theirs, "Partitioned") == (b.pids(), conditions(b).get("FleetPartitioned"))
    second.end()
    await over_to(b, fleet.carrier)
    back = await fleet.until(lambda: once(fleet), SETTLED)
    assert back <= 2 * LOST_AFTER + 2
    await asyncio.sleep(30)
    assert once(fleet)
    assert all(pids.items() <= fleet.pids()[node].items() for node, pids in others.items())
    assert not {"FleetPartitioned", "FleetConnected"} & conditions(b).keys()


@pytest.mark.parametrize("jump", [-DAY, DAY])
async def test_wall_clocks_a_day_apart_that_jump_and_a_controllers_of_its_own_change_nothing(fleet, jump):
    for_all = asyncio.get_running_loop().time
    await started(fleet)
    for day, host in enumerate(fleet.hosts.values()):
        host.machine.wall_offset = (day - 1) * DAY
    await asyncio.sleep(30)
    before = fleet.pids()
    for offset in (
        -DAY,
        3 * DAY,
    ):  # each life of the controller is on a host that has just begun, or long ago
        fleet.carrier._now = lambda offset=offset: for_all() + offset
        fleet.carrier.begin()
        await asyncio.sleep(20)
        for host in fleet.hosts.values():
            host.machine.wall_offset += jump
            await asyncio.sleep(20)
            await host.kill_zoosup()
            await host.begin()
        await asyncio.sleep(20)
        assert before == fleet.pids()
    assert not any("FleetConnected" in conditions(host) for host in fleet.hosts.values())
    lost = fleet.hosts["c"].ready()
    await fleet.hosts["c"].lose_power()
    took = await fleet.until(lambda: all(fleet.where(model) for model in lost), SETTLED)
    assert LOST_AFTER - 3 <= took <= LOST_AFTER + 2 + LOAD


async def test_a_host_that_comes_back_with_an_old_file_undoes_nothing_and_says_so(fleet):
    await started(fleet)
    b = fleet.hosts["b"]
    await b.lose_power()
    newer = fleet_yaml(MODELS | {"m5": "4GiB"}, ["m1", "m2", "m3", "m5"])
    for node in ("a", "c"):
        fleet.hosts[node].machine.save(newer)
    await fleet.until(lambda: fleet.where("m5") and not fleet.where("m4"), 2 * SETTLED)
    await asyncio.sleep(30)
    others = fleet.pids(but="b")
    await b.begin()
    await asyncio.sleep(60)
    assert (others, {}) == (fleet.pids(but="b"), b.pids())
    assert "NewerFile" == conditions(b).get("FleetFileOld")
    b.machine.save(newer)
    await asyncio.sleep(10)
    assert "FleetFileOld" not in conditions(b)
    assert others == fleet.pids(but="b")


async def test_one_that_serves_with_an_old_file_while_it_is_cut_off_goes_on_until_others_answer(fleet):
    await started(fleet)
    b = fleet.hosts["b"]
    theirs = b.pids()
    fleet.carrier.cut.add("b")
    await asyncio.sleep(2 * LOST_AFTER)
    newer = fleet_yaml(MODELS | {"m5": "4GiB"}, [*MODELS, "m5"])
    for node in ("a", "c"):
        fleet.hosts[node].machine.save(newer)
    await fleet.until(lambda: fleet.where("m5"), SETTLED)
    assert theirs == b.pids()
    fleet.carrier.cut.clear()
    await fleet.until(lambda: once(fleet), SETTLED)
    assert "FleetFileOld" in conditions(b)


@pytest.mark.parametrize("away", ["", "c"])
async def test_hosts_that_lose_power_at_once_and_begin_at_once_run_each_model_once(fleet, away):
    await started(fleet)
    where = {node: {*pids} for node, pids in fleet.pids().items()}
    for host in fleet.hosts.values():
        await host.lose_power()
    fleet.carrier.end()
    await asyncio.sleep(300)
    for node, host in fleet.hosts.items():
        if node != away:
            await host.begin()
    fleet.carrier.begin()
    took = await fleet.until(lambda: all(fleet.where(model) for model in MODELS), SETTLED)
    assert took <= (LOST_AFTER + 2 + LOAD if away else 2 + LOAD)
    await asyncio.sleep(30)
    assert once(fleet)
    assert all(where[node] <= {*pids} for node, pids in fleet.pids(but=away).items())


async def test_hosts_that_begin_for_the_first_time_at_once_share_all_models_in_a_lease(fleet):
    await fleet.begin("a", "b", "c", text=TEXT)
    took = await fleet.until(lambda: all(fleet.where(model) for model in MODELS), SETTLED)
    assert took <= LOST_AFTER + 2 + LOAD
    await asyncio.sleep(30)
    assert once(fleet)


async def test_a_drain_of_a_host_that_is_away_outlives_the_controller_and_every_zoosup(fleet):
    await started(fleet)
    await fleet.hosts["b"].lose_power()
    await fleet.until(lambda: all(fleet.where(model) for model in MODELS), SETTLED)
    await fleet.hosts["a"].member.drain("b", on=True)
    await asyncio.sleep(5)
    fleet.carrier.end()
    for node in ("a", "c"):
        await fleet.hosts[node].kill_zoosup()
        await fleet.hosts[node].begin()
    fleet.carrier.begin()
    await asyncio.sleep(3 * LOST_AFTER)
    await fleet.hosts["b"].begin()
    await asyncio.sleep(3 * LOST_AFTER)
    assert fleet.hosts["b"].zoosup.publisher.snapshot["fleet"]["drained"]
    assert {} == fleet.hosts["b"].pids()
    await fleet.hosts["c"].lose_power()
    await fleet.until(lambda: all(fleet.where(model) for model in MODELS), SETTLED)
    assert {} == fleet.hosts["b"].pids()


class Watch:
    """Sees to it that no copy ends that serves, unless another one does, and that none is followed by another.

    Whoever is told to go because another serves is on his way when that one's host loses its power a moment later.
    """

    def __init__(self, fleet):
        self.fleet = fleet
        # when a model was last ready on another host than this
        self.covered: dict[tuple[str, str], float] = {}
        self.known, self.ready = fleet.pids(), self._ready()
        self.powerless: set[str] = set()

    async def run(self):
        while True:
            await asyncio.sleep(0.02)
            self.look()

    def look(self):
        now, at = self.fleet.pids(), asyncio.get_running_loop().time()
        for node, before in self.known.items():
            for model, pid in before.items():
                if {*self.fleet.where(model)} - {node}:
                    self.covered[node, model] = at
                if node not in self.powerless and now[node].get(model) != pid:
                    served, covered = model in self.ready[node], self.covered.get((node, model), -GOING)
                    assert not served or at - covered <= GOING, (node, model, self.known, now)
                    assert model not in now[node], f"{model} on {node} has another process"
        self.known, self.ready = now, self._ready()

    def _ready(self):
        return {node: host.ready() for node, host in self.fleet.hosts.items()}


async def _happen(fleet, watch, chance, seconds):
    """Something goes amiss, and after a while it is whole again."""
    node = chance.choice("abc")
    host = fleet.hosts[node]
    what = chance.choice(["cut", "link", "zoosup", "controller", "second head", "power", "clock", "drain"])
    if what == "cut":
        fleet.carrier.cut.add(node)
        await asyncio.sleep(seconds)
        fleet.carrier.cut.discard(node)
    elif what == "link":
        await host.kill_link()
        await asyncio.sleep(seconds)
        host.begin_link()
    elif what == "zoosup":
        await host.kill_zoosup()
        await asyncio.sleep(seconds)
        await host.begin()
    elif what == "controller":
        fleet.carrier.end()
        await asyncio.sleep(seconds)
        fleet.carrier.begin()
    elif what == "second head":
        second = InProcessFleet(asyncio.get_running_loop().time)
        second.begin()
        await over_to(host, second)
        await asyncio.sleep(seconds)
        second.end()
        await over_to(host, fleet.carrier)
    elif what == "power":
        watch.powerless.add(node)
        await host.lose_power()
        await asyncio.sleep(seconds)
        await host.begin()
        watch.look()
        watch.powerless.discard(node)
    elif what == "clock":
        host.machine.wall_offset += chance.choice([-DAY, DAY])
        await asyncio.sleep(seconds)
    else:
        with contextlib.suppress(ZoosupError):
            await host.member.drain(node, on=True)
        await asyncio.sleep(seconds)
        await host.member.drain(node, on=False)


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_goes_amiss_who_serves_serves_on_and_in_the_end_each_runs_once(fleet, seed):
    chance = random.Random(seed)
    await started(fleet)
    watch = Watch(fleet)
    watching = asyncio.create_task(watch.run())
    for _ in range(12):
        await _happen(fleet, watch, chance, chance.choice([0.5, 5.0, LOST_AFTER, 3 * LOST_AFTER]))
        await asyncio.sleep(chance.choice([0.5, 5.0, 2 * LOST_AFTER]))
        assert not watching.done(), watching.result()
    await fleet.until(lambda: once(fleet), 2 * LOST_AFTER + LOAD + 2)
    before = fleet.pids()
    await asyncio.sleep(60)
    assert before == fleet.pids()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
