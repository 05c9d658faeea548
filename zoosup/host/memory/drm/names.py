"""What people call a GPU, by its PCI ids: from the lists of libdrm and of pciutils, where this host has them.

The ids themselves are the name where neither knows it. Read once for each card: the greater list has over a megabyte.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_MARKETING = "usr/share/libdrm/amdgpu.ids"
_PCI = ("usr/share/misc/pci.ids", "usr/share/hwdata/pci.ids")


def name(root: str, make: str, vendor: str, device: str, revision: str) -> str:
    """Its name; ids are hexadecimal and without 0x. Never raises."""
    known = _marketing(root, device, revision) if make == "AMD" else ""
    known = known or _listed(root, vendor, device) or f"{vendor}:{device}"
    return known if known.startswith(make) else f"{make} {known}"


def _marketing(root: str, device: str, revision: str) -> str:
    """One name for each revision, where pci.ids has one for all: `744C, C8, AMD Radeon RX 7900 XTX`."""
    for line in _lines(f"{root}/{_MARKETING}"):
        words = line.split(",", 2)
        if len(words) == 3 and [w.strip().lower() for w in words[:2]] == [device, revision]:  # noqa: PLR2004
            return words[2].strip()
    return ""


def _listed(root: str, vendor: str, device: str) -> str:
    """By pci.ids: a vendor's line begins with its id, a device's with a tab and its id; brackets have the brand."""
    for path in _PCI:
        own = False
        for line in _lines(f"{root}/{path}"):
            if line[:1] not in "\t#\n":
                own = line.startswith(vendor)
            elif own and line.startswith(f"\t{device}"):
                whole = line[5:].strip()
                return whole.partition("[")[2].rstrip("]") or whole
    return ""


def _lines(path: str) -> Iterator[str]:
    with suppress(OSError), Path(path).open(encoding="utf-8", errors="replace") as file:
        yield from file
