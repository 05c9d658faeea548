"""What is on disk of the ties of runs to their containers."""

import json

import pytest

from zoosup.host.runs.tie import Kept, TieFiles


@pytest.fixture
def files(tmp_path):
    return TieFiles(tmp_path / "ties")


def test_what_is_kept_is_loaded_and_once_forgotten_leaves_nothing(files, tmp_path):
    files.keep("r1", Kept(client=("docker",)))
    files.cidfile("r1").write_text("0" * 64)
    assert ["r1"] == list(files.load())
    files.forget("r1")
    assert [] == list((tmp_path / "ties").iterdir())


def test_what_is_known_later_is_kept_in_place_of_what_was_known_before(files):
    files.keep("r1", Kept("unix:///run/docker.sock"))
    later = Kept("unix:///run/docker.sock", container_id="c" * 64, apart=True)
    files.keep("r1", later)
    assert {"r1": later} == files.load()


def test_a_disk_that_refuses_leaves_nothing_of_a_run_that_is_forgotten(files, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(json, "dump", full)
        files.keep("r1", Kept(client=("docker",)))
    assert {} == files.load()
    files.forget("r1")
    assert [] == list((tmp_path / "ties").iterdir())
