"""The driver's word on where a model holds memory, on real processes: its library is made, and reads a text file."""

import json
import os
import sys
from pathlib import Path

import pytest

from tests.e2e.driver import free_ports
from tests.host.fake_gpus import GIB, Driver, build

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(sys.platform != "linux", reason="NVML is Linux's")]

ZOO = """\
active: a
budget: {{vram_reserve: 0B}}
status: {{listen: "127.0.0.1:{status}"}}
gateway: false
models:
  a:
    command: {command}
    memory: {{ram: 160MiB, vram: 6GiB}}
    ready: {{http: /health, interval: 200ms, deadline: 30s}}
"""


@pytest.fixture
def zoo(zoosup, tmp_path):
    """A zoosup on a host with two GPUs."""
    (status,) = free_ports(1)
    command = json.dumps([sys.executable, "-m", "zoosup.demo", "--port", "${PORT}", "--ram", "32MiB"])
    zoo = zoosup(ZOO.format(status=status, command=command), status)
    zoo.env |= {"LD_LIBRARY_PATH": str(build(tmp_path).parent), "FAKE_NVML_STATE": str(tmp_path / "gpus")}
    return zoo


@pytest.fixture
def driver(tmp_path):
    found = Driver(tmp_path / "gpus")
    # A process that nobody has started for a model: so that the driver's pids are seen to mean something here.
    found.tell(f"proc 0 {os.getpid()} 1048576 g 0")
    for index in range(2):
        found.gpu(str(index), 8 * GIB)
    return found


def conditions(status):
    return {each["type"]: each for each in status["models"]["a"]["conditions"]}


def test_a_model_that_sits_on_another_gpu_than_its_own_is_told_of_until_it_sits_right(zoo, driver):
    zoo.start()
    model = zoo.wait_phase("a", "ready")
    assert ["GPU-0"] == model["gpus"]
    environment = Path(f"/proc/{model['pid']}/environ").read_bytes().split(b"\0")
    assert {b"CUDA_VISIBLE_DEVICES=GPU-0", b"GGML_VK_VISIBLE_DEVICES=0"} <= set(environment)
    ours = f"proc 0 {os.getpid()} 1048576 g 0"
    driver.tell(ours, f"proc 1 {model['pid']} {5 * GIB} c 0")
    status = zoo.wait(lambda s: "OnGivenGpus" in conditions(s), "the other GPU to be seen")
    told = conditions(status)["OnGivenGpus"]
    assert (False, "OtherGpu", True) == (told["status"], told["reason"], told["problem"])
    assert "holds 5 GiB of vram:GPU-1, and was given vram:GPU-0" == told["message"]
    pool = next(each for each in status["pools"] if each["id"] == "vram:GPU-1")
    assert (5 * GIB, 5 * GIB, 0) == (pool["reserved"], pool["held"], pool["foreign"])
    page = zoo.cli("status", "a").stdout
    assert "holds memory of a GPU that it was not given" in page
    assert "vram:GPU-1 holds 5 GiB, at most 5 GiB, and was given none of it" in page
    driver.tell(ours, f"proc 0 {model['pid']} {5 * GIB} c 0")
    zoo.wait(lambda s: "OnGivenGpus" not in conditions(s), "it to sit right again")
    assert model["pid"] == zoo.pid("a")
    assert "on another GPU (Over)" in zoo.cli("events").stdout
    zoo.terminate()
