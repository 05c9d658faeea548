"""The real binding against a scripted library: what one look finds, whatever the driver answers."""

import ctypes
import os
import subprocess
import sys

import pynvml
import pytest

from tests.host.fake_gpus import GIB, Driver, build
from zoosup.host.memory import gpus, nvml
from zoosup.host.memory.gpu_types import GpusUnavailableError
from zoosup.host.memory.nvml import Nvml

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="NVML is Linux's and Windows's")

NOT_SUPPORTED, NO_PERMISSION, FUNCTION_NOT_FOUND, GPU_IS_LOST, UNKNOWN = 3, 4, 13, 15, 999


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def driver(library, tmp_path, monkeypatch):
    """A driver with one GPU, to which the binding is connected for the length of a test."""
    monkeypatch.setattr(pynvml, "nvmlLib", ctypes.CDLL(str(library)))
    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
    monkeypatch.setenv("FAKE_NVML_STATE", str(tmp_path / "gpus"))
    monkeypatch.setattr(nvml, "_pids_are_everybodys", lambda: True)
    found = Driver(tmp_path / "gpus")
    found.gpu()
    return found


@pytest.fixture
def session(driver):
    opened = Nvml()
    yield opened
    opened.close()


@pytest.fixture
def sleeper():
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def only(session):
    (card,) = session.look().cards
    return card


def test_a_gpu_has_a_name_an_index_and_its_memory(driver, session):
    driver.gpu("0", 24 * GIB, used=3 * GIB)
    card = only(session)
    assert ("GPU-0", "0", "GPU 0 NVIDIA Fake") == (card.uuid, card.index, card.name)
    assert (24 * GIB, 21 * GIB, {}) == (card.total, card.available, card.processes)


def test_what_is_learned_on_a_gpu_is_for_its_make_and_driver(driver, session):
    assert "NVIDIA Fake, driver 580.65.06" == only(session).device
    session.close()
    driver.tell(f"error nvmlSystemGetDriverVersion -1 {UNKNOWN}")
    assert "NVIDIA Fake, driver unknown" == only(session).device


def test_what_the_driver_keeps_for_itself_is_in_nobodys_total(driver, session):
    driver.gpu("0", 24 * GIB, reserved=GIB, used=3 * GIB)
    assert (23 * GIB, 20 * GIB) == (only(session).total, only(session).available)


@pytest.mark.parametrize("code", [FUNCTION_NOT_FOUND, 2, 25])
def test_an_old_driver_is_asked_in_the_old_way(driver, session, code):
    driver.gpu("0", 24 * GIB, reserved=GIB, used=3 * GIB)
    driver.tell(f"error nvmlDeviceGetMemoryInfo_v2 -1 {code}")
    assert (24 * GIB, 20 * GIB) == (only(session).total, only(session).available)


def test_each_process_is_told_with_what_it_holds(driver, session, sleeper):
    driver.tell(f"proc 0 {os.getpid()} {2 * GIB} c 0", f"proc 0 {sleeper.pid} {GIB} g 0")
    assert {os.getpid(): 2 * GIB, sleeper.pid: GIB} == only(session).processes
    assert 21 * GIB == only(session).available


def test_a_process_that_computes_and_draws_is_counted_once(driver, session):
    driver.tell(f"proc 0 {os.getpid()} {2 * GIB} c 0", f"proc 0 {os.getpid()} {2 * GIB} g 0")
    assert {os.getpid(): 2 * GIB} == only(session).processes


def test_a_process_whose_memory_is_not_available_is_there_all_the_same(driver, session):
    driver.tell(f"proc 0 {os.getpid()} -1 c 0")
    assert {os.getpid(): None} == only(session).processes


@pytest.mark.parametrize("code", [NO_PERMISSION, NOT_SUPPORTED, UNKNOWN])
def test_where_nobody_may_see_the_processes_they_are_unknown_and_not_none(driver, session, code):
    driver.tell(f"error nvmlDeviceGetComputeRunningProcesses -1 {code}")
    assert only(session).processes is None
    assert 24 * GIB == only(session).available


def test_a_card_that_draws_nothing_still_tells_who_computes(driver, session):
    driver.tell(
        f"proc 0 {os.getpid()} {GIB} c 0", f"error nvmlDeviceGetGraphicsRunningProcesses -1 {NOT_SUPPORTED}"
    )
    assert {os.getpid(): GIB} == only(session).processes


def test_pids_of_another_namespace_are_not_taken_for_ours(driver, monkeypatch):
    monkeypatch.setattr(nvml, "_pids_are_everybodys", lambda: False)
    monkeypatch.setattr(nvml, "_exists", lambda pid: pid != 4_000_000)
    session = Nvml()
    driver.tell(f"proc 0 {os.getpid()} {GIB} c 0")
    assert {os.getpid(): GIB} == only(session).processes
    driver.tell()
    assert only(session).processes is None, "an old driver tells a container of nobody"
    monkeypatch.setattr(nvml, "_exists", lambda _: False)
    driver.tell(f"proc 0 {os.getpid()} {GIB} c 0")
    assert only(session).processes is None
    session.close()


def test_memory_is_back_only_when_the_driver_says_so(driver, session, sleeper):
    driver.tell(f"proc 0 {sleeper.pid} {5 * GIB} c 0.3")
    assert 19 * GIB == only(session).available
    sleeper.kill()
    sleeper.wait()
    assert (19 * GIB, {sleeper.pid: 5 * GIB}) == (only(session).available, only(session).processes)
    while only(session).available < 24 * GIB:
        pass
    assert {} == only(session).processes


def test_a_divided_gpu_is_its_parts(driver, session):
    driver.gpu("0:0", 5 * GIB, uuid="MIG-a", name="NVIDIA Fake MIG 1g.5gb")
    driver.gpu("0:2", 10 * GIB, uuid="MIG-b", used=GIB, name="NVIDIA Fake MIG 2g.10gb")
    driver.gpu("1", 24 * GIB)
    driver.tell("mig 0", f"proc 0:2 {os.getpid()} {GIB} c 0")
    found = {card.uuid: (card.index, card.name, card.available) for card in session.look().cards}
    assert {
        "MIG-a": ("0:0", "GPU 0:0 NVIDIA Fake MIG 1g.5gb", 5 * GIB),
        "MIG-b": ("0:2", "GPU 0:2 NVIDIA Fake MIG 2g.10gb", 8 * GIB),
        "GPU-1": ("1", "GPU 1 NVIDIA Fake", 24 * GIB),
    } == found


@pytest.mark.parametrize("code", [NOT_SUPPORTED, FUNCTION_NOT_FOUND])
def test_a_gpu_that_can_not_be_divided_is_a_whole(driver, session, code):
    driver.tell(f"error nvmlDeviceGetMigMode -1 {code}")
    assert "GPU-0" == only(session).uuid


def test_a_gpu_without_memory_of_its_own_is_no_pool(driver, session):
    driver.gpu("0", name="NVIDIA GB10")
    driver.tell(
        f"error nvmlDeviceGetMemoryInfo -1 {NOT_SUPPORTED}",
        f"error nvmlDeviceGetMemoryInfo_v2 -1 {NOT_SUPPORTED}",
    )
    look = session.look()
    (one,) = look.cards
    assert ("GPU 0 NVIDIA GB10", True, 0, {}, "") == (
        one.name, one.unified, one.total, one.processes, look.trouble
    )  # fmt: skip


CALLS = ["nvmlDeviceGetMemoryInfo_v2", "nvmlDeviceGetUUID", "nvmlDeviceGetName", "nvmlDeviceGetHandleByIndex"]
CALLS += ["nvmlDeviceGetMigMode"]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("code", [GPU_IS_LOST, UNKNOWN])
def test_a_lost_gpu_does_not_hide_the_others(driver, session, call, code):
    driver.gpu("1", 16 * GIB)
    driver.tell(f"error {call} 0 {code}")
    look = session.look()
    assert ["GPU-1"] == [card.uuid for card in look.cards if card.available is not None]
    assert look.trouble.startswith("GPU 0: ")


@pytest.mark.parametrize("call", ["nvmlInit", "nvmlDeviceGetCount"])
@pytest.mark.parametrize("code", [1, 9, 18, UNKNOWN])
def test_a_library_that_refuses_altogether_says_why_and_is_asked_afresh(driver, session, call, code):
    driver.tell(f"error {call} -1 {code}")
    with pytest.raises(GpusUnavailableError):
        session.look()
    driver.tell()
    assert "GPU-0" == only(session).uuid


def test_where_there_is_no_library_the_binding_is_not_loaded(monkeypatch):
    def none_there(name):
        raise OSError(name)

    monkeypatch.setattr(gpus.ctypes, "CDLL", none_there)
    monkeypatch.setitem(sys.modules, "zoosup.host.memory.nvml", None)  # to import it would raise ImportError
    binding = gpus.NvmlIfThere()
    with pytest.raises(GpusUnavailableError, match="Not Found"):
        binding.look()
    binding.close()


def test_no_library_is_told_and_not_raised(monkeypatch):
    monkeypatch.setattr(pynvml, "nvmlLib", None)

    def none_there(name):
        raise OSError(name)

    monkeypatch.setattr(pynvml, "CDLL", none_there)
    with pytest.raises(GpusUnavailableError, match="Not Found"):
        Nvml().look()


def test_the_binding_finds_the_library_by_its_own_name(driver, library):
    code = "from zoosup.host.memory.gpus import NvmlIfThere; print(NvmlIfThere().look().cards[0].name)"
    env = os.environ | {"LD_LIBRARY_PATH": str(library.parent)}
    ended = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert "GPU 0 NVIDIA Fake\n" == ended.stdout


def test_a_process_exists_that_we_may_not_signal_or_that_no_pid_can_name(monkeypatch):
    assert nvml._exists(os.getpid())
    child = subprocess.Popen(["true"])
    child.wait()
    assert not nvml._exists(child.pid)
    assert nvml._exists(2**40)

    def refused(*_):
        raise PermissionError

    monkeypatch.setattr(os, "kill", refused)
    assert nvml._exists(1)
