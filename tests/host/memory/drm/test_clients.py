"""What each process holds of a card, whatever a driver tells."""

import os
import sys

import pytest

from tests.host.fake_drm import GIB, MIB, fdinfo, only
from zoosup.host.memory.drm import clients

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="DRM is Linux's")


def test_a_client_counts_once_however_many_have_it_open(tree, drm):
    tree.amd()
    told = ("renderD128", fdinfo(client=7, memory_vram="1 GiB"))
    tree.process(21, told, told)
    tree.process(22, told)
    tree.process(23, ("renderD128", fdinfo(client=8, memory_vram="512 MiB")))
    assert {21: GIB, 22: 0, 23: GIB // 2} == only(drm).processes


def test_the_same_number_on_another_card_is_another_client(tree, drm):
    tree.amd(0)
    tree.amd(1, "0000:0a:00.0")
    tree.process(
        21,
        ("renderD128", fdinfo(client=7, memory_vram="1 GiB")),
        ("renderD129", fdinfo(client=7, slot="0000:0a:00.0", memory_vram="2 GiB")),
    )
    assert [{21: GIB}, {21: 2 * GIB}] == [card.processes for card in drm.look().cards]


def test_a_client_that_tells_no_slot_is_one_of_the_card_whose_node_it_has_open(tree, drm):
    tree.amd(0)
    tree.amd(1, "0000:0a:00.0")
    tree.process(21, ("renderD129", fdinfo(slot="", memory_vram="1 GiB")))
    assert [{}, {21: GIB}] == [card.processes for card in drm.look().cards]


@pytest.mark.parametrize(
    ("sizes", "held"),
    [
        ({"memory_vram": "4096"}, 4096),  # bytes where there is no unit
        ({"memory_vram": "4 KiB"}, 4096),
        ({"memory_vram": "  4 MiB"}, 4 * MIB),
        ({"total_vram": "9 MiB", "memory_vram": "5 MiB"}, 5 * MIB),
        ({"total_vram": "9 MiB", "memory_vram": "5 MiB", "resident_vram": "4 MiB"}, 4 * MIB),
        ({"total_vram": "9 MiB"}, 9 * MIB),
        ({"memory_gtt": "9 MiB"}, 0),  # RAM, of a card that has memory of its own
        ({"memory_vram": "lots"}, None),
        ({"engine_gfx": "123 ns"}, None),
        ({}, None),
    ],
)
def test_how_much_a_client_holds(tree, drm, sizes, held):
    tree.amd()
    tree.process(21, ("renderD128", fdinfo(**sizes)))
    assert {21: held} == only(drm).processes


def test_a_driver_that_tells_nothing_of_its_clients_tells_that_they_are_there(tree, drm):
    tree.amd()
    tree.process(21, ("renderD128", "pos:\t0\nflags:\t02100002"))  # before Linux 5.14
    tree.process(22, ("renderD128", "drm-driver:\tamdgpu\ndrm-pdev:\t0000:03:00.0\ndrm-memory-vram:\t1 GiB"))
    assert {21: None, 22: None} == only(drm).processes


def test_other_files_are_not_read(tree, drm):
    tree.amd()
    tree.process(21)
    assert not (tree.root / "proc/21/fdinfo").exists()
    assert {} == only(drm).processes


def test_a_process_that_has_ended_holds_nothing_at_the_next_look(tree, drm, monkeypatch):
    monkeypatch.setattr(clients, "PERIOD", 1000.0)
    tree.amd()
    tree.process(21, ("renderD128", fdinfo(memory_vram="1 GiB")))
    assert {21: GIB} == only(drm).processes
    tree.ended(21)
    assert {} == only(drm).processes


def test_between_two_searches_only_known_clients_are_read_again(tree, drm, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(clients, "PERIOD", 1.0)
    drm._clients = clients.Clients(str(tree.root), clock=lambda: now[0])
    tree.amd()
    tree.process(21, ("renderD128", fdinfo(memory_vram="1 GiB")))
    assert {21: GIB} == only(drm).processes
    tree.process(21, ("renderD128", fdinfo(memory_vram="2 GiB")))
    tree.process(22, ("renderD128", fdinfo(client=8, memory_vram="3 GiB")))
    assert {21: 2 * GIB} == only(drm).processes
    now[0] += 1.0
    assert {21: 2 * GIB, 22: 3 * GIB} == only(drm).processes


def test_a_search_that_takes_long_is_made_seldom(tree, monkeypatch):
    now, looked = [0.0], []

    def slow(self):
        looked.append(now[0])
        now[0] += 0.1

    monkeypatch.setattr(clients.Clients, "_search", slow)
    found = clients.Clients(str(tree.root), clock=lambda: now[0])
    for _ in range(100):
        found.look()
        now[0] += 0.1
    assert [0.0, pytest.approx(5.1, abs=0.11)] == looked[:2]


def test_who_may_not_be_looked_at_may_hold_anything(tree, drm, monkeypatch):
    def denied(path):
        if "/proc/31/" in str(path) or "/proc/32/" in str(path):
            raise PermissionError
        return listed(path)

    listed = os.listdir
    monkeypatch.setattr(clients.os, "listdir", denied)
    tree.amd()
    tree.process(31)
    tree.process(32, statm="0 0 0 0 0 0 0")  # a thread of the kernel, or one that has exited
    assert {31: None} == only(drm).processes


def test_without_proc_nobody_can_say_who_is_there(tree, drm):
    tree.amd()
    tree.xe(1)
    (tree.root / "proc").rmdir()
    amd, xe = drm.look().cards
    assert (23 * GIB, None) == (amd.available, amd.processes)
    assert (None, None) == (xe.available, xe.processes)
