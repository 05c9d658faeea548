"""Cards of AMD, and processors with graphics of AMD."""

import sys

import pytest

from tests.host.fake_drm import GIB, MIB, SLOT, fdinfo, only
from zoosup.host.memory.drm import names

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="DRM is Linux's")


def test_a_card_of_amds_has_its_own_memory_and_names_that_stay(tree, drm):
    tree.amd(used=3 * GIB)
    card = only(drm)
    assert ("GPU-0000000000004c1d", "amd0", "GPU amd0 AMD Radeon RX 7900 XTX") == (
        card.uuid,
        card.index,
        card.name,
    )
    assert (24 * GIB, 21 * GIB, {}, False) == (card.total, card.available, card.processes, card.unified)
    assert ("amd", SLOT, "/dev/dri/renderD128") == (card.make, card.pci, card.render_node)
    assert ("amdgpu", "1002:744c, driver amdgpu", "") == (card.source, card.device, card.trouble)


def test_what_is_used_of_it_is_the_drivers_figure_whoever_uses_it(tree, drm):
    tree.amd(used=GIB)
    tree.process(9, ("renderD128", fdinfo(memory_vram="2097152 KiB")))
    assert (23 * GIB, {9: 2 * GIB}) == (only(drm).available, only(drm).processes)
    tree.use(vram=20 * GIB)  # memory of somebody who can't be seen, or of one who has just ended
    assert 4 * GIB == only(drm).available


@pytest.mark.parametrize("number", [None, "0000000000000000"])
def test_a_card_without_a_number_of_its_own_is_called_by_its_slot(tree, drm, number):
    tree.amd(device="73bf", revision="c1", unique_id=number)
    if number is None:
        (tree.root / tree.device(SLOT) / "unique_id").unlink()
    assert "GPU-pci-0000-03-00-0" == only(drm).uuid
    assert "GPU amd0 AMD Radeon RX 6800/6800 XT / 6900 XT" == only(drm).name


def test_a_name_that_the_card_has_by_itself_comes_first(tree, drm):
    tree.amd(product_name="AMD Instinct MI210")
    assert "GPU amd0 AMD Instinct MI210" == only(drm).name


def test_a_card_in_no_list_is_called_by_its_ids(tmp_path):
    assert "AMD 1002:9999" == names.name(str(tmp_path), "AMD", "1002", "9999", "00")


def test_an_apus_memory_is_the_hosts(tree, drm):
    tree.apu(vram=GIB // 2, used=GIB // 4, gtt=96 * GIB, gtt_used=10 * GIB)
    card = only(drm)
    assert (True, 96 * GIB + GIB // 2, 86 * GIB + GIB // 4) == (card.unified, card.total, card.available)
    assert "GPU amd0 AMD Radeon Graphics / Radeon 8050S Graphics / Radeon 8060S Graphics" == card.name


def test_what_a_process_holds_of_an_apu_is_in_both_its_parts(tree, drm):
    tree.apu()
    told = fdinfo(slot="0000:c5:00.0", memory_vram="100 MiB", memory_gtt="3 GiB", memory_cpu="7 GiB")
    tree.process(9, ("renderD128", told))
    assert {9: 3 * GIB + 100 * MIB} == only(drm).processes


def test_an_apu_with_most_of_its_memory_set_apart_has_it_as_its_own(tree, drm):
    tree.apu(vram=96 * GIB, used=GIB, gtt=16 * GIB, gtt_used=2 * GIB)
    card = only(drm)
    assert (False, 96 * GIB, 95 * GIB) == (card.unified, card.total, card.available)


def test_a_small_card_with_much_ram_beside_it_is_no_apu(tree, drm):
    tree.amd(total=8 * GIB, gtt=64 * GIB)
    assert (False, 8 * GIB) == (only(drm).unified, only(drm).total)
    (tree.root / tree.device(SLOT) / "mem_busy_percent").unlink()  # Vega 10, which has its number
    assert not only(drm).unified
    for sign in ("gpu_busy_percent", "unique_id"):  # amdgpu.dpm=0
        (tree.root / tree.device(SLOT) / sign).unlink()
    assert not only(drm).unified
