"""A secret of all of one user's zoosups: the same for all, made once, and never one that others may have read."""

import os
import threading

import pytest

from zoosup.errors import ZoosupError
from zoosup.host.storage.shared_secret import shared_secret


def test_whoever_needs_it_first_makes_it_and_all_have_the_same(tmp_path):
    place = tmp_path / "state" / "zoosup" / "token"
    found, barrier = [], threading.Barrier(8)

    def ask():
        barrier.wait()
        found.append(shared_secret(place).read_text())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert 8 == len(found)
    assert [place.read_text()] == sorted(set(found))
    assert 64 == len(place.read_text().strip())
    assert (0o600, [place]) == (place.stat().st_mode & 0o777, list(place.parent.iterdir()))


def test_two_places_have_two(tmp_path):
    assert shared_secret(tmp_path / "a").read_text() != shared_secret(tmp_path / "b").read_text()


def test_one_that_others_can_read_is_none(tmp_path):
    place = tmp_path / "token"
    place.write_text("known")
    place.chmod(0o644)
    with pytest.raises(ZoosupError, match="open to others"):
        shared_secret(place)


def test_where_it_cant_be_made_that_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ZoosupError, match="no secret can be kept in"):
        shared_secret(tmp_path / "file" / "token")


@pytest.mark.parametrize(("mode", "owner"), [(0o640, 0), (0o604, 0), (0o600, 1)])
def test_one_that_anybody_else_can_read_or_owns_is_none(tmp_path, monkeypatch, mode, owner):
    place = tmp_path / "token"
    place.write_text("known")
    place.chmod(mode)
    monkeypatch.setattr(os, "geteuid", lambda: place.stat().st_uid + owner)
    with pytest.raises(ZoosupError, match="open to others"):
        shared_secret(place)


def test_the_folder_that_is_made_for_it_is_its_owners_alone(tmp_path):
    place = shared_secret(tmp_path / "made" / "token")
    assert 0o700 == place.parent.stat().st_mode & 0o777


def test_of_two_that_make_it_at_once_one_wins(tmp_path, monkeypatch):
    place, link = tmp_path / "token", os.link

    def late(draft, target):
        place.write_text("of the other")
        place.chmod(0o600)
        link(draft, target)

    monkeypatch.setattr(os, "link", late)
    assert "of the other" == shared_secret(place).read_text()
    assert [place] == list(tmp_path.iterdir())
