"""`zoosup sessions`: what lies in the state directory, told and removed."""

import json
import os
from pathlib import Path

import pytest

from zoosup.core.sessions.worth import Pace, Paces
from zoosup.host.sessions.folder import Folder, folder_name

FIRST = "0123456789abcdef"


@pytest.fixture
def kept(shell):
    """Two conversations of one model, the second the newer, and a folder of another in which there is none."""
    root = shell.home / "state" / "sessions"
    for model in ("Qwen/8b:q4", "idle"):
        (root / folder_name(model)).mkdir(parents=True)
    folder = Folder(root / folder_name("Qwen/8b:q4"))
    for slot in (0, 1):
        (folder.path / f"{FIRST}-{slot}.new").write_bytes(bytes(2048))
        folder.keep(FIRST, slot)
    for at, file in zip((1_700_000_000, 1_700_009_000), sorted(folder.path.iterdir()), strict=True):
        os.utime(file, (at, at))
    return folder


async def test_they_are_listed_the_newest_first(shell, kept):
    listed = (await shell("sessions")).out.splitlines()
    assert ["Qwen/8b:q4  2 KiB", "Qwen/8b:q4  2 KiB"] == [each[:17] for each in listed]
    assert [f"{FIRST}-1-", f"{FIRST}-0-"] == [each.rpartition("/")[2][:19] for each in listed]
    assert (await shell("sessions", "list")).out.splitlines() == listed


async def test_programs_get_json(shell, kept):
    found = json.loads((await shell("sessions", "list", "--json")).out)
    assert [("Qwen/8b:q4", 1, 2048, 1_700_009_000.0), ("Qwen/8b:q4", 0, 2048, 1_700_000_000.0)] == [
        (each["model"], each["slot"], each["size"], each["at"]) for each in found
    ]
    assert all(Path(each["file"]).exists() for each in found)


async def test_a_model_of_which_nothing_is_saved_says_why(shell, kept):
    kept.note_paces(FIRST, Paces(Pace(1000, 0.4), Pace(1000, 1.5), Pace(1000, 0.5)))
    why = "1000 tokens of a prompt take 400 ms to compute again, beside 1.5 s for saving and 500 ms for restoring them"
    assert f"Qwen/8b:q4 is not saved: {why}" == (await shell("sessions")).out.splitlines()[-1]
    found = json.loads((await shell("sessions", "list", "--json")).out)
    assert [("Qwen/8b:q4", None, why)] == [
        (each["model"], each["file"], each["not_saved"]) for each in found if each["not_saved"]
    ]
    await shell("sessions", "clear", "Qwen/8b:q4")
    assert "nothing is kept\n" == (await shell("sessions")).out


async def test_they_are_removed(shell, kept):
    ended = await shell("sessions", "clear", "Qwen/8b:q4")
    assert (0, "nothing is kept of Qwen/8b:q4 any more\n") == (ended.code, ended.out)
    assert [] == list(kept.path.iterdir()), "the folder stays: a container may have it mounted"
    assert "nothing is kept\n" == (await shell("sessions")).out


async def test_a_model_of_which_nothing_is_kept_is_told(shell, kept):
    ended = await shell("sessions", "clear", "qwen")
    assert (4, "") == (ended.code, ended.out)
    assert "no model 'qwen' in what is kept" in ended.err


async def test_nothing_is_no_mistake(shell):
    assert (0, "nothing is kept\n", "") == tuple(vars(await shell("sessions")).values())
    assert "[]\n" == (await shell("sessions", "list", "--json")).out
