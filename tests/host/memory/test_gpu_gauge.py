"""The gauge of GPU memory: what it says while its thread asks, waits or hangs."""

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.host.conftest import eventually
from zoosup.host.memory import gpu_gauge
from zoosup.host.memory.gpu_gauge import STALE, UNBELIEVED, GpuGauge
from zoosup.host.memory.gpu_types import Gpu, GpuLook, GpusUnavailableError

GIB = 2**30


def card(uuid="GPU-a", available=20 * GIB, index="0", trouble="", processes=None):
    return Gpu(uuid, index, f"GPU {index} Fake", 24 * GIB, available, processes or {}, trouble)


@dataclass
class Scripted:
    """A source that answers what a test has put there; it hangs while `held` is set."""

    answer: GpuLook | Exception = field(default_factory=lambda: GpuLook((card(),)))
    looks: int = 0
    closed: int = 0
    free: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self):
        self.free.set()

    def look(self):
        self.looks += 1
        self.free.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def close(self):
        self.closed += 1


@dataclass
class Bench:
    gauge: GpuGauge
    source: Scripted
    now: list[float]

    async def until(self, condition: Callable[[tuple], bool]):
        """Read as often as a turn would, until what is read is so."""

        def so():
            self.now[0] += 0.01  # so that what was read last is not quite fresh
            return condition(self.gauge.read())

        await eventually(so)
        return self.gauge.read()

    async def newly(self):
        """Two looks later: the first may have begun before the test changed its answer."""
        before = self.source.looks
        return await self.until(lambda _: self.source.looks > before + 1)


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.setattr(gpu_gauge, "AGAIN", 0.01)
    monkeypatch.setattr(gpu_gauge, "ABSENT", 0.01)
    monkeypatch.setattr(gpu_gauge, "PERIOD", 0.05)
    now = [100.0]
    source = Scripted()
    gauge = GpuGauge(source, clock=lambda: now[0], spacing=0.002)
    yield Bench(gauge, source, now)
    source.free.set()
    gauge.close()
    if gauge._thread is not None:
        gauge._thread.join(20)
        assert not gauge._thread.is_alive()


async def test_a_gpu_is_a_pool(bench):
    bench.source.answer = GpuLook((card(processes={7: GIB}),))
    bench.gauge.start()
    assert bench.gauge.wait(20)
    (reading,) = bench.gauge.read()
    assert ("vram:GPU-a", "vram", "GPU 0 Fake", "0") == (
        reading.id,
        reading.kind,
        reading.name,
        reading.index,
    )
    assert (24 * GIB, 20 * GIB, {7: GIB}) == (reading.total, reading.available, reading.processes)
    assert ("NVML", 100.0, False) == (reading.source, reading.at, reading.unified)


def test_before_the_first_answer_there_are_no_pools(bench):
    bench.source.free.clear()
    bench.gauge.start()
    assert not bench.gauge.wait(0.01)
    assert ((), "NVML has not answered yet") == (bench.gauge.read(), bench.gauge.trouble)


async def test_a_reader_has_the_next_look_made(bench, monkeypatch):
    monkeypatch.setattr(gpu_gauge, "PERIOD", 1e6)
    bench.gauge.start()
    assert bench.gauge.wait(20)
    before = bench.source.looks
    await bench.until(lambda _: bench.source.looks > before + 3)


async def test_a_library_that_hangs_keeps_nobody_waiting_and_is_soon_not_believed(bench):
    bench.gauge.start()
    assert bench.gauge.wait(20)
    bench.source.free.clear()
    before = bench.source.looks
    await bench.until(lambda _: bench.source.looks > before)
    at = bench.gauge.read()[0].at
    bench.now[0] = at + STALE + 0.5
    assert (20 * GIB, "NVML, silent for 4 s") == (
        bench.gauge.read()[0].available,
        bench.gauge.read()[0].source,
    )
    bench.now[0] = at + UNBELIEVED + 0.5
    (reading,) = bench.gauge.read()
    assert (24 * GIB, None, None) == (reading.total, reading.available, reading.processes)
    bench.source.free.set()
    await bench.until(lambda found: found[0].available == 20 * GIB)


async def test_a_gpu_that_vanishes_stays_a_pool_that_can_not_be_read_until_it_is_back(bench):
    bench.source.answer = GpuLook((card(), card("GPU-b", 9 * GIB, "1")))
    bench.gauge.start()
    assert bench.gauge.wait(20)
    bench.source.answer = GpuLook((card(),))
    found = await bench.until(lambda readings: readings[1].available is None)
    assert [("vram:GPU-a", 20 * GIB), ("vram:GPU-b", None)] == [(r.id, r.available) for r in found]
    assert ("NVML: it has vanished", 24 * GIB) == (found[1].source, found[1].total)
    await bench.until(lambda _: bench.source.closed > 0)  # the library finds GPUs when a session begins
    bench.source.answer = GpuLook((card(), card("GPU-b", 9 * GIB, "1")))
    await bench.until(lambda readings: readings[1].available == 9 * GIB)
    assert "" == bench.gauge.trouble


async def test_a_gpu_that_is_lost_keeps_its_size(bench):
    bench.gauge.start()
    assert bench.gauge.wait(20)
    lost = Gpu("GPU-a", "0", "GPU 0 Fake", 0, None, None, "GPU is lost")
    bench.source.answer = GpuLook((lost,), trouble="GPU 0: GPU is lost")
    (reading,) = await bench.until(lambda readings: readings[0].available is None)
    assert (24 * GIB, "NVML: GPU is lost") == (reading.total, reading.source)


async def test_a_driver_that_goes_away_takes_no_pool_with_it(bench):
    bench.gauge.start()
    assert bench.gauge.wait(20)
    bench.source.answer = GpusUnavailableError("Driver Not Loaded")
    (reading,) = await bench.until(lambda readings: readings[0].available is None)
    assert "NVML: Driver Not Loaded" == reading.source
    bench.source.answer = GpuLook((card(),))
    await bench.until(lambda readings: readings[0].available == 20 * GIB)


async def test_a_host_without_nvml_has_no_pools_and_says_so_once(bench, caplog):
    caplog.set_level(logging.INFO, "zoosup.host.memory.gpu_gauge")
    bench.source.answer = GpusUnavailableError("NVML Shared Library Not Found")
    bench.gauge.start()
    assert bench.gauge.wait(20)
    assert () == await bench.newly()
    assert ["no pools for GPUs: NVML Shared Library Not Found"] == [r.getMessage() for r in caplog.records]
    assert "NVML Shared Library Not Found" == bench.gauge.trouble


async def test_where_there_is_nothing_to_ask_no_thread_waits(bench, monkeypatch):
    monkeypatch.setattr(gpu_gauge, "ABSENT", 60.0)
    bench.source.answer = GpusUnavailableError("NVML Shared Library Not Found")
    bench.gauge.start()
    await eventually(lambda: bench.source.closed == 1)
    bench.gauge._thread.join(20)
    bench.now[0] += 59
    assert ((), 1, False) == (bench.gauge.read(), bench.source.looks, bench.gauge._thread.is_alive())
    bench.now[0] += 2
    assert () == bench.gauge.read()
    await eventually(lambda: bench.source.looks == 2)


async def test_a_driver_that_is_loaded_later_brings_its_pools(bench):
    bench.source.answer = GpusUnavailableError("Driver Not Loaded")
    bench.gauge.start()
    assert bench.gauge.wait(20)
    bench.source.answer = GpuLook((card(),))
    await bench.until(lambda readings: len(readings) == 1)


async def test_a_bug_of_ours_leaves_the_last_answer_to_grow_stale(bench):
    bench.gauge.start()
    assert bench.gauge.wait(20)
    bench.source.answer = ZeroDivisionError("oops")
    at = bench.gauge.read()[0].at
    await bench.newly()
    await eventually(lambda: bench.gauge.trouble == "internal error: ZeroDivisionError('oops')")
    frozen = bench.gauge.read()[0].at
    assert frozen >= at
    await bench.newly()
    assert frozen == bench.gauge.read()[0].at


async def test_a_gpu_that_is_in_trouble_and_can_be_read_is_said_to_be(bench, caplog):
    caplog.set_level(logging.INFO, "zoosup.host.memory.gpu_gauge")
    bench.source.answer = GpuLook((card(trouble="it hung"),), trouble="GPU 0 Fake: it hung")
    bench.gauge.start()
    assert bench.gauge.wait(20)
    (reading,) = bench.gauge.read()
    assert ("NVML: it hung", 20 * GIB) == (reading.source, reading.available)
    assert ["GPUs in trouble: GPU 0 Fake: it hung"] == [r.getMessage() for r in caplog.records]


async def test_where_nobody_is_to_be_asked_and_that_is_in_order_nothing_is_said(bench, caplog):
    caplog.set_level(logging.INFO, "zoosup.host.memory.gpu_gauge")
    bench.source.answer = GpusUnavailableError("")
    bench.gauge.start()
    assert bench.gauge.wait(20)
    await bench.newly()
    assert ("", []) == (bench.gauge.trouble, caplog.records)


async def test_whose_gpu_it_is_and_where_it_sits_is_told(bench):
    one = Gpu(
        "GPU-a", "amd0", "GPU amd0 Fake", GIB, GIB, make="amd", pci="0000:03:00.0",
        render_node="/dev/dri/renderD128", unified=True, source="amdgpu",
    )  # fmt: skip
    bench.source.answer = GpuLook((one,))
    bench.gauge.start()
    assert bench.gauge.wait(20)
    (reading,) = bench.gauge.read()
    assert ("amd", "0000:03:00.0", "/dev/dri/renderD128", True, "amdgpu") == (
        reading.make,
        reading.pci,
        reading.render_node,
        reading.unified,
        reading.source,
    )


@pytest.mark.parametrize(
    ("age", "available", "source"),
    [
        (2.9, 20 * GIB, "NVML"),
        (3.1, 20 * GIB, "NVML, silent for 3 s"),
        (9.9, 20 * GIB, "NVML, silent for 10 s"),
        (10.1, None, "NVML, silent for 10 s"),
    ],
)
def test_how_long_an_answer_is_believed(age, available, source):
    found = gpu_gauge._reading(card(processes={7: GIB}), 5.0, age)
    assert (source, available) == (found.source, found.available)
    assert (None if available is None else {7: GIB}) == found.processes


def test_so_often_is_asked_unless_told_otherwise():
    found = (gpu_gauge.PERIOD, gpu_gauge.SPACING, gpu_gauge.AGAIN, gpu_gauge.ABSENT)
    assert (1.0, 0.05, 5.0, 60.0) == found


@pytest.mark.parametrize(("period", "is_asked_again"), [(1e6, False), (0.01, True)])
async def test_where_nobody_reads_it_is_looked_once_a_period(bench, monkeypatch, period, is_asked_again):
    monkeypatch.setattr(gpu_gauge, "PERIOD", period)
    bench.gauge.start()
    assert bench.gauge.wait(20)
    if is_asked_again:
        await eventually(lambda: bench.source.looks > 2)
    else:
        await asyncio.sleep(0.1)
        assert 1 == bench.source.looks
