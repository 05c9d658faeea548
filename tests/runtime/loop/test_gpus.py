"""Models on GPUs, in virtual time: the card asserts that it is never asked for more than it has."""

import asyncio
from dataclasses import dataclass, field

import pytest

from tests.runtime.conftest import Supervised, VirtualHost
from zoosup.core.state.runs import Run
from zoosup.host.ports.host import PoolReading
from zoosup.runtime.fleet.report import need_of
from zoosup.runtime.state.run_usage import holdings
from zoosup.spec.model.model import ModelSpec

GIB = 2**30
TOTAL = 24 * GIB


@dataclass
class Claim:
    """What one process holds on its cards, until `back` once it has ended."""

    pid: int
    model: str
    cards: tuple[str, ...]
    share: int
    back: float | None = None


@dataclass
class Cards:
    """How the driver of a GpuHost behaves; seconds and bytes."""

    names: tuple[str, ...] = ("GPU-a", "GPU-b")
    holds: dict[str, int] = field(default_factory=dict)
    heeds: dict[str, str] = field(default_factory=dict)  # the card that a model takes whatever it is shown
    release: float = 0.0  # after the exit; until then the pid stands in the driver's list
    age: float = 0.0  # a figure is made so often and no more
    tells_pids: bool = True
    tells_bytes: bool = (
        True  # of each pid; the kernel lets go of one that has ended at once, whatever it held
    )


class GpuHost(VirtualHost):
    """A virtual host with two GPUs of 24 GiB."""

    def __init__(self):
        super().__init__()
        self.cards = Cards()
        self.claims: list[Claim] = []
        self.shown: dict[str, str | None] = {}
        self._made: tuple[PoolReading, ...] = ()
        self._made_at = float("-inf")

    def used(self, card):
        now = self._now()
        sharers = [c for c in self.claims if card in c.cards and (c.back is None or now < c.back)]
        return {c.pid: c.share for c in sharers}

    def read(self):
        if self._now() - self._made_at >= self.cards.age:
            self._made_at = self._now()
            self._made = tuple(self._reading(i, card) for i, card in enumerate(self.cards.names))
        return super().read() + self._made

    def _reading(self, index, card):
        used = self.used(card)
        free = TOTAL - sum(used.values())
        assert free >= 0, f"{card} is out of memory"
        there = {c.pid: None for c in self.claims if card in c.cards and c.back is None}
        told = (used if self.cards.tells_bytes else there) if self.cards.tells_pids else None
        return PoolReading(
            f"vram:{card}", "vram", f"GPU {index}", TOTAL, free, "virtual", str(index), self._now(), told
        )

    async def spawn(self, launch):
        self.shown[launch.model] = launch.env.get("CUDA_VISIBLE_DEVICES")
        pid = await super().spawn(launch)
        cards = tuple((self.shown[launch.model] or "").split(",")) if self.shown[launch.model] else ()
        cards = (self.cards.heeds[launch.model],) if launch.model in self.cards.heeds else cards
        if cards:
            share = self.cards.holds.get(launch.model, 0) // len(cards)
            self.claims.append(Claim(pid, launch.model, cards, share))
            for card in cards:
                assert sum(self.used(card).values()) <= TOTAL, f"{launch.model} would find {card} full"
        return pid

    def _end(self, process, end):
        for claim in self.claims:
            if claim.pid == process.pid and claim.back is None:
                claim.back = self._now() + self.cards.release
        super()._end(process, end)


@pytest.fixture
async def host():
    return GpuHost()


@pytest.fixture
async def zoo(host):
    supervised = Supervised(host)
    yield supervised
    await supervised.close()


def a_file(active, **vram):
    lines = [f"active: {active}", "budget: {vram_reserve: 0B}", "models:"]
    for name, memory in vram.items():
        lines.append(f"  {name}: {{command: [serve, {name}], memory: {{ram: 1GiB, vram: {memory}}}}}")
    return "\n".join(lines) + "\n"


def held(zoo, model):
    return {pool: each["held"] for pool, each in zoo.publisher.snapshot["models"][model]["memory"].items()}


async def on(zoo, host, active, **sizes):
    host.cards.holds = {name: int(size.removesuffix("GiB")) * GIB for name, size in sizes.items()}
    host.save(a_file(active, **sizes))


@pytest.mark.looptime
async def test_a_model_is_shown_its_gpu_by_uuid_and_weighed_there(host, zoo):
    await on(zoo, host, "[a, b]", a="20GiB", b="12GiB")
    await zoo.until("b", "ready")
    assert {"a": "GPU-a", "b": "GPU-b"} == host.shown
    await asyncio.sleep(10)
    assert {"ram": GIB, "vram:GPU-a": 20 * GIB} == held(zoo, "a")
    pools = {p["id"]: (p["reserved"], p["held"], p["foreign"]) for p in zoo.publisher.snapshot["pools"]}
    assert (12 * GIB, 12 * GIB, 0) == pools["vram:GPU-b"]
    assert ["GPU-a"] == zoo.publisher.snapshot["models"]["a"]["gpus"]


@pytest.mark.looptime
async def test_a_split_model_is_weighed_on_each_of_its_gpus(host, zoo):
    await on(zoo, host, "a", a="40GiB")
    await zoo.until("a", "ready")
    await asyncio.sleep(10)
    assert "GPU-a,GPU-b" == host.shown["a"]
    assert {"ram": GIB, "vram:GPU-a": 20 * GIB, "vram:GPU-b": 20 * GIB} == held(zoo, "a")


@pytest.mark.looptime
@pytest.mark.parametrize("age", [0.0, 1.0])
@pytest.mark.parametrize("release", [0.0, 4.0])
async def test_a_successor_starts_only_when_the_driver_has_given_the_memory_back(host, zoo, age, release):
    """`spawn` of the host asserts that there is room: a figure read twice must not agree with itself."""
    host.cards.names = ("GPU-a",)
    host.cards.age, host.cards.release = age, release
    await on(zoo, host, "a", a="20GiB", b="20GiB")
    await zoo.until("a", "ready")
    await asyncio.sleep(10)
    await on(zoo, host, "b", a="20GiB", b="20GiB")
    await zoo.until("b", "ready", within=60)
    waited = host.at("b", "spawn") - host.at("a", "exit")
    assert release <= waited <= release + 2 * age + 1.0


@pytest.mark.looptime
@pytest.mark.parametrize("tells", [{"tells_pids": False}, {"tells_bytes": False}])
async def test_where_nobody_can_say_what_it_held_what_it_was_booked_with_is_waited_for(host, zoo, tells):
    """Else nothing at all would count as all that it held, and its successor would be found not to fit."""
    host.cards = Cards(("GPU-a",), release=1.0, **tells)
    await on(zoo, host, "a", a="20GiB", b="20GiB")
    await zoo.until("a", "ready")
    await asyncio.sleep(10)
    await on(zoo, host, "b", a="20GiB", b="20GiB")
    await zoo.until("b", "ready", within=60)
    waited = host.at("b", "spawn") - host.at("a", "exit")
    assert 1.0 <= waited <= 2.0
    assert 1 == host.events("a").count("spawn"), "it came back, because its successor did not fit"


@pytest.mark.looptime
async def test_after_a_crash_the_same_gpu_is_waited_for(host, zoo):
    host.cards.names = ("GPU-a",)
    host.cards.release = 3.0
    await on(zoo, host, "a", a="20GiB")
    await zoo.until("a", "ready")
    await asyncio.sleep(10)
    host.kill("a")
    await asyncio.sleep(2.5)
    assert ("pending", 1) == (zoo.phase("a"), host.events("a").count("spawn"))
    await zoo.until("a", "ready", within=60)
    assert 2 == host.events("a").count("spawn")


@pytest.mark.looptime
async def test_where_the_driver_tells_of_no_processes_two_models_still_share_a_gpu(host, zoo):
    host.cards.names, host.cards.tells_pids = ("GPU-a",), False
    await on(zoo, host, "[a, b, c]", a="12GiB", b="12GiB", c="4GiB")
    await zoo.until("b", "ready", within=60)
    await asyncio.sleep(20)
    assert ("ready", "ready", "pending") == (zoo.phase("a"), zoo.phase("b"), zoo.phase("c"))


@pytest.mark.looptime
async def test_an_adopted_model_keeps_its_gpus(host, zoo):
    await on(zoo, host, "[a, b]", a="20GiB", b="20GiB")
    await zoo.until("b", "ready")
    await asyncio.sleep(10)
    await zoo.die()
    successor = await Supervised.after_adoption(host)
    try:
        await successor.until("a", "ready")
        assert 1 == host.events("a").count("spawn")
        (run,) = [run for model, run in successor.zoo.live() if model.name == "a"]
        assert (("GPU-a",), 20 * GIB) == (run.gpus, run.measured["vram:GPU-a"])
    finally:
        await successor.close()


def told(zoo, model):
    conditions = zoo.publisher.snapshot["models"][model]["conditions"]
    said = [each["message"] for each in conditions if each["type"] == "OnGivenGpus"]
    events = [event.reason for event in zoo.journal.since() if event.type == "OtherGpu"]
    return said, events


@pytest.mark.looptime
async def test_a_model_that_takes_another_gpu_than_its_own_is_told_of_and_counts_where_it_is(host, zoo):
    host.cards.heeds = {"a": "GPU-b"}
    await on(zoo, host, "a", a="10GiB")
    await zoo.until("a", "ready")
    await asyncio.sleep(10)
    said = "holds 10 GiB of vram:GPU-b, and was given vram:GPU-a"
    assert ([said], ["OtherGpu"]) == told(zoo, "a")
    assert {"ram": GIB, "vram:GPU-a": 0, "vram:GPU-b": 10 * GIB} == held(zoo, "a")
    pools = {p["id"]: (p["reserved"], p["held"], p["foreign"]) for p in zoo.publisher.snapshot["pools"]}
    assert (10 * GIB, 10 * GIB, 0) == pools["vram:GPU-b"]
    # 14 GiB are left on each of two. The host asserts that no card is overdrawn.
    await on(zoo, host, "[a, b]", a="10GiB", b="29GiB")
    await asyncio.sleep(10)
    assert "pending" == zoo.phase("b")


@pytest.mark.looptime
async def test_once_it_sits_right_again_nothing_is_told_any_longer(host, zoo):
    host.cards.heeds = {"a": "GPU-b"}
    await on(zoo, host, "a", a="10GiB")
    await zoo.until("a", "ready")
    await asyncio.sleep(10)
    host.claims[0].cards = ("GPU-a",)
    await asyncio.sleep(15)
    assert ([], ["OtherGpu", "Over"]) == told(zoo, "a")
    assert {"ram": GIB, "vram:GPU-a": 10 * GIB, "vram:GPU-b": 0} == held(zoo, "a") | {"vram:GPU-b": 0}


@pytest.mark.looptime
async def test_a_successor_waits_for_the_memory_that_it_held_elsewhere(host, zoo):
    host.cards.heeds = {"a": "GPU-b"}
    host.cards.release = 4.0
    await on(zoo, host, "a", a="20GiB")
    await zoo.until("a", "ready")
    await asyncio.sleep(10)
    host.cards.holds["b"] = 20 * GIB
    host.save(a_file("b", b="20GiB").replace("memory: {ram", "gpus: [GPU-b], memory: {ram"))
    await zoo.until("b", "ready", within=60)
    assert 4.0 <= host.at("b", "spawn") - host.at("a", "exit")
    waited = {event.data["pool"] for event in zoo.journal.since() if event.type == "CoolDown"}
    assert "vram:GPU-b" in waited


def a_run(**fields):
    spec = ModelSpec(command=("serve",))
    return Run("r", "box", spec, 1, {"ram": GIB, "vram:GPU-a": GIB}, 0.0, 0.0, **fields)


def reading(processes, uuid="GPU-a"):
    return PoolReading(f"vram:{uuid}", "vram", "GPU 0", TOTAL, TOTAL, "NVML", "0", 0.0, processes)


def test_the_whole_tree_counts():
    assert {"ram": 5, "vram:GPU-a": 30} == holdings(a_run(), 5, {1, 2, 3}, [reading({1: 10, 2: 20, 9: 99})])


def test_who_is_not_listed_holds_nothing_where_it_is_booked():
    assert {"ram": 5, "vram:GPU-a": 0} == holdings(a_run(), 5, {1}, [reading({}), reading({}, "GPU-b")])


def test_what_it_holds_where_it_is_not_booked_counts_too():
    assert 7 == holdings(a_run(), 5, {1}, [reading({1: 7}, "GPU-b")])["vram:GPU-b"]


@pytest.mark.parametrize("told", [None, {1: None}, {1: 10, 2: None}])
def test_what_can_not_be_told_stays_as_it_was_known(told):
    assert {"ram": 5} == holdings(a_run(), 5, {1, 2}, [reading(told)])
    known = a_run(measured={"ram": 1, "vram:GPU-a": 12})
    assert {"ram": 5, "vram:GPU-a": 12} == holdings(known, 5, {1, 2}, [reading(told)])


def test_that_it_held_nothing_before_it_was_there_says_nothing_once_it_is():
    before = a_run(measured={"ram": 1, "vram:GPU-a": 0})
    assert {"ram": 5} == holdings(before, 5, {1, 2}, [reading({1: None})])
    assert {"ram": 5, "vram:GPU-a": 0} == holdings(before, 5, {1, 2}, [reading({9: None})])


@pytest.mark.looptime
async def test_what_a_guess_took_on_its_gpu_is_what_it_is_booked_with_the_next_time(host, zoo):
    host.behave("a", holds=GIB)
    host.cards.holds = {"a": 6 * GIB}
    host.save("active: a\nbudget: {vram_reserve: 0B}\nmodels:\n  a: {command: [serve, a]}\n")
    await zoo.until("a", "ready")
    before = booked(zoo)
    assert {"ram": 8 * GIB, "vram": 8 * GIB} == before
    await asyncio.sleep(70)
    await zoo.commands.restart("a")
    await asyncio.sleep(5)
    await zoo.until("a", "ready")
    assert {"ram": 1.1 * GIB, "vram": 6.6 * GIB} == pytest.approx(booked(zoo))
    memory = zoo.publisher.snapshot["models"]["a"]["memory"]
    assert {"learned"} == {each["source"] for each in memory.values()}


def booked(zoo, model="a"):
    run = zoo.zoo.models[model].run
    return {pool.partition(":")[0]: amount for pool, amount in run.reserved.items()}


@pytest.mark.parametrize(
    ("gpus", "told"),
    [
        ("memory: {ram: 1GiB, vram: 4GiB}", (None, ())),
        ("memory: {ram: 1GiB, vram: 4GiB}, gpus: 2", (2, ())),
        ("memory: {ram: 1GiB, vram: 4GiB}, gpus: [GPU-b]", (1, ("GPU-b",))),
        ("memory: {ram: 1GiB}, gpus: none", (0, ())),
    ],
)
async def test_the_fleet_is_told_on_how_many_gpus_a_model_runs_and_on_which_if_that_is_said(
    host, zoo, gpus, told
):
    host.save(f"active: []\nmodels:\n  a: {{command: [serve, a], {gpus}}}\n")
    await asyncio.sleep(1)
    model = zoo.zoo.models["a"]
    need = need_of(zoo.zoo, model, zoo.zoo.spec.models["a"])
    assert told == (need.gpus, need.cards)
