"""Models on a GPU that takes its memory from RAM, in virtual time: the host asserts that RAM is never overfull."""

import asyncio
from dataclasses import replace

import pytest

from tests.runtime.conftest import Supervised
from tests.runtime.loop.test_gpus import GpuHost
from zoosup.host.memory.gauge import within_ram

GIB = 2**30
POOL = "vram:GPU-u"


class UnifiedHost(GpuHost):
    """32 GiB of RAM, 2 of which others have; its GPU (GB10) may take 24 of them. The driver tells its use by pid."""

    def __init__(self):
        super().__init__()
        self.cards.names = ("GPU-u",)

    def read(self):
        ram, card = super().read()
        left = ram.available - sum(self.used("GPU-u").values())
        assert left >= 0, "RAM is overfull"
        ram = replace(ram, available=left)
        return ram, *within_ram((ram,), (replace(card, unified=True),))


@pytest.fixture
async def host():
    return UnifiedHost()


@pytest.fixture
async def zoo(host):
    supervised = Supervised(host)
    yield supervised
    await supervised.close()


async def on(zoo, host, active, **sizes):
    """Models of 1 GiB of RAM and so much on the GPU, which take it as they start."""
    host.cards.holds = {name: size * GIB for name, size in sizes.items()}
    lines = [f"active: {active}", "budget: {ram_reserve: 2GiB, vram_reserve: 0B}", "models:"]
    for name, size in sizes.items():
        host.behave(name, holds=GIB)
        lines.append(f"  {name}: {{command: [serve, {name}], memory: {{ram: 1GiB, vram: {size}GiB}}}}")
    host.save("\n".join(lines) + "\n")


def pool(zoo, id_):
    found = next(each for each in zoo.publisher.snapshot["pools"] if each["id"] == id_)
    return {key: found[key] / GIB for key in ("reserved", "held", "foreign")}


@pytest.mark.looptime
async def test_what_stands_on_the_gpu_stands_in_ram_and_counts_once(host, zoo):
    await on(zoo, host, "[a, b]", a=10, b=8)
    await zoo.until("a", "ready")
    await zoo.until("b", "ready")
    await asyncio.sleep(10)
    assert {"reserved": 18, "held": 18, "foreign": 0} == pool(zoo, POOL)
    assert {"reserved": 20, "held": 20, "foreign": 2} == pool(zoo, "ram")
    held = zoo.publisher.snapshot["models"]["a"]["memory"]
    assert (GIB, 10 * GIB) == (held["ram"]["held"], held[POOL]["held"])
    assert [False, True] == [each["unified"] for each in zoo.publisher.snapshot["pools"]]


@pytest.mark.looptime
async def test_two_that_do_not_fit_ram_together_do_not_run_together_though_each_fits_the_gpu(host, zoo):
    host.foreign = 8 * GIB
    await on(zoo, host, "[a, c]", a=12, c=12)
    await zoo.until("a", "ready")
    await asyncio.sleep(20)
    assert ("ready", "pending") == (zoo.phase("a"), zoo.phase("c"))
    assert zoo.publisher.snapshot["models"]["c"]["message"].startswith("ram is short of")


@pytest.mark.looptime
@pytest.mark.parametrize("release", [0.0, 1.0])
async def test_a_switch_waits_until_the_memory_is_back_in_both(host, zoo, release):
    host.cards.release = release
    await on(zoo, host, "a", a=20, b=20)
    await zoo.until("a", "ready")
    await asyncio.sleep(10)
    await on(zoo, host, "b", a=20, b=20)
    await zoo.until("b", "ready", within=60)
    assert release <= host.at("b", "spawn") - host.at("a", "exit") <= release + 1.0
    assert 1 == host.events("a").count("spawn")
