"""What one look finds where something is amiss."""

import os
import sys
import time

import pytest

from tests.host.fake_drm import GIB, SLOT, only
from zoosup.host.memory.drm import clients
from zoosup.host.memory.drm.source import Drm
from zoosup.host.memory.gpu_types import GpusUnavailableError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="DRM is Linux's")


def test_each_make_counts_its_own_by_slot(tree, drm):
    tree.amd(0, "0000:0a:00.0")
    tree.amd(1, "0000:03:00.0")
    tree.xe(2, "0000:05:00.0")
    assert [("amd0", "0000:03:00.0"), ("intel0", "0000:05:00.0"), ("amd1", "0000:0a:00.0")] == [
        (card.index, card.pci) for card in drm.look().cards
    ]


def test_an_index_stays_when_another_card_goes_and_comes(tree, drm):
    tree.amd(0, "0000:03:00.0")
    tree.amd(1, "0000:0a:00.0")
    drm.look()
    tree.remove(0)
    drm.close()
    assert "amd1" == only(drm).index
    tree.amd(0, "0000:03:00.0")
    assert ["amd0", "amd1"] == [card.index for card in drm.look().cards]


@pytest.mark.parametrize("driver", ["nvidia", "nouveau", "radeon", "ast", "vgem"])
def test_a_card_of_which_the_kernel_tells_nothing_is_none(tree, drm, driver):
    tree.amd(0)
    vendor = {"radeon": "1002", "ast": "1a03"}.get(driver, "10de")
    tree.card(1, driver, "0000:07:00.0", vendor, "1234")
    assert "amd0" == only(drm).index


def test_a_host_without_one_has_nothing_to_say(tree, drm, tmp_path):
    with pytest.raises(GpusUnavailableError, match=r"^$"):
        drm.look()
    with pytest.raises(GpusUnavailableError):
        Drm(str(tmp_path / "nowhere")).look()


def test_a_card_that_can_not_be_read_says_why(tree, drm, monkeypatch):
    tree.amd()
    drm.look()
    path = tree.root / tree.device(SLOT) / "mem_info_vram_used"
    path.unlink()
    path.mkdir()
    card = only(drm)
    assert (None, "Is a directory") == (card.available, card.trouble)
    assert "GPU amd0 AMD Radeon RX 7900 XTX: Is a directory" == drm.look().trouble


@pytest.mark.parametrize("code", [5, 19])  # EIO, ENODEV
def test_a_card_that_fell_off_the_bus_is_no_crash(tree, drm, monkeypatch, code):
    from zoosup.host.memory.drm import amdgpu  # noqa: PLC0415

    tree.amd()
    tree.amd(1, "0000:0a:00.0")
    drm.look()
    read = amdgpu.read_whole

    def lost(path):
        if "card0" in path:
            raise OSError(code, os.strerror(code), path)
        return read(path)

    monkeypatch.setattr(amdgpu, "read_whole", lost)
    gone, there = drm.look().cards
    assert (None, os.strerror(code), 23 * GIB) == (gone.available, gone.trouble, there.available)


def test_nonsense_is_no_figure(tree, drm):
    tree.amd()
    tree.write(tree.device(SLOT) / "mem_info_vram_used", "-")
    assert (None, "b'-\\n' is not a number") == (only(drm).available, only(drm).trouble)


def test_a_card_that_has_vanished_is_in_no_look(tree, drm):
    tree.amd(0)
    tree.remove(0)
    with pytest.raises(GpusUnavailableError):
        drm.look()
    tree.amd(0)
    drm.look()
    tree.remove(0)
    assert () == drm.look().cards  # not "there is nobody to ask": there was one


def test_a_card_that_hung_and_was_reset_is_said_to_have(tree, drm):
    tree.amd()
    tree.hang()
    card = only(drm)
    assert (23 * GIB, "it hung and was reset; /sys/class/devcoredump/devcd1/data tells how") == (
        card.available,
        card.trouble,
    )
    tree.amd(1, "0000:0a:00.0")
    assert "" == drm.look().cards[1].trouble


def test_a_card_whose_file_is_not_here_is_none_until_it_is(tree, drm):
    tree.amd()
    (tree.root / "dev/dri/renderD128").unlink()  # a container that was handed no GPU
    with pytest.raises(GpusUnavailableError):
        drm.look()
    (tree.root / "dev/dri/renderD128").touch()
    assert "amd0" == only(drm).index


def test_a_card_that_may_not_be_opened_says_so(tree, drm, monkeypatch):
    tree.amd()
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, how: how == os.F_OK and real(path, how))
    card = only(drm)
    assert 23 * GIB == card.available
    assert card.trouble.startswith("/dev/dri/renderD128 may not be opened")


def test_another_card_behind_a_name_is_seen_to_be_another(tree, drm):
    tree.amd(0)
    assert SLOT == only(drm).pci
    tree.remove(0)
    tree.amd(0, "0000:0a:00.0", unique_id="00000000000000ff")
    assert ("0000:0a:00.0", "GPU-00000000000000ff") == (only(drm).pci, only(drm).uuid)


def test_a_look_is_cheap(tree, drm):
    """A few small files: what is dear, everybody's descriptors, is read once a second."""
    drm._clients = clients.Clients(str(tree.root), clock=lambda: 0.0)
    for number in range(4):
        tree.amd(number, f"0000:0{number}:00.0")
    drm.look()
    begun = time.thread_time()
    for _ in range(20):
        drm.look()
    assert (time.thread_time() - begun) / 20 < 0.002
