"""A made tree of the kernel's files, and who reads it."""

import pytest

from tests.host.fake_drm import Tree
from zoosup.host.memory.drm import clients, intel
from zoosup.host.memory.drm.source import Drm


@pytest.fixture
def tree(tmp_path):
    made = Tree(tmp_path)
    made.names()
    (tmp_path / "proc").mkdir()
    return made


@pytest.fixture
def drm(tree, monkeypatch):
    intel._asked.cache_clear()
    monkeypatch.setattr(clients, "PERIOD", 0.0)
    monkeypatch.setattr(clients, "_SHARE", 0)
    return Drm(str(tree.root))
