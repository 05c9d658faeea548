"""How much memory a card of Intel's has: exact. How much of it is used nobody is told as a whole without a privilege.

So its use is the sum of what processes tell (`clients`): too little where some may not be looked at, by what those
hold. What the driver keeps for itself counts as free. Integrated graphics have no memory of their own, and nothing
says how much RAM they may take.
"""

import ctypes
import fcntl
import os
import re
import struct
from functools import lru_cache
from pathlib import Path

from zoosup.host.memory.cgroup import integer, read_whole
from zoosup.host.memory.drm.cards import Card
from zoosup.host.memory.drm.memory import Memory

_TILE = re.compile(r"tile[0-9]+")


def memory(card: Card) -> Memory | None:
    """What there is; None of integrated graphics. OSError or ValueError where it can't be told.

    xe has a file for each tile. i915 has one only as Intel ships it by itself, in the card's directory; else it is
    asked through the render node.
    """
    total = _tiles(card.directory) if card.driver == "xe" else _by_file(card) or _asked(card)
    return Memory(total, None, ("vram", "local")) if total else None


def _tiles(directory: str) -> int:
    return sum(_tile(each) for each in Path(directory).iterdir() if _TILE.fullmatch(each.name))


def _tile(directory: Path) -> int:
    """Bytes of a tile; 0 of integrated graphics, which lack the file."""
    try:
        return integer(read_whole(f"{directory}/physical_vram_size_bytes"))
    except FileNotFoundError:
        return 0


def _by_file(card: Card) -> int:
    for directory in (Path(card.directory).parent, card.directory):
        try:
            return integer(read_whole(f"{directory}/lmem_total_bytes"))
        except FileNotFoundError:
            continue
    return 0


# i915's question for its memory regions, include/uapi/drm/i915_drm.h

_QUERY = 0xC010_6479  # DRM_IOCTL_I915_QUERY: read and write, 16 bytes, 'd', 0x40 + 0x39
_MEMORY_REGIONS = 4
_DEVICE = 1  # of a region: the card's own memory
_REGION = struct.Struct("<HHIQQ64x")  # class, instance, reserved, size, unallocated
_HEAD = 16


@lru_cache(maxsize=64)  # the question wakes a card that sleeps
def _asked(card: Card) -> int:
    """Bytes of the card's own memory; 0 of integrated graphics."""
    descriptor = os.open(card.render_node, os.O_RDWR)
    try:
        length = _query(descriptor, 0, 0)
        answer = ctypes.create_string_buffer(length)
        _query(descriptor, length, ctypes.addressof(answer))
    finally:
        os.close(descriptor)
    regions = _REGION.iter_unpack(answer.raw[_HEAD : _HEAD + (length - _HEAD) // _REGION.size * _REGION.size])
    return sum(size for kind, _, _, size, _ in regions if kind == _DEVICE)


def _query(descriptor: int, length: int, into: int) -> int:
    """Ask; the bytes that the answer has, or would have where `length` is 0. OSError where it is refused."""
    item = ctypes.create_string_buffer(struct.pack("<QiIQ", _MEMORY_REGIONS, length, 0, into), 24)
    fcntl.ioctl(descriptor, _QUERY, struct.pack("<IIQ", 1, 0, ctypes.addressof(item)))
    told = int(struct.unpack_from("<i", item.raw, 8)[0])
    if told < _HEAD:
        raise OSError(-told if told < 0 else 0, "i915 doesn't tell its memory")
    return told
