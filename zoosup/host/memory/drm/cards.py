"""Which graphics cards there are in /sys/class/drm, and what doesn't change about one while it is there.

Of NVIDIA's nothing is said here: NVML knows more of them, and nouveau tells nobody how much memory there is.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from zoosup.core.state.pools import Make
from zoosup.host.memory.cgroup import read_whole
from zoosup.host.memory.drm import names

CLASS = "sys/class/drm"

_MAKES: Mapping[str, tuple[Make, str]] = {"1002": ("amd", "AMD"), "8086": ("intel", "Intel")}
"""By PCI vendor: the make, and as people write it."""

_DRIVERS = frozenset({"amdgpu", "i915", "xe"})
"""Those that tell how much memory a card has; radeon, of the cards before 2012, doesn't."""

_CARD = re.compile(r"card[0-9]+")


@dataclass(frozen=True, slots=True)
class Card:
    """One card. `directory` is its device's in sysfs; `nodes` are its names in /dev/dri."""

    minor: str  # card1
    directory: str
    driver: str
    make: Make
    pci: str
    model: str
    ids: str  # 1002:744c, which stays when a list of names is renewed
    unique: str  # a number that no other card has; "" where it has none
    nodes: frozenset[str]
    render_node: str

    @property
    def uuid(self) -> str:
        """What a pool is called by: AMD's libraries take the first kind for a card, too."""
        return f"GPU-{self.unique}" if self.unique else "GPU-pci-" + re.sub("[:.]", "-", self.pci)


def minors(root: str) -> list[str]:
    """The cards that there are at this moment, by their names in /dev/dri; none where there is no DRM."""
    try:
        with os.scandir(f"{root}/{CLASS}") as found:
            return sorted(each.name for each in found if _CARD.fullmatch(each.name))
    except FileNotFoundError:
        return []


def card(root: str, minor: str) -> Card | None:
    """One of them; None where nothing is to be learned of it here. OSError where it is just going away."""
    directory = f"{root}/{CLASS}/{minor}/device"
    vendor, device = _id(directory, "vendor"), _id(directory, "device")
    driver = Path(directory, "driver").readlink().name if vendor in _MAKES else ""
    if driver not in _DRIVERS:
        return None
    make, maker = _MAKES[vendor]
    nodes = frozenset(_nodes(directory, minor))
    render = next((node for node in sorted(nodes) if node.startswith("renderD")), "")
    said = text(directory, "product_name")
    return Card(
        minor=minor,
        directory=directory,
        driver=driver,
        make=make,
        pci=_slot(directory),
        model=said or names.name(root, maker, vendor, device, _id(directory, "revision")),
        ids=f"{vendor}:{device}",
        unique=_unique(directory),
        nodes=nodes,
        render_node=f"/dev/dri/{render}" if render else "",
    )


def text(directory: str, name: str) -> str:
    """What a small file of a device says; "" where it has none that can be read."""
    with suppress(OSError):
        return read_whole(f"{directory}/{name}").decode(errors="replace").strip()
    return ""


def _id(directory: str, name: str) -> str:
    return text(directory, name).removeprefix("0x").lower()


def _unique(directory: str) -> str:
    """A card's own number; one that is handed to a virtual machine in parts may have 0."""
    found = text(directory, "unique_id")
    return found if found.strip("0") else ""


def _nodes(directory: str, minor: str) -> Iterator[str]:
    yield minor
    with suppress(OSError):
        yield from (each.name for each in Path(directory, "drm").iterdir())


def _slot(directory: str) -> str:
    """Its PCI address; of a device that sits on no PCI bus its name in sysfs."""
    for line in text(directory, "uevent").splitlines():
        key, _, value = line.partition("=")
        if key == "PCI_SLOT_NAME":
            return value
    return Path(directory).resolve().name
