"""Room taken before it is needed: how much, where little is left, and where a file system knows no such thing."""

import errno
import os
import struct
from types import SimpleNamespace

import pytest

from zoosup.host.storage import log_space
from zoosup.host.storage.log_space import AHEAD, LEAST, free, release, reserve, taken

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


@pytest.fixture
def disk(monkeypatch):
    """A disk with so much left, a file with so many bytes and so many beyond its end; what is taken is noted."""

    def become(left, size=0, ahead=0, refusal=0):
        asked = []

        def allocate(_descriptor, offset, length, more):
            asked.append((offset, length, more))
            if refusal:
                raise OSError(refusal, os.strerror(refusal))

        stat = SimpleNamespace(st_size=size, st_blocks=(size + ahead) // 512)
        monkeypatch.setattr(log_space.os, "fstat", lambda _: stat)
        monkeypatch.setattr(log_space, "free", lambda _: left)
        monkeypatch.setattr(log_space, "_allocate", allocate)
        return asked

    return become


@pytest.mark.parametrize(
    ("left", "ahead", "at_least", "room"),
    [
        (GIB, 0, 0, AHEAD),
        (GIB, AHEAD // 2 - 512, 0, AHEAD),
        (16 * MIB, 0, 0, MIB),  # a sixteenth of what is left
        (16 * MIB, MIB, 0, 2 * MIB),
        (16 * MIB, 0, 2 * MIB, 2 * MIB),
        (2 * LEAST, 0, 0, LEAST),  # without which it can't begin
        (2 * LEAST - 1, 0, 0, 4 * KIB),  # whole pages
        (0, 0, MIB, MIB),
    ],
)
def test_as_much_is_taken_as_is_decent(disk, left, ahead, at_least, room):
    asked = disk(left, size=MIB, ahead=ahead)
    assert room == reserve(9, at_least)
    assert [(MIB, room, room - ahead)] == asked


@pytest.mark.parametrize(("left", "ahead"), [(GIB, AHEAD // 2), (0, 0), (15 * KIB, 4 * KIB)])
def test_nothing_is_taken_where_enough_is_there_or_nothing_is_left(disk, left, ahead):
    asked = disk(left, ahead=ahead)
    assert (ahead, []) == (reserve(9), asked)


@pytest.mark.parametrize(
    ("refusal", "room"),
    [(errno.ENOSPC, MIB), (errno.EDQUOT, MIB), (errno.EOPNOTSUPP, AHEAD)],
)
def test_a_refusal_leaves_what_there_was_or_all_is_as_without(disk, refusal, room):
    disk(GIB, ahead=MIB, refusal=refusal)
    assert room == reserve(9)


def test_a_file_of_holes_has_nothing_ahead(disk):
    disk(GIB, size=MIB, ahead=-MIB)
    assert AHEAD == reserve(9)


def test_what_is_taken_is_given_back_and_the_end_stays(tmp_path):
    with (tmp_path / "log").open("wb", buffering=0) as file:
        file.write(b"x" * 10)
        before = taken(file.fileno())
        reserve(file.fileno())
        assert 10 == os.fstat(file.fileno()).st_size
        release(file.fileno())
        assert (10, before) == (os.fstat(file.fileno()).st_size, taken(file.fileno()))


def test_what_is_left_is_what_anybody_may_have(monkeypatch):
    disk = SimpleNamespace(f_bavail=3, f_bfree=5, f_frsize=4096, f_bsize=8192)
    monkeypatch.setattr(log_space.os, "fstatvfs", lambda _: disk)
    assert 3 * 4096 == free(9)


def test_linux_is_asked_for_room_beyond_the_end(monkeypatch):
    asked = []
    monkeypatch.setattr(log_space.sys, "platform", "linux")
    monkeypatch.setattr(log_space, "_fallocate", lambda: lambda *given: asked.append(given) or 0)
    log_space._allocate(9, 10, 4096, 2048)
    assert [(9, 1, 10, 4096)] == asked


def test_darwin_is_asked_for_so_many_bytes_more_from_the_end_on(monkeypatch):
    asked = []
    monkeypatch.setattr(log_space.sys, "platform", "darwin")
    monkeypatch.setattr(log_space.fcntl, "fcntl", lambda *given: asked.append(given))
    log_space._allocate(9, 10, 4096, 2048)
    assert [(9, 42, struct.pack("=Iiqqq", 4, 3, 0, 2048, 0))] == asked


def test_the_systems_refusal_is_told_as_it_is(monkeypatch, tmp_path):
    monkeypatch.setattr(log_space.sys, "platform", "linux")
    with (tmp_path / "log").open("wb") as file, pytest.raises(OSError, match="Invalid argument"):
        log_space._allocate(file.fileno(), 0, -1, -1)


def test_another_systems_c_library_has_no_such_call(monkeypatch):
    monkeypatch.setattr(log_space.ctypes, "CDLL", lambda *_, **__: object())
    with pytest.raises(OSError, match="fallocate64") as caught:
        log_space._fallocate.__wrapped__()
    assert errno.EOPNOTSUPP == caught.value.errno
