"""On which addresses real processes listen."""

import sys
from pathlib import Path

import pytest

from tests.host.probes.test_port_owner import NOBODY, listening
from zoosup.host.probes.listen_addresses import described, listening_on


@pytest.fixture(params=[sys.platform, "darwin"])
def _each_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As this system does it, and as macOS does."""
    monkeypatch.setattr(sys, "platform", request.param)


@pytest.mark.usefixtures("_each_way")
def test_every_address_of_every_process_is_found_by_port() -> None:
    with listening("0.0.0.0") as (one, port), listening("::1") as (other, second):
        found = listening_on(frozenset({one, other, NOBODY}))
    assert [f"0.0.0.0:{port}", f"[::1]:{second}"] == sorted(found)
    assert list(found) == sorted(found, key=lambda address: int(address.rpartition(":")[2]))


@pytest.mark.usefixtures("_each_way")
def test_what_others_listen_on_is_not_told() -> None:
    with listening():
        assert () == listening_on(frozenset({NOBODY}))


def test_of_many_a_few_are_named() -> None:
    ports = tuple(f"127.0.0.1:{port}" for port in range(8000, 8006))
    assert "127.0.0.1:8000, 127.0.0.1:8001, 127.0.0.1:8002, 127.0.0.1:8003 and 2 more" == described(ports)
    assert "127.0.0.1:8000" == described(ports[:1])


def test_just_as_many_as_are_named_are_all() -> None:
    assert "1, 2, 3, 4" == described(("1", "2", "3", "4"))
    assert "1, 2, 3, 4 and 1 more" == described(("1", "2", "3", "4", "5"))


def test_connections_of_the_same_processes_are_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    (tmp_path / "net").mkdir()
    rows = ("0100007F:1F90 0:0 0A", "0100007F:1F91 0:0 01", "0100007F:1F92 0:0 0A")
    lines = (f" {at}: {row} 0 0 0 0 0 {at} 1\n" for at, row in enumerate(rows))
    (tmp_path / "net/tcp").write_text("  sl\n" + "".join(lines))
    (tmp_path / "7/fd").mkdir(parents=True)
    for inode in range(3):
        (tmp_path / f"7/fd/{inode}").symlink_to(f"socket:[{inode}]")
    assert ("127.0.0.1:8080",) == listening_on(frozenset({7}), tmp_path)
