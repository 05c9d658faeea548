"""Cards of AMD's on a host that has none: a made tree lies over /sys in a mount namespace, with a real zoosup in it.

The driver's figures are what a test writes there; who loads and lets go of memory is the test, too. Also a card of
NVIDIA's beside them, by a made libnvidia-ml.so.1.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.driver import BIN, free_ports
from tests.host.fake_drm import GIB, Tree
from tests.host.fake_gpus import Driver, build
from zoosup.host.memory.drm import names

pytestmark = pytest.mark.e2e

MIB = 2**20
POOL = "vram:GPU-0000000000004c1d"
CARD = "GPU amd0 " + names.name("/", "AMD", "1002", "744c", "c8")
"""By the pci.ids of this host, where it has one: what they make of a name stands in the tests of the room."""

ZOO = """\
active: {active}
budget: {{ram: 1GiB, ram_reserve: 64MiB}}
switch: {{cooldown: {{min: 0s, max: 20s}}}}
status: {{listen: "127.0.0.1:{status}"}}
gateway: false
models:
  a: {{command: {command}, memory: {{ram: 64MiB, vram: {a}}}, ready: {ready}}}
  b: {{command: {command}, memory: {{ram: 64MiB, vram: {b}}}, ready: {ready}}}
  huge: {{command: {command}, memory: {{ram: 64MiB, vram: 60GiB}}, ready: {ready}}}
"""

OVER = """\
mount --make-rprivate / &&
mkdir -p "$TREE/sys/fs/cgroup" &&
mount --rbind /sys/fs/cgroup "$TREE/sys/fs/cgroup" &&
mkdir -p "$TREE/dev/shm" &&
for node in null zero full random urandom; do
    touch "$TREE/dev/$node" && mount --bind "/dev/$node" "$TREE/dev/$node" || exit
done &&
mount --rbind "$TREE/sys" /sys &&
mount --rbind "$TREE/dev" /dev &&
exec "$@"
"""

SERVER = 'exec 9</dev/dri/renderD128; exec "$@"'
"""A model that has the card open, of which this kernel tells no more than that."""


def can_mount():
    """Whether this host lets us lie a tree over /sys for our own processes."""
    tried = ["unshare", "-m", "sh", "-c", "mount --make-rprivate / && mount --bind /sys /sys"]
    return (
        shutil.which("unshare") is not None
        and not subprocess.run(tried, capture_output=True, check=False).returncode
    )


if sys.platform != "linux" or os.getuid() != 0 or not can_mount():
    pytest.skip("a tree over /sys needs Linux, root and a mount namespace", allow_module_level=True)


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path / "kernel")


@pytest.fixture
def start(zoosup, tree):
    """Starts zoosup on the host that the tree is."""

    def begin(active, a="14GiB", b="16GiB", **env):
        (status,) = free_ports(1)
        serve = ["sh", "-c", SERVER, "sh", sys.executable, "-m", "zoosup.demo", "--port", "${PORT}"]
        command = json.dumps(serve)
        text = ZOO.format(
            active=active, a=a, b=b, status=status, command=command, ready="{http: /health, interval: 100ms}"
        )
        zoo = zoosup(text, status)
        zoo.command = ("unshare", "-m", "sh", "-c", OVER, "sh", *zoo.command)
        zoo.env |= {"TREE": str(tree.root), **env}
        zoo.start()
        return zoo

    return begin


def told(zoo, name="a"):
    """The variables by which a model's process was told its GPUs."""
    words = Path(f"/proc/{zoo.pid(name)}/environ").read_text().split("\0")
    given = dict(word.split("=", 1) for word in words if word)
    return {name: value for name, value in given.items() if name.endswith(("VISIBLE_DEVICES", "SELECTOR"))}


def pool(status, id_):
    return next((each for each in status["pools"] if each["id"] == id_), None)


def doctor(zoo):
    inside = ["nsenter", "-t", str(zoo.process.pid), "-m", str(BIN / "zoosup"), "doctor"]
    return subprocess.run(inside, env=zoo.env, capture_output=True, text=True, check=False, timeout=60).stdout


def test_a_model_is_placed_on_a_card_and_one_that_never_fits_is_refused(start, tree):
    tree.amd(total=24 * GIB, used=GIB)
    zoo = start("[a, huge]")
    zoo.wait_phase("a", "ready")
    status = zoo.wait(
        lambda s: s["models"]["huge"]["reason"] == "ExceedsBudget", "what never fits to be refused"
    )
    card = pool(status, POOL)
    assert (CARD, "amdgpu", 24 * GIB, 23 * GIB) == (
        card["name"], card["source"], card["total"], card["free"]
    )  # fmt: skip
    assert {"a": 14 * GIB} == {name: each["reserved"] for name, each in card["models"].items()}
    assert f"{POOL} is short of 50.5 GiB" in status["models"]["huge"]["message"]
    found = doctor(zoo)
    assert "24 GiB, 23 GiB free by amdgpu" in found
    assert "1 with memory of their own, by amdgpu" in found
    own = {"ROCR_VISIBLE_DEVICES": POOL.removeprefix("vram:"), "HIP_VISIBLE_DEVICES": "0"}
    assert {**own, "GGML_VK_VISIBLE_DEVICES": "0"} == told(zoo)


def test_what_others_hold_is_waited_for_and_a_late_release_is_proved(start, tree):
    tree.amd(total=24 * GIB, used=20 * GIB)
    zoo = start("a")
    waits = zoo.wait(lambda s: s["models"]["a"]["reason"] == "WaitingForMemory", "a to wait for strangers")
    assert "others 20 GiB" in waits["models"]["a"]["message"]
    tree.use(vram=2 * GIB)
    zoo.wait_phase("a", "ready")
    tree.use(vram=16 * GIB)
    zoo.wait(lambda s: pool(s, POOL)["free"] == 8 * GIB, "what a has loaded to be seen")
    zoo.edit(("active: a", "active: b"))
    zoo.wait(lambda s: s["models"]["a"]["pid"] is None, "a to be gone")
    until = time.monotonic() + 1.0
    while time.monotonic() < until:  # the driver keeps the memory of one that is gone
        assert zoo.model("b")["pid"] is None, "b was started on memory that was not back"
    tree.use(vram=2 * GIB)
    zoo.wait_phase("b", "ready")
    assert {"b"} == set(pool(zoo.status(), POOL)["models"])


def test_a_card_that_vanishes_takes_nothing_with_it_and_comes_back(start, tree):
    tree.amd(total=24 * GIB, used=GIB)
    zoo = start("a")
    zoo.wait_phase("a", "ready")
    pid = zoo.pid("a")
    tree.remove(0)
    status = zoo.wait(lambda s: pool(s, POOL)["free"] is None, "the card to be missed")
    assert "amdgpu: it has vanished" == pool(status, POOL)["source"]
    assert 24 * GIB == pool(status, POOL)["total"]
    lost = next(each for each in status["conditions"] if each["type"] == "GpusReadable")
    assert f"{CARD} can't be read" in lost["message"]
    tree.amd(total=24 * GIB, used=GIB)
    zoo.wait(lambda s: pool(s, POOL)["free"] == 23 * GIB, "the card to be back")
    assert pid == zoo.pid("a")


def test_a_card_that_hung_says_so_and_is_used_on(start, tree):
    tree.amd(total=24 * GIB, used=GIB)
    tree.hang()
    zoo = start("a")
    zoo.wait_phase("a", "ready")
    assert pool(zoo.status(), POOL)["source"].startswith("amdgpu: it hung and was reset")


def test_nvidias_cards_are_called_as_ever_beside_one_of_amds(start, tree, tmp_path):
    tree.amd(total=24 * GIB, used=GIB)
    library = build(tmp_path)
    Driver(tmp_path / "gpus").gpu("0", 8 * GIB, used=GIB)
    zoo = start("[a]", LD_LIBRARY_PATH=str(library.parent), FAKE_NVML_STATE=str(tmp_path / "gpus"))
    zoo.wait_phase("a", "ready")
    found = [(p["id"], p["name"], p["source"]) for p in zoo.status()["pools"] if p["kind"] == "vram"]
    assert [
        ("vram:GPU-0", "GPU 0 NVIDIA Fake", "NVML"),
        (POOL, CARD, "amdgpu"),
    ] == found
    assert {POOL} == {p["id"] for p in zoo.status()["pools"] if p["kind"] == "vram" and p["models"]}
    # Vulkan's order is not known: NVML was asked for no address.
    own = {"ROCR_VISIBLE_DEVICES": POOL.removeprefix("vram:"), "HIP_VISIBLE_DEVICES": "0"}
    assert {**own, "CUDA_VISIBLE_DEVICES": ""} == told(zoo)


def test_what_an_apu_is_promised_is_promised_in_ram_once(start, tree):
    tree.apu(vram=GIB // 2, gtt=20 * GIB)
    zoo = start("[a, b]", a="400MiB", b="700MiB")
    zoo.wait_phase("a", "ready")
    status = zoo.wait(lambda s: s["models"]["b"]["reason"], "b to be judged")
    assert (
        "ram is short of 204 MiB: needs 764 MiB, budget 1 GiB less a 464 MiB"
        in status["models"]["b"]["message"]
    )
    ram, card = pool(status, "ram"), pool(status, "vram:GPU-pci-0000-c5-00-0")
    assert (464 * MIB, 400 * MIB) == (ram["models"]["a"]["reserved"], card["models"]["a"]["reserved"])
    assert (20 * GIB + GIB // 2, True) == (card["total"], card["free"] <= ram["free"])
    assert "with memory that is the host's RAM, by amdgpu" in doctor(zoo)
    own = {"ROCR_VISIBLE_DEVICES": "0", "HIP_VISIBLE_DEVICES": "0", "GGML_VK_VISIBLE_DEVICES": "0"}
    assert own == told(zoo)  # it has no id by which ROCR would know it
