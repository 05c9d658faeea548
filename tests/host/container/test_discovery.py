"""Where an engine's socket may be."""

import os
import socket
from pathlib import Path

import pytest

from zoosup.host.container.discovery import socket_problem, sockets

HOST = {"HOME": "/home/zoe", "XDG_RUNTIME_DIR": "/run/user/7"}


DOCKERS = (
    "unix:///var/run/docker.sock",
    "unix:///run/user/7/docker.sock",
    "unix:///home/zoe/.docker/run/docker.sock",
    "unix:///home/zoe/.docker/desktop/docker.sock",
)
PODMANS = ("unix:///run/user/7/podman/podman.sock", "unix:///run/podman/podman.sock")


@pytest.fixture(autouse=True)
def on_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")


def test_auto_tries_what_is_named_then_docker_then_podman() -> None:
    named = HOST | {"DOCKER_HOST": "tcp://box:2375", "CONTAINER_HOST": "unix:///c.sock"}
    assert sockets(named) == ("tcp://box:2375", *DOCKERS, "unix:///c.sock", *PODMANS)
    assert sockets(named, "auto") == sockets(named)


def test_one_engine_has_only_its_own() -> None:
    assert sockets(HOST, "docker") == DOCKERS
    assert sockets(HOST, "podman") == PODMANS
    assert sockets(HOST, "unix:///x.sock") == ("unix:///x.sock",)


def test_none_comes_twice_and_no_other_host_is_asked() -> None:
    found = sockets(
        {"DOCKER_HOST": "unix:///var/run/docker.sock", "CONTAINER_HOST": "ssh://box/run/podman.sock"}
    )
    assert found == ("unix:///var/run/docker.sock", "unix:///run/podman/podman.sock")


def test_where_macos_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    machine = "unix:///Users/zoe/.local/share/containers/podman/machine"
    mac = {"HOME": "/Users/zoe", "TMPDIR": "/var/folders/x/"}
    assert sockets(mac, "docker") == (
        "unix:///var/run/docker.sock",
        "unix:///Users/zoe/.docker/run/docker.sock",
        "unix:///Users/zoe/.docker/desktop/docker.sock",
        "unix:///Users/zoe/.colima/default/docker.sock",
    )
    assert sockets(mac, "podman") == (
        "unix:///run/podman/podman.sock",
        "unix:///var/folders/x/podman/podman-machine-default-api.sock",
        f"{machine}/podman.sock",
        f"{machine}/qemu/podman.sock",
    )
    assert sockets({}, "podman") == ("unix:///run/podman/podman.sock",)


def test_what_is_wrong_with_a_socket_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "s"))
        assert socket_problem(f"unix://{tmp_path}/s") == ""
    assert socket_problem("tcp://box:2375") == ""
    assert (
        socket_problem(f"unix://{tmp_path}/none") == f"{tmp_path}/none does not exist: is the engine started?"
    )
    assert socket_problem(f"unix://{tmp_path}/file") == f"{tmp_path}/file is no socket"
    assert socket_problem(f"unix://{tmp_path}/file/x") == f"{tmp_path}/file/x: Not a directory"


@pytest.mark.parametrize("lacking", [os.R_OK, os.W_OK])
def test_who_may_not_use_a_socket_is_told_the_group_that_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: int
) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "s"))
        monkeypatch.setattr("os.access", lambda _, mode: not mode & lacking)
        group = (tmp_path / "s").stat().st_gid
        words = f"no permission for {tmp_path}/s: add this user to the group {{}} and log in again"
        for known, name in (
            (lambda gid: {group: Named("engines")}[gid], "engines"),
            ({}.__getitem__, str(group)),
        ):
            monkeypatch.setattr("grp.getgrgid", known)
            assert socket_problem(f"unix://{tmp_path}/s") == words.format(name)


class Named:
    """A group."""

    def __init__(self, gr_name: str) -> None:
        self.gr_name = gr_name
