"""The guard over a virtual host: models that outgrow their need, and strangers who take memory, in virtual time."""

import asyncio

import pytest

from tests.runtime.leasing.test_leases import Client
from zoosup.core.estimation.learned import HEALTHY

pytestmark = pytest.mark.looptime

GIB = 2**30
MIB = 2**20
RESERVE = "budget: {ram_reserve: 2GiB}"
"""Of 32 GiB of which the host itself uses 2: hard under 1 GiB, critical under 491 MiB."""


def holder(host, model):
    return next(p for p in host.living.values() if p.model == model)


async def grow(host, model, rate, until=None):
    """Have a process take `rate` bytes a second more, until it has ended or holds so much."""
    process = holder(host, model)
    while process.exit is None and (until is None or process.holding < until):
        await asyncio.sleep(0.05)
        if process.exit is None:
            process.holding += int(rate * 0.05)
            host._must(host.available >= 0, "the host is out of memory")


def on_demand(*names, ram="4GiB"):
    """A file with a, which is pinned, and these on demand."""
    lines = [
        f"active: [a, {', '.join(names)}]",
        RESERVE,
        "models:",
        "  a: {command: [a], memory: {ram: 8GiB}}",
    ]
    lines += [f"  {n}: {{command: [{n}], memory: {{ram: {ram}}}, on_demand: true}}" for n in names]
    return "\n".join(lines) + "\n"


def pressure(zoo):
    return [(e.reason, e.model) for e in zoo.journal.since() if e.type == "Pressure"]


def said(zoo):
    return next((c for c in zoo.publisher.snapshot["conditions"] if c["type"] == "MemoryPressure"), None)


async def test_a_model_that_outgrows_its_need_is_stopped_before_the_host_has_no_memory_left(host, zoo, file):
    host.behave("a", holds=4 * GIB)
    host.behave("b", holds=4 * GIB)
    host.save(file({"a": "4GiB", "b": "4GiB"}, "[a, b]", RESERVE))
    for name in "ab":
        await zoo.until(name, "ready")
    await grow(host, "b", 300 * MIB)
    assert ("ready", 0) == (zoo.phase("a"), len([w for w in host.events("a") if w == "term"]))
    assert "term" in host.events("b")
    event = next(e for e in zoo.journal.since() if e.type == "Pressure" and e.model == "b")
    assert "b goes: it holds" in event.message
    assert "above its need" in event.message
    assert {"pool", "available", "reserve", "missing", "held", "freeable"} == event.data.keys()


async def test_a_model_that_takes_memory_very_fast_is_killed_at_once(host, zoo, file):
    host.behave("a", holds=4 * GIB, ignores_term=True)
    host.save(file({"a": "4GiB"}, "a", RESERVE))
    await zoo.until("a", "ready")
    await asyncio.sleep(HEALTHY + 5)  # what it grows to later is a leak, and no lesson
    await grow(host, "a", 1200 * MIB)
    end = zoo.zoo.models["a"].last_exit
    await zoo.until("a", "ready")
    end = zoo.zoo.models["a"].last_exit
    assert ("SIGKILL", True) == (end.signal, "a goes" in end.message)
    assert ("Critical", "a") in pressure(zoo)
    assert [] == [e for e in zoo.journal.since() if e.type == "Stuck"]


async def test_the_end_of_a_model_that_went_counts_as_no_crash(host, zoo, file):
    host.behave("a", holds=4 * GIB)
    host.save(file({"a": "4GiB"}, "a", RESERVE))
    await zoo.until("a", "ready")
    await asyncio.sleep(HEALTHY + 5)  # what it grows to later is a leak, and no lesson
    await grow(host, "a", 500 * MIB)
    await zoo.until("a", "ready")
    model = zoo.zoo.models["a"]
    assert (0, 0) == (model.restarts, model.backoff.count)
    assert "a goes" in model.last_exit.message


async def test_a_model_that_went_waits_until_the_memory_is_there_again(host, zoo, file):
    host.behave("a", holds=8 * GIB)
    host.save(file({"a": "8GiB"}, "a", RESERVE))
    await zoo.until("a", "ready")
    host.foreign = 32 * GIB - 8 * GIB - 900 * MIB
    await zoo.until("a", "pending")
    await asyncio.sleep(60)
    assert ("pending", "WaitingForMemory") == (zoo.phase("a"), zoo.reason("a"))
    assert 1 == host.events("a").count("spawn")
    host.foreign = 2 * GIB
    await zoo.until("a", "ready", within=10)
    over = next(e for e in reversed(zoo.journal.since()) if e.type == "Pressure")
    assert ("Over", None, {"pool": "ram"}) == (over.reason, over.model, over.data)
    assert said(zoo) is None


async def test_strangers_who_take_all_memory_cost_no_model_its_place_and_it_is_said(host, zoo, file):
    host.behave("a", holds=100 * MIB)
    host.save(file({"a": "128MiB"}, "a", RESERVE))
    await zoo.until("a", "ready")
    for left in (1900, 800, 200, 0):
        host.foreign = 32 * GIB - 100 * MIB - left * MIB
        await asyncio.sleep(10)
    assert ["spawn", "ready"] == host.events("a")
    assert "ExternalPressure" == said(zoo)["reason"]
    assert "others hold the rest" in said(zoo)["message"]
    assert ("ExternalPressure", None) in pressure(zoo)


async def test_idle_on_demand_models_go_first_one_by_one_with_proof_between(host, zoo):
    host.behave("a", holds=8 * GIB)
    for name in "bcd":
        host.behave(name, holds=500 * MIB, stop=0.5, release=1.0)
    host.save(on_demand(*"bcd", ram="512MiB"))
    for name in "abcd":
        await zoo.until(name, "ready")
    host.foreign += host.available - 1200 * MIB  # which is 848 short of the reserve: two of them
    await asyncio.sleep(60)
    assert ["spawn", "ready"] == host.events("a")
    ends = sorted((host.at(n, "term"), host.at(n, "gone"), n) for n in "bcd" if "term" in host.events(n))
    assert 2 == len(ends)
    (_, first_gone, _), (second_term, _, _) = ends
    assert second_term >= first_gone + 1.0, "before the memory of the first was back"
    assert [("Soft", ends[0][2]), ("Soft", ends[1][2])] == [p for p in pressure(zoo) if p[1]]


async def test_an_on_demand_model_in_use_stays_while_an_idle_one_can_go(host, zoo):
    for name in "abc":
        host.behave(name, holds=4 * GIB)
    host.save(on_demand("b", "c"))
    for name in "abc":
        await zoo.until(name, "ready")
    client = Client(zoo, "c")
    host.foreign = 32 * GIB - 12 * GIB - 1500 * MIB
    await asyncio.sleep(30)
    assert ["spawn", "ready"] == host.events("c")
    assert [] == client.cuts
    assert "term" in host.events("b")


async def test_a_client_whose_model_has_no_room_under_pressure_waits_and_is_served_when_there_is(host, zoo):
    host.behave("a", holds=8 * GIB)
    host.behave("b", holds=4 * GIB)
    host.save(on_demand("b").replace("active: [a, b]", "active: a"))
    await zoo.until("a", "ready")
    host.foreign = 32 * GIB - 8 * GIB - 1500 * MIB
    client = Client(zoo, "b")
    await asyncio.sleep(60)
    assert ([], ["spawn", "ready"]) == (host.events("b"), host.events("a"))
    assert ("pending", "WaitingForMemory") == (zoo.phase("b"), zoo.reason("b"))
    host.foreign = 2 * GIB
    assert "granted" == await client.answered(within=10)


async def test_stalls_under_the_reserve_are_acted_on_without_waiting(host, zoo, file):
    host.behave("a", holds=9 * GIB)
    host.save(file({"a": "4GiB"}, "a", RESERVE))
    await zoo.until("a", "ready")
    await asyncio.sleep(10)
    since = asyncio.get_running_loop().time()
    host.stalls = 0.4
    host.foreign = 32 * GIB - 9 * GIB - 1900 * MIB
    await zoo.until("a", "stopping", within=2)
    assert host.at("a", "term") - since <= 1.3


async def test_memory_is_looked_at_each_second_while_a_model_lives(host, zoo, file, monkeypatch):
    host.behave("a", holds=4 * GIB)
    host.save(file({"a": "4GiB"}, "a", RESERVE))
    await zoo.until("a", "ready")
    await asyncio.sleep(20)
    looks = []
    read = host.read
    monkeypatch.setattr(host, "read", lambda: looks.append(asyncio.get_running_loop().time()) or read())
    await asyncio.sleep(10)
    assert 9 <= len(looks)


async def test_the_plan_foretells_what_the_guard_would_do(host, zoo, file):
    host.behave("a", holds=9 * GIB)
    host.save(file({"a": "4GiB"}, "a", RESERVE))
    await zoo.until("a", "ready")
    await asyncio.sleep(10)
    host.foreign = 32 * GIB - 9 * GIB - 400 * MIB
    told = await zoo.commands.plan(None, "zoo.yaml")
    (action,) = told["actions"]
    assert ("kill", "a", "MemoryPressure") == (action["action"], action["model"], action["cause"])
    assert ["MemoryPressure", "WithinEstimate"] == [c["type"] for c in told["conditions"]]
