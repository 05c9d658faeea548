"""Where an engine's socket may be."""

import socket
from pathlib import Path

import pytest

from zoosup.host.container.discovery import socket_problem, sockets

HOST = {"HOME": "/home/zoe", "XDG_RUNTIME_DIR": "/run/user/7"}


def test_auto_tries_what_is_named_then_docker_then_podman() -> None:
    found = sockets(HOST | {"DOCKER_HOST": "tcp://box:2375", "CONTAINER_HOST": "unix:///c.sock"})
    wanted = [
        "tcp://box:2375",
        "unix:///var/run/docker.sock",
        "unix:///run/user/7/docker.sock",
        "unix:///home/zoe/.docker/run/docker.sock",
        "unix:///c.sock",
        "unix:///run/user/7/podman/podman.sock",
        "unix:///run/podman/podman.sock",
    ]
    assert [each for each in found if each in wanted] == wanted
    assert found[0] == wanted[0]


def test_one_engine_has_only_its_own() -> None:
    assert all("docker" in each for each in sockets(HOST, "docker"))
    assert all("podman" in each for each in sockets(HOST, "podman"))
    assert sockets(HOST, "unix:///x.sock") == ("unix:///x.sock",)


def test_none_comes_twice_and_no_other_host_is_asked() -> None:
    found = sockets(
        {"DOCKER_HOST": "unix:///var/run/docker.sock", "CONTAINER_HOST": "ssh://box/run/podman.sock"}
    )
    assert found == ("unix:///var/run/docker.sock", "unix:///run/podman/podman.sock")


def test_podmans_machine_on_macos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    found = sockets({"HOME": "/Users/zoe", "TMPDIR": "/var/folders/x/"}, "podman")
    assert "unix:///var/folders/x/podman/podman-machine-default-api.sock" in found


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
