"""The boot session, on both systems."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from zoosup.host.process.table import identity
from zoosup.host.process.table.identity import Identity, boot_session


@pytest.fixture(autouse=True)
def _fresh():
    boot_session.cache_clear()
    yield
    boot_session.cache_clear()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_linux_draws_an_id_at_each_boot():
    assert Path("/proc/sys/kernel/random/boot_id").read_text().strip() == boot_session()


def test_macos_has_one_too(monkeypatch):
    asked = []

    def run(command, **_):
        asked.append(command[-1])
        return SimpleNamespace(stdout="70FE-11\n")

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(identity, "subprocess", SimpleNamespace(run=run))
    assert ["70FE-11", "70FE-11"] == [boot_session(), boot_session()]
    assert ["kern.bootsessionuuid"] == asked


def test_a_record_from_before_a_reboot_means_nobody():
    assert Identity(100, 10, boot_session()).of_this_boot()
    assert not Identity(100, 10, "another").of_this_boot()
