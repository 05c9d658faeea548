"""By which variables a process is shown its GPUs, make by make, and nobody else's."""

from dataclasses import replace

import pytest

from zoosup.core.memory.gpu_env import gpu_devices, gpu_env, without_contradicting
from zoosup.core.state.pools import Pool

GIB = 2**30


def card(uuid, index, make="nvidia", pci="", node=""):
    return Pool(
        "n", f"vram:{uuid}", "vram", uuid, GIB, GIB, GIB, 0, index, make=make, pci=pci, render_node=node
    )


RAM = Pool("n", "ram", "ram", "RAM", GIB, GIB, GIB, 0)
NVIDIA = (card("GPU-a", "0", pci="0000:01:00.0"), card("GPU-b", "1", pci="0000:21:00.0"))
AMD = (
    card("GPU-00000000000000aa", "amd0", "amd", "0000:03:00.0", "/dev/dri/renderD128"),
    card("GPU-00000000000000bb", "amd1", "amd", "0000:43:00.0", "/dev/dri/renderD129"),
)
NAMELESS = replace(AMD[1], id="vram:GPU-pci-0000:43:00.0")
INTEL = (
    card("GPU-pci-0000:04:00.0", "intel0", "intel", "0000:04:00.0", "/dev/dri/renderD130"),
    card("GPU-pci-0000:44:00.0", "intel1", "intel", "0000:44:00.0", "/dev/dri/renderD131"),
)
MIG = (card("MIG-1", "0:0"), card("MIG-2", "0:1"))


def uuids(cards):
    return tuple(each.id.removeprefix("vram:") for each in cards)


@pytest.mark.parametrize(
    ("cards", "given", "expected"),
    [
        (NVIDIA, NVIDIA[1:], "CUDA_VISIBLE_DEVICES=GPU-b CUDA_DEVICE_ORDER=PCI_BUS_ID VK=1"),
        (NVIDIA, NVIDIA, "CUDA_VISIBLE_DEVICES=GPU-a,GPU-b CUDA_DEVICE_ORDER=PCI_BUS_ID VK=0,1"),
        (MIG, MIG[:1], "CUDA_VISIBLE_DEVICES=MIG-1 CUDA_DEVICE_ORDER=PCI_BUS_ID"),
        (AMD, AMD[1:], "ROCR_VISIBLE_DEVICES=GPU-00000000000000bb HIP_VISIBLE_DEVICES=0 VK=1"),
        # As given: HIP then counts in this order.
        (
            AMD,
            AMD[::-1],
            "ROCR_VISIBLE_DEVICES=GPU-00000000000000bb,GPU-00000000000000aa HIP_VISIBLE_DEVICES=0,1 VK=1,0",
        ),
        ((AMD[0], NAMELESS), (NAMELESS,), "ROCR_VISIBLE_DEVICES=1 HIP_VISIBLE_DEVICES=0 VK=1"),
        ((AMD[0], NAMELESS), (AMD[0], NAMELESS), "ROCR_VISIBLE_DEVICES=0,1 HIP_VISIBLE_DEVICES=0,1 VK=0,1"),
        (INTEL, INTEL[1:], "ZE_AFFINITY_MASK=1 ZE_ENABLE_PCI_ID_DEVICE_ORDER=1 VK=1"),
    ],
)
def test_a_process_is_shown_what_it_is_given(cards, given, expected):
    expected = expected.replace("VK=", "NODEVICE_SELECT=1 GGML_VK_VISIBLE_DEVICES=")
    assert dict(word.split("=", 1) for word in expected.split()) == gpu_env(uuids(given), (RAM, *cards))


def test_of_several_makes_the_others_are_hidden_and_vulkan_counts_all_by_address():
    cards = (*NVIDIA, *AMD, *INTEL)
    shown = gpu_env(uuids(AMD[1:]), cards)
    assert ("", "opencl:cpu") == (shown["CUDA_VISIBLE_DEVICES"], shown["ONEAPI_DEVICE_SELECTOR"])
    assert "4" == shown["GGML_VK_VISIBLE_DEVICES"], "01, 03, 04, 21, 43"
    shown = gpu_env(uuids(NVIDIA[1:]), cards)
    assert ("", "-1", "3") == tuple(
        shown[n] for n in ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "GGML_VK_VISIBLE_DEVICES")
    )


def test_where_addresses_are_not_known_vulkan_is_told_nothing_of_several_makes():
    cards = (*(replace(each, pci="") for each in NVIDIA), *AMD)
    assert "GGML_VK_VISIBLE_DEVICES" not in gpu_env(("GPU-a",), cards)
    assert "1" == gpu_env(("GPU-b",), cards[:2])["GGML_VK_VISIBLE_DEVICES"]


@pytest.mark.parametrize("cards", [(), NVIDIA, AMD, INTEL])
def test_who_is_to_have_none_is_shown_none_of_any_make(cards):
    assert {
        "CUDA_VISIBLE_DEVICES": "",
        "ROCR_VISIBLE_DEVICES": "",
        "HIP_VISIBLE_DEVICES": "-1",
        "ONEAPI_DEVICE_SELECTOR": "opencl:cpu",
        "GGML_VK_VISIBLE_DEVICES": "",
    } == gpu_env((), cards)


def test_one_that_has_vanished_is_still_named():
    assert {"CUDA_VISIBLE_DEVICES": "GPU-z"} == gpu_env(("GPU-z",), NVIDIA)
    assert {"CUDA_VISIBLE_DEVICES": "GPU-a,GPU-z"} == gpu_env(("GPU-a", "GPU-z"), NVIDIA)


@pytest.mark.parametrize(
    ("theirs", "left"),
    [
        (
            "OTHER",
            {"ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "GGML_VK_VISIBLE_DEVICES", "NODEVICE_SELECT"},
        ),
        # HIP counts what ROCR has left: with ours it would count one.
        ("HIP_VISIBLE_DEVICES", {"GGML_VK_VISIBLE_DEVICES", "NODEVICE_SELECT"}),
        ("GGML_VK_VISIBLE_DEVICES", {"ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "NODEVICE_SELECT"}),
    ],
)
def test_beside_a_persons_own_word_there_is_none_of_ours_that_would_change_what_it_means(theirs, left):
    assert left == without_contradicting(gpu_env(uuids(AMD[1:]), AMD), {theirs}).keys()


def test_a_mask_of_ours_would_change_what_a_persons_selector_counts():
    ours = gpu_env(uuids(INTEL[1:]), INTEL)
    assert "ZE_AFFINITY_MASK" not in without_contradicting(ours, {"ONEAPI_DEVICE_SELECTOR"})


def test_a_container_gets_the_device_files_of_its_own_cards():
    cards = (*NVIDIA, *AMD, *INTEL)
    assert ("/dev/kfd", "/dev/dri/renderD129") == gpu_devices(uuids(AMD[1:]), cards)
    assert ("/dev/dri/renderD130", "/dev/dri/renderD131") == gpu_devices(uuids(INTEL), cards)
    assert () == gpu_devices(uuids(NVIDIA), cards) == gpu_devices((), cards)
