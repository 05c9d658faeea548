"""Cards of Intel, and processors with graphics of Intel."""

import ctypes
import struct
import sys

import pytest

from tests.host.fake_drm import GIB, fdinfo, only
from zoosup.host.memory.drm import intel

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="DRM is Linux's")


def test_a_card_of_intels_has_what_processes_leave_of_it(tree, drm):
    tree.xe(tiles=(12 * GIB,))
    slot = "0000:04:00.0"
    tree.process(5, ("renderD128", fdinfo("xe", 1, slot, total_vram0="4 GiB", resident_vram0="3 GiB")))
    tree.process(6, ("card0", fdinfo("xe", 2, slot, total_vram0="1 GiB", resident_system="9 GiB")))
    card = only(drm)
    assert (12 * GIB, 8 * GIB, {5: 3 * GIB, 6: GIB}) == (card.total, card.available, card.processes)
    assert ("GPU intel0 Intel Arc B580", "intel", "xe") == (card.name, card.make, card.source)


def test_tiles_are_one_card(tree, drm):
    tree.xe(tiles=(64 * GIB, 64 * GIB))
    tree.process(
        5, ("renderD128", fdinfo("xe", 1, "0000:04:00.0", resident_vram0="2 GiB", resident_vram1="1 GiB"))
    )
    assert (128 * GIB, {5: 3 * GIB}) == (only(drm).total, only(drm).processes)


def test_integrated_graphics_of_intels_are_named_and_are_no_pool(tree, drm, monkeypatch):
    tree.card(0, "xe", "0000:00:02.0", "8086", "9a49")
    look = drm.look()
    assert ((), ("Intel Iris Xe Graphics",), "") == (look.cards, look.unified, look.trouble)


def test_i915_tells_its_memory_in_a_file_where_intel_ships_it(tree, drm):
    tree.card(0, "i915", "0000:04:00.0", "8086", "56a0")
    tree.write(tree.device("0000:04:00.0") / "drm/card0/lmem_total_bytes", 16 * GIB)
    tree.process(5, ("renderD128", fdinfo("i915", 1, "0000:04:00.0", resident_local0="5 GiB")))
    assert (16 * GIB, 11 * GIB) == (only(drm).total, only(drm).available)


def i915(regions):
    """A double of the driver at the border to the kernel: it answers its query as i915_drm.h has it."""

    def ioctl(descriptor, request, argument):
        assert request == 0xC0106479
        count, _, items = struct.unpack("<IIQ", argument)
        query, length, _, data = struct.unpack("<QiIQ", ctypes.string_at(items, 24))
        assert (1, 4) == (count, query)
        answer = struct.pack("<I12x", len(regions)) + b"".join(
            struct.pack("<HHIQQ64x", kind, 0, 0, size, size) for kind, size in regions
        )
        if length:
            ctypes.memmove(data, answer, min(length, len(answer)))
        ctypes.memmove(items + 8, struct.pack("<i", len(answer)), 4)

    return ioctl


def test_i915_is_asked_for_its_memory_through_its_node(tree, drm, tmp_path, monkeypatch):
    tree.card(0, "i915", "0000:04:00.0", "8086", "56a0")
    (tmp_path / "node").touch()
    opened = intel.os.open
    monkeypatch.setattr(
        intel.os,
        "open",
        lambda path, *how: opened(tmp_path / "node" if "/dev/dri" in str(path) else path, *how),
    )
    monkeypatch.setattr(intel.fcntl, "ioctl", i915([(0, 32 * GIB), (1, 6 * GIB)]))
    assert 6 * GIB == only(drm).total
    monkeypatch.setattr(intel.fcntl, "ioctl", i915([]))
    assert 6 * GIB == only(drm).total, "it is asked once, since that wakes a card"
    intel._asked.cache_clear()
    monkeypatch.setattr(intel.fcntl, "ioctl", i915([(0, 32 * GIB)]))
    assert ((), ("Intel Arc A770",)) == (drm.look().cards, drm.look().unified)


def test_an_i915_that_may_not_be_asked_can_not_be_read(tree, drm):
    tree.card(0, "i915", "0000:04:00.0", "8086", "56a0")
    assert (None, "No such file or directory") == (only(drm).available, only(drm).trouble)
