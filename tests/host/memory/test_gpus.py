"""All GPUs of a host: whom to ask on which platform, and what of their answers stands for all."""

import logging
import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest

from zoosup.host.memory import apple, gpus
from zoosup.host.memory.gauge import HostGauge
from zoosup.host.memory.gpu_gauge import GpuGauge
from zoosup.host.memory.gpu_types import Gpu, GpuLook, GpusUnavailableError
from zoosup.host.memory.gpus import Gpus, NvmlIfThere
from zoosup.host.memory.ram import RamGauge
from zoosup.host.ports.host import PoolReading

GIB = 2**30


class Says:
    """A source that answers so, once it may."""

    def __init__(self, answer, may=None):
        self.answer = answer
        self.may = may or threading.Event()
        if may is None:
            self.may.set()

    def look(self):
        self.may.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def close(self):
        pass


def gpu(uuid, index, **fields):
    return Gpu(uuid, index, f"GPU {index}", 8 * GIB, 5 * GIB, {}, **fields)


@pytest.fixture
def host():
    """Gpus that sources answer for, asked until the test is over."""
    opened = []

    def of(*sources, patience=20):
        found = Gpus([GpuGauge(source, name) for source, name in zip(sources, ("NVML", "DRM"), strict=False)])
        opened.append(found)
        found.start()
        return found, found.wait(patience)

    yield of
    for each in opened:
        each.close()


NVIDIA = GpuLook((gpu("GPU-n", "0"),))
AMD = GpuLook((gpu("GPU-a", "amd0", make="amd", source="amdgpu"),), ("Intel UHD",))


def test_nvidias_come_first_and_are_called_as_they_are_alone(host):
    both, _ = host(Says(NVIDIA), Says(AMD))
    alone, _ = host(Says(NVIDIA), Says(GpusUnavailableError("")))
    assert [("vram:GPU-n", "0"), ("vram:GPU-a", "amd0")] == [(r.id, r.index) for r in both.read()]
    assert alone.read()[0].id == both.read()[0].id
    assert (("Intel UHD",), "", "") == (both.unified, both.trouble, alone.trouble)


def test_a_driver_that_hangs_keeps_no_other_waiting(host):
    may = threading.Event()
    found, all_answered = host(Says(NVIDIA, may), Says(AMD), patience=0.05)
    found._gauges[1].wait(20)
    assert (False, ["vram:GPU-a"]) == (all_answered, [r.id for r in found.read()])
    may.set()


def test_that_there_is_no_nvml_is_no_trouble_where_there_are_other_gpus(host):
    none = Says(GpusUnavailableError("NVML Shared Library Not Found"))
    assert "" == host(none, Says(AMD))[0].trouble
    assert "NVML Shared Library Not Found" == host(none, Says(GpusUnavailableError("")))[0].trouble


def test_trouble_of_a_gpu_is_said(host):
    lost = GpuLook((replace(gpu("GPU-a", "amd0"), available=None, trouble="gone"),), trouble="GPU amd0: gone")
    assert "GPU amd0: gone" == host(Says(NVIDIA), Says(lost))[0].trouble


@pytest.mark.parametrize(
    ("platform", "machine", "asked"),
    [
        ("linux", "x86_64", ["NVML", "DRM"]),
        ("darwin", "arm64", ["sysctl"]),
        ("darwin", "x86_64", []),
    ],
)
def test_who_is_asked_depends_on_the_platform(monkeypatch, platform, machine, asked):
    monkeypatch.setattr(gpus.sys, "platform", platform)
    monkeypatch.setattr(gpus.platform, "machine", lambda: machine)
    assert asked == [gauge._name for gauge in gpus.gauges()]
    assert ((), "", True) == (Gpus(()).read(), Gpus(()).trouble, Gpus(()).wait(0))


def test_a_host_without_any_says_so_once(host, caplog):
    caplog.set_level(logging.INFO, "zoosup.host.memory.gpu_gauge")
    host(Says(GpusUnavailableError("NVML Shared Library Not Found")), Says(GpusUnavailableError("")))
    assert ["no pools for GPUs: NVML Shared Library Not Found"] == [r.getMessage() for r in caplog.records]


def test_closing_ends_a_session_with_nvml_if_there_is_one():
    closed = []
    nvml = NvmlIfThere()
    nvml.close()  # nothing was begun
    nvml._nvml = SimpleNamespace(close=lambda: closed.append(1))
    nvml.close()
    assert [1] == closed


# RAM and GPUs together


class Ram:
    def __init__(self, available):
        self.available = available

    def read(self):
        return (PoolReading("ram", "ram", "RAM", 64 * GIB, self.available, "MemAvailable"),)


def card(total, available, *, unified=True):
    return PoolReading("vram:u", "vram", "GPU", total, available, "amdgpu", unified=unified, at=7.0)


def read(ram, *cards):
    return HostGauge(Ram(ram), SimpleNamespace(read=lambda: cards)).read()


def test_the_gpus_come_after_ram():
    gauges = HostGauge(RamGauge(), SimpleNamespace(read=lambda: (card(GIB, GIB, unified=False),)))
    assert ["ram", "vram:u"] == [reading.id for reading in gauges.read()]
    assert RamGauge().oom_kills() == gauges.oom_kills()
    assert gauges.stalled() is None  # not yet: one look says nothing


@pytest.mark.parametrize(
    ("ram", "one", "total", "available"),
    [
        (40 * GIB, card(48 * GIB, 30 * GIB), 48, 30),  # what the GPU may still take, though RAM has more
        (20 * GIB, card(48 * GIB, 30 * GIB), 48, 20),  # it has no more than RAM
        (20 * GIB, card(0, 0), 64, 20),  # nothing bounds it but RAM (GB10)
        (20 * GIB, card(48 * GIB, None), 48, None),
        (None, card(48 * GIB, 30 * GIB), 48, None),
        (20 * GIB, card(48 * GIB, 30 * GIB, unified=False), 48, 30),
    ],
)
def test_a_gpu_without_memory_of_its_own_has_no_more_than_ram(ram, one, total, available):
    _, found = read(ram, one)
    assert (total * GIB, available, 7.0) == (
        found.total,
        None if found.available is None else found.available // GIB,
        found.at,
    )


# Apple's


@pytest.mark.parametrize(
    ("ram", "set_mib", "most"),
    [(24, 0, 16), (36, 0, 27), (64, 0, 48), (64, 57344, 56), (16, 65536, 16)],
)
def test_how_much_of_ram_apples_gpu_may_take(ram, set_mib, most):
    assert most * GIB == apple.limit(ram * GIB, set_mib)


def test_apples_gpu_is_a_part_of_ram(monkeypatch):
    told = {
        b"hw.memsize": (64 * GIB).to_bytes(8, "little"),
        b"iogpu.wired_limit_mb": (50 << 10).to_bytes(4, "little"),
        b"machdep.cpu.brand_string": b"Apple M2 Max\0",
    }
    monkeypatch.setattr(apple, "_read", lambda name: told.get(name, b""))
    (one,) = apple.Apple().look().cards
    assert ("apple0", "GPU apple0 Apple M2 Max", "apple", True) == (
        one.index,
        one.name,
        one.make,
        one.unified,
    )
    assert (50 * GIB, 50 * GIB, None) == (one.total, one.available, one.processes)


def test_apples_kernel_is_asked_by_name_and_what_it_does_not_know_is_nothing(monkeypatch):
    def sysctlbyname(name, value, size, _new, _length):
        if name != b"hw.memsize":
            return -1
        value.raw = (24 * GIB).to_bytes(8, "little") + value.raw[8:]
        size._obj.value = 8
        return 0

    monkeypatch.setattr(apple.ctypes, "CDLL", lambda _: SimpleNamespace(sysctlbyname=sysctlbyname))
    assert (24 * GIB).to_bytes(8, "little") == apple._read(b"hw.memsize")
    (one,) = apple.Apple().look().cards
    assert (16 * GIB, "GPU apple0 Apple GPU", "GPU-apple", "sysctl") == (
        one.total,
        one.name,
        one.uuid,
        one.source,
    )


@pytest.mark.parametrize("there", [True, False])
def test_a_binding_is_loaded_where_there_is_its_library(monkeypatch, there):
    def load(name):
        assert "libnvidia-ml.so.1" == name
        if not there:
            raise OSError(name)

    monkeypatch.setattr(gpus.ctypes, "CDLL", load)
    nvml = NvmlIfThere()
    if there:
        said = SimpleNamespace(look=lambda: NVIDIA, close=lambda: None)
        monkeypatch.setattr("zoosup.host.memory.nvml.Nvml", lambda: said)
        assert NVIDIA is nvml.look() is nvml.look()
        monkeypatch.setattr(gpus, "_nvml", lambda: pytest.fail("was begun twice"))
        assert NVIDIA is nvml.look()
    else:
        with pytest.raises(GpusUnavailableError, match="NVML Shared Library Not Found"):
            nvml.look()


def test_everybodys_first_answer_is_waited_for_and_no_longer_than_was_said():
    asked = []

    def gauge(answers):
        return SimpleNamespace(wait=lambda timeout: asked.append(timeout) or answers)

    assert not Gpus([gauge(True), gauge(False), gauge(True)]).wait(5.0)
    assert Gpus([gauge(True), gauge(True)]).wait(5.0)
    assert all(4.0 < each <= 5.0 for each in asked)
    assert 5 == len(asked)
    asked.clear()
    Gpus([gauge(False)]).wait(-1.0)
    assert [0.0] == asked
