"""`zoosup init` looks at a home as people have it, and writes a file that passes `check`."""

import errno
import os
import socket

import pytest

from tests.host.weights.homes import furnish
from zoosup.cli.commands.files.importing import save
from zoosup.errors import ZoosupError


@pytest.fixture
def bare(shell):
    """A PATH without any server, and no engine."""
    shell.env = {
        "PATH": "/usr/bin:/bin",
        "DOCKER_HOST": f"unix://{shell.home}/none",
        "CONTAINER_HOST": f"unix://{shell.home}/none",
    }
    return shell


def put_program(shell, name):
    program = shell.home / "bin" / name
    program.parent.mkdir(exist_ok=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    shell.env["PATH"] = f"{shell.home}/bin:/usr/bin:/bin"


async def test_on_an_empty_host_the_file_passes_check_and_names_the_demonstration_server(bare):
    ended = await bare("init")
    assert (0, "zoo.yaml: demo. Look at it, then: zoosup run\n", "") == (ended.code, ended.out, ended.err)
    checked = await bare("check")
    assert (0, "ok: 1 model, active: demo\n", "") == (checked.code, checked.out, checked.err)


async def test_every_model_of_a_furnished_home_passes_check(bare):
    furnish(bare.home)
    for name in ("llama-server", "vllm", "whisper-server"):
        put_program(bare, name)
    ended = await bare("init", "-o", "my zoo.yaml")
    assert 0 == ended.code
    assert ended.out.endswith("Look at it, then: zoosup run 'my zoo.yaml'\n")
    checked = await bare("check", "my zoo.yaml")
    assert (0, "ok: 10 models, active: none\n", "") == (checked.code, checked.out, checked.err)
    text = (bare.home / "my zoo.yaml").read_text()
    assert "half is left out: 1 of its 2 parts are missing" in text
    assert f"llama-server ({bare.home}/bin/llama-server)" in text
    assert 0 == (await bare("plan", "my zoo.yaml")).code


async def test_a_second_look_says_the_same(bare):
    furnish(bare.home)
    put_program(bare, "llama-server")
    first, second = await bare("init", "-o", "-"), await bare("init", "-o", "-")
    assert first.out == second.out
    assert "models:" in first.out
    assert not (bare.home / "zoo.yaml").exists()


async def test_a_file_that_is_there_is_replaced_by_force_alone(bare):
    (bare.home / "zoo.yaml").write_text("mine")
    ended = await bare("init")
    assert (1, "", "zoosup: zoo.yaml exists; --force replaces it\n") == (ended.code, ended.out, ended.err)
    assert "mine" == (bare.home / "zoo.yaml").read_text()
    assert 0 == (await bare("init", "--force")).code
    assert "models:" in (bare.home / "zoo.yaml").read_text()


def test_one_that_has_appeared_meanwhile_is_not_replaced_either(tmp_path):
    path = tmp_path / "zoo.yaml"
    path.write_text("mine")
    with pytest.raises(ZoosupError, match="exists; --force replaces it"):
        save(path, "new", force=False)
    assert "mine" == path.read_text()
    save(path, "new", force=True)
    assert "new" == path.read_text()


@pytest.mark.parametrize("before", [None, "mine"])
def test_one_that_can_not_be_written_leaves_what_was_there(tmp_path, monkeypatch, before):
    """As on a full disk: no empty file, and not half of a new one in place of the old."""
    path = tmp_path / "zoo.yaml"
    if before is not None:
        path.write_text(before)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ZoosupError, match=r"zoo\.yaml can't be (re)?written: No space left on device"):
        save(path, "new", force=before is not None)
    assert ([] if before is None else [before]) == [each.read_text() for each in tmp_path.iterdir()]


def test_a_link_and_the_mode_of_what_is_replaced_stay(tmp_path):
    path, link = tmp_path / "zoo.yaml", tmp_path / "link.yaml"
    path.write_text("mine")
    path.chmod(0o640)
    link.symlink_to(path.name)
    save(link, "new", force=True)
    assert (True, "new", 0o640) == (link.is_symlink(), path.read_text(), path.stat().st_mode & 0o777)


async def test_ports_that_are_taken_are_passed_over(bare):
    text = (await bare("init", "-o", "-")).out
    gateway = int(text.partition('gateway:\n  listen: "127.0.0.1:')[2].partition('"')[0])
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", gateway))
        holder.listen()
        text = (await bare("init", "-o", "-")).out
    assert f'gateway:\n  listen: "127.0.0.1:{gateway}"' not in text


async def test_a_place_that_can_not_be_written_is_said(bare):
    ended = await bare("init", "-o", f"{bare.home}/none/zoo.yaml")
    assert (1, f"zoosup: {bare.home}/none/zoo.yaml can't be written: No such file or directory\n") == (
        ended.code,
        ended.err,
    )
    assert not (bare.home / "none").exists()
