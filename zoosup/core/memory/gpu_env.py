"""How a process is told its GPUs: the environment variables by which each make's drivers show some and hide the rest.

    NVIDIA  CUDA_VISIBLE_DEVICES by UUID. CUDA_DEVICE_ORDER is for indexes that a person has written: they then count
            as nvidia-smi and we do (CUDA C++ Programming Guide, environment variables; an empty list hides all)
    AMD     ROCR_VISIBLE_DEVICES by UUID, in ROCR's own form, or by index where a card has none. HIP's indexes count
            what ROCR has left, so that HIP_VISIBLE_DEVICES is 0, 1, ... of those (ROCm, GPU isolation techniques).
            Both, since Ray ends where ROCR's stands alone. An empty one of ROCR's hides all (amd_filter_device.cpp);
            HIP takes an empty one for none at all, and ends its list at -1 (rocdevice.cpp)
    Intel   ZE_AFFINITY_MASK by index; ZE_ENABLE_PCI_ID_DEVICE_ORDER makes the driver count by PCI address. An empty
            mask hides nothing (compute-runtime, parseAffinityMask): ONEAPI_DEVICE_SELECTOR hides all. Beside a mask
            that is left alone: its numbers would count what the mask has left, vLLM's Triton finds nothing under
            `level_zero:0`, and llama.cpp's SYCL takes no selector that names no backend (dpct/helper.hpp)
    Vulkan  GGML_VK_VISIBLE_DEVICES, which llama.cpp and its kin read whatever the make: places in Vulkan's own list.
            Nobody knows that list but a Vulkan program. Khronos' loader sorts it on Linux: discrete cards first, then
            by PCI address (loader_linux.c); NODEVICE_SELECT keeps Mesa's layer from putting the display's card first.
            So a place is our best word, and where a model holds memory is looked at once it is ready

What a person writes under `env` stands above all of this. Knows what cards there are; who gets which is not its matter.
"""

from collections.abc import Collection, Mapping, Sequence

from zoosup.core.estimation.need import HIP, ROCR, VISIBLE, ZE_MASK
from zoosup.core.state.pools import VRAM, Card, Make

VULKAN = "GGML_VK_VISIBLE_DEVICES"

NO_GPUS: Mapping[Make, Mapping[str, str]] = {
    "nvidia": {VISIBLE: ""},
    "amd": {ROCR: "", HIP: "-1"},
    "intel": {"ONEAPI_DEVICE_SELECTOR": "opencl:cpu"},
}
"""What hides all GPUs of a make."""

COUNTED = frozenset({ZE_MASK, VULKAN})
"""Those by place: a container that is handed only some devices counts others than this host does."""

_FAMILIES = (
    frozenset({VISIBLE}),
    frozenset({ROCR, HIP}),
    frozenset({ZE_MASK, *NO_GPUS["intel"]}),
    frozenset({VULKAN}),
)
"""Variables that restrict what others have left: one of a person's own has none of ours beside it."""

_KFD = "/dev/kfd"
_BY_ADDRESS = "GPU-pci-"
"""How the UUID of a card begins that has none of its own: no driver knows it."""


def gpu_env(given: Sequence[str], cards: Collection[Card]) -> dict[str, str]:
    """The variables by which a process is shown these GPUs, by UUID, and none of the host's other `cards`.

    All of one make; none at all hides every GPU of every make.
    """
    everyone = [card for card in cards if card.id.startswith(VRAM)]
    shown = [card for uuid in given for card in everyone if card.id == VRAM + uuid]
    if not given:
        return {**_hidden(NO_GPUS), VULKAN: ""}
    if len(shown) < len(given):
        return {VISIBLE: ",".join(given)}  # one that has vanished can't be asked what it is
    make = shown[0].make
    others = {card.make for card in everyone} - {make}
    return _hidden(others) | _of_make(make, shown) | _vulkan(shown, everyone)


def without_contradicting(ours: Mapping[str, str], theirs: Collection[str]) -> dict[str, str]:
    """Our variables but for those of a kind of which a person has set one."""
    taken = {name for family in _FAMILIES if not family.isdisjoint(theirs) for name in family}
    return {name: value for name, value in ours.items() if name not in taken and name not in theirs}


def gpu_devices(given: Sequence[str], cards: Collection[Card]) -> tuple[str, ...]:
    """The device files by which a container gets these GPUs; none for NVIDIA's, which an engine knows by UUID.

    AMD's compute through one file for all and each card's own (ROCm, running ROCm Docker containers); Intel's have
    only their own.
    """
    shown = [card for uuid in given for card in cards if card.id == VRAM + uuid and card.make != "nvidia"]
    own = [card.render_node for card in shown if card.render_node]
    return tuple([_KFD] * any(card.make == "amd" for card in shown) + own)


def _hidden(makes: Collection[Make]) -> dict[str, str]:
    return {name: value for make, words in NO_GPUS.items() if make in makes for name, value in words.items()}


def _of_make(make: Make, shown: Sequence[Card]) -> dict[str, str]:
    uuids = [card.id.removeprefix(VRAM) for card in shown]
    indexes = [card.index.removeprefix(make) for card in shown]
    if make == "nvidia":
        return {VISIBLE: ",".join(uuids), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    if make == "amd":
        known = not any(uuid.startswith(_BY_ADDRESS) for uuid in uuids)
        left = ",".join(str(at) for at in range(len(shown)))
        return {ROCR: ",".join(uuids if known else indexes), HIP: left}
    if make == "intel":
        return {ZE_MASK: ",".join(indexes), "ZE_ENABLE_PCI_ID_DEVICE_ORDER": "1"}
    return {}


def _vulkan(shown: Sequence[Card], everyone: Sequence[Card]) -> dict[str, str]:
    """Empty where the cards can't be put in order, and for parts of a card, which Vulkan can't be shown."""
    ordered = _by_pci(everyone)
    if not ordered or any(card.id.startswith(f"{VRAM}MIG-") for card in everyone):
        return {}
    places = ",".join(str(ordered.index(card)) for card in shown)
    return {VULKAN: places, "NODEVICE_SELECT": "1"}


def _by_pci(cards: Sequence[Card]) -> Sequence[Card]:
    if all(card.pci for card in cards):
        return sorted(cards, key=lambda card: (card.unified, card.pci))
    # Each make's own are read in the order of their addresses.
    return cards if len({card.make for card in cards}) == 1 else ()
