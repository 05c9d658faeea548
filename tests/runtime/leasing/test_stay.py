"""How long a run stays by a client's word: in place of the file's idle_timeout, until another word, for that run."""

import asyncio
from math import inf

import pytest

from tests.runtime.conftest import WALL
from tests.runtime.leasing.test_leases import Client, put, text
from zoosup.core.state.phases import ExitReason
from zoosup.core.state.runs import Exit

pytestmark = pytest.mark.looptime

DEMAND = text(a="idle_timeout: 1m")


class Looker:
    """It asks for nothing."""

    client = ""


async def used(zoo, stay=None):
    """One request, answered at once; `stay` is what its client says."""
    client = Client(zoo, "a")
    assert "granted" == await client.answered()
    if stay is not None:
        client.lease.stay(stay)
    client.lease.release()


async def test_it_stays_for_so_long_after_each_use(host, zoo):
    await put(zoo, host, DEMAND)
    await used(zoo, 600.0)
    await asyncio.sleep(590)
    await used(zoo)
    await asyncio.sleep(590)
    assert "ready" == zoo.phase("a")
    await asyncio.sleep(15)
    assert "stopped" == zoo.phase("a")


async def test_the_next_run_stays_as_the_file_says(host, zoo):
    await put(zoo, host, DEMAND)
    await used(zoo, 1.0)
    await zoo.until("a", "stopped")
    await used(zoo)
    await asyncio.sleep(55)
    assert "ready" == zoo.phase("a")
    await asyncio.sleep(10)
    assert "stopped" == zoo.phase("a")


async def test_it_stays_until_it_has_to_make_room(host, zoo):
    await put(zoo, host, text(a="idle_timeout: 1m", b=""))
    await used(zoo, inf)
    await asyncio.sleep(10_000)
    assert "ready" == zoo.phase("a")
    other = Client(zoo, "b")
    assert "granted" == await other.answered()
    assert "stopped" == zoo.phase("a")


def end_in_good_order(host):
    (process,) = host.living.values()
    host._end(process, Exit(ExitReason.COMPLETED, WALL, code=0, message="exited with code 0"))


@pytest.mark.parametrize("active", ["[]", "a"])
async def test_one_that_ends_in_good_order_comes_with_the_next_request(host, zoo, successor, active):
    await put(zoo, host, text(active, a="restart: {policy: on-failure}"))
    for _ in range(4):
        await used(zoo)
        end_in_good_order(host)
        await zoo.until("a", "stopped")
        await asyncio.sleep(100)
        assert ("stopped", "Unloaded") == (zoo.phase("a"), zoo.reason("a"))
    zoo = await successor()
    await asyncio.sleep(100)
    assert "stopped" == zoo.phase("a")
    await used(zoo)
    assert "ready" == zoo.phase("a")


async def test_who_waits_for_one_that_ends_in_good_order_is_served_by_the_next_run(host, zoo):
    await put(zoo, host, text(a="restart: {policy: on-failure}, max_inflight: 1"))
    first, second = Client(zoo, "a"), Client(zoo, "a")
    assert "granted" == await first.answered()
    end_in_good_order(host)
    assert "granted" == await second.answered()
    assert 2 == host.events("a").count("spawn")


async def given_back_beside_another(zoo, host):
    """The client that still has an answer of the model that somebody has just given back."""
    await put(zoo, host, DEMAND)
    other = Client(zoo, "a")
    assert "granted" == await other.answered()
    await used(zoo, 0.0)
    return other


async def test_given_back_it_goes_at_once_but_not_before_others_have_their_answers(host, zoo):
    other = await given_back_beside_another(zoo, host)
    await asyncio.sleep(30)
    assert ("ready", []) == (zoo.phase("a"), other.cuts)
    other.lease.release()
    before = asyncio.get_running_loop().time()
    await zoo.until("a", "stopped")
    assert asyncio.get_running_loop().time() - before < 2


async def test_a_look_is_enough_to_give_it_back(host, zoo):
    await put(zoo, host, DEMAND)
    await used(zoo)
    look = zoo.reconciler.leases.look("a", Looker())
    look.stay(0.0)
    look.release()
    await zoo.until("a", "stopped")


async def test_an_active_one_that_is_given_back_stays_away_until_a_request_loads_it_again(host, zoo):
    await put(zoo, host, text("a", a=""))
    await zoo.until("a", "ready")
    await used(zoo, 0.0)
    await zoo.until("a", "stopped")
    await asyncio.sleep(100)
    assert ("stopped", True) == (zoo.phase("a"), zoo.publisher.snapshot["converged"])
    await used(zoo)
    await asyncio.sleep(100)
    assert "ready" == zoo.phase("a")


async def test_one_that_is_not_on_demand_stays(host, zoo):
    await put(zoo, host, text("a", a="on_demand: false").replace("on_demand: true, on", "on"))
    await zoo.until("a", "ready")
    await used(zoo, 0.0)
    await asyncio.sleep(100)
    assert ("ready", None) == (zoo.phase("a"), zoo.zoo.models["a"].override)


def until(zoo):
    """When each model that runs is to go, in seconds from now; None for those that stay."""
    cards = zoo.reconciler.leases.cards()
    wall = zoo.zoo.clock.wall()
    runs = {card.name: card.running for card in cards if card.running is not None}
    return {name: None if run.until is None else round(run.until - wall) for name, run in runs.items()}


async def test_clients_are_told_what_runs_and_until_when(host, zoo):
    await put(zoo, host, text("b", "", a="idle_timeout: 1m", b="").replace("6GiB", "9GiB"))
    await zoo.until("b", "ready")
    assert {"b": None} == until(zoo)
    await used(zoo)
    await asyncio.sleep(20)
    assert {"a": 40, "b": None} == until(zoo)
    busy = Client(zoo, "a")
    await asyncio.sleep(5)
    assert {"a": 60, "b": None} == until(zoo)
    busy.lease.stay(inf)
    busy.lease.release()
    await asyncio.sleep(5)
    assert {"a": None, "b": None} == until(zoo)


async def test_of_one_that_was_given_back_they_are_told_that_it_goes_now(host, zoo):
    other = await given_back_beside_another(zoo, host)
    await asyncio.sleep(5)
    assert ({"a": 0}, []) == (until(zoo), other.cuts)


@pytest.mark.parametrize("said", [600.0, inf])
async def test_it_stays_over_a_restart_of_zoosup(host, zoo, successor, said):
    await put(zoo, host, DEMAND)
    await used(zoo, said)
    await asyncio.sleep(5)
    pids, second = host.pids("a"), await successor()
    await asyncio.sleep(500)
    assert ("ready", pids) == (second.phase("a"), host.pids("a"))
    await asyncio.sleep(110)
    assert ("ready" if said == inf else "stopped") == second.phase("a")
