"""Weights read ahead: real files, and the kernel as the oracle of what of them is in memory."""

import ctypes
import mmap
import os
import sys
import threading
import time

import psutil
import pytest

from tests.host import weight_files
from zoosup.core.state.weights import Located
from zoosup.host.ports.host import Warmed
from zoosup.host.weights import page_cache
from zoosup.host.weights.page_cache import PIECE, PageWarmer, Reading, files
from zoosup.spec.model.model import ModelSpec

linux = pytest.mark.skipif(sys.platform != "linux", reason="macOS tells nobody what is in its page cache")
PAGE = mmap.PAGESIZE
ALL = 1 << 40


def a_file(path, pieces):
    """A file of so many pieces of which nothing is in memory."""
    with path.open("wb") as file:
        for number in range(pieces):
            file.write(bytes([number]) * PIECE)
        file.flush()
        os.fsync(file.fileno())
        if sys.platform == "linux":
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return path


def resident(path):
    """Bytes of the file that are in the page cache; a piece that the kernel is moving looks absent for a moment."""
    return max(in_core(path) for _ in range(3))


def in_core(path):
    """The same as mincore says it, once."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    size = path.stat().st_size
    pages = -(-size // PAGE)
    with path.open("rb") as file:
        at = libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, file.fileno(), 0)
    seen = ctypes.create_string_buffer(pages)
    assert 0 == libc.mincore(at, size, seen)
    libc.munmap(at, size)
    return PAGE * sum(byte & 1 for byte in seen.raw[:pages])


def a_model(*words, cwd=None):
    return ModelSpec.model_validate({"command": ["llama-server", *map(str, words)], "cwd": cwd})


def finished(warming):
    end = time.monotonic() + 30
    while (done := warming.done) is None:
        assert time.monotonic() < end
        time.sleep(0.001)
    return done


@linux
def test_weights_are_in_memory_afterwards(tmp_path):
    path = a_file(tmp_path / "m.gguf", 3)
    assert 0 == resident(path)
    done = finished(PageWarmer().warm(a_model("-m", path), ALL))
    assert 3 * PIECE == resident(path)
    assert (3 * PIECE, 0, "") == (done.read, done.there, done.problem)


@linux
def test_what_is_in_memory_already_is_not_read_again(tmp_path):
    path = a_file(tmp_path / "m.gguf", 3)
    with path.open("rb") as file:
        file.seek(PIECE)
        file.read(PIECE)
        # what the kernel has read beyond that of its own accord
        os.posix_fadvise(file.fileno(), 2 * PIECE, 0, os.POSIX_FADV_DONTNEED)
    assert 0 < resident(path) < 2 * PIECE
    done = finished(PageWarmer().warm(a_model("-m", path), ALL))
    assert 3 * PIECE == resident(path)
    assert (2 * PIECE, PIECE) == (done.read, done.there)


@linux
def test_no_more_is_read_than_was_allowed(tmp_path):
    path = a_file(tmp_path / "m.gguf", 12)
    done = finished(PageWarmer().warm(a_model("-m", path), 2 * PIECE + PAGE))
    assert (2 * PIECE + PAGE, "") == (done.read, done.problem)
    # the kernel reads a little ahead of whoever reads in order
    assert 2 * PIECE <= resident(path) < 8 * PIECE


@linux
def test_a_cancel_ends_it_between_two_pieces(tmp_path, monkeypatch):
    path = a_file(tmp_path / "m.gguf", 3)
    reading = Reading(a_model("-m", path), ALL)
    pull = page_cache._pull

    def pull_and_cancel(*of):
        reading.cancel()
        return pull(*of)

    monkeypatch.setattr(page_cache, "_pull", pull_and_cancel)
    reading.run()
    assert (PIECE, "cancelled") == (reading.done.read, reading.done.problem)


@linux
def test_what_is_in_memory_already_counts_against_what_may_be(tmp_path):
    path = a_file(tmp_path / "m.gguf", 12)
    assert 2 * PIECE == finished(PageWarmer().warm(a_model("-m", path), 2 * PIECE)).read
    done = finished(PageWarmer().warm(a_model("-m", path), 3 * PIECE))
    assert 3 * PIECE == done.read + done.there
    assert done.read <= PIECE  # less, where the kernel has read ahead
    assert 3 * PIECE <= resident(path) < 8 * PIECE


def test_every_file_that_the_command_names_is_read(tmp_path):
    for part in (1, 2):
        (tmp_path / f"m-0000{part}-of-00002.gguf").write_bytes(weight_files.gguf())
    (tmp_path / "eyes.gguf").write_bytes(weight_files.gguf())
    spec = a_model("-m", "m-00001-of-00002.gguf", "--mmproj", "eyes.gguf", cwd=str(tmp_path))
    names = ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf", "eyes.gguf"]
    assert [tmp_path / name for name in names] == list(files(spec))
    done = finished(PageWarmer().warm(spec, ALL))
    assert 3 * len(weight_files.gguf()) == done.read + done.there


def test_a_file_system_that_can_not_hand_out_pages_is_read_the_plain_way(tmp_path, monkeypatch):
    path = a_file(tmp_path / "m.gguf", 2)

    def unable(*_):
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "sendfile", unable)
    assert 2 * PIECE == finished(PageWarmer().warm(a_model("-m", path), ALL)).read


@pytest.mark.parametrize("words", [["-m", "nowhere.gguf"], ["--hf-repo", "org/model"], ["-m", "/dev/zero"]])
def test_weights_that_are_no_files_here_are_passed_over(words):
    done = finished(PageWarmer().warm(a_model(*words), ALL))
    assert (0, 0, "") == (done.read, done.there, done.problem)


def test_a_file_that_can_not_be_read_is_a_sentence_not_an_exception(tmp_path, monkeypatch):
    path = a_file(tmp_path / "m.gguf", 1)

    def refused(name, *_):
        raise PermissionError(13, "Permission denied", name)

    monkeypatch.setattr(os, "open", refused)
    assert f"{path}: Permission denied" == finished(PageWarmer().warm(a_model("-m", path), ALL)).problem


def test_no_thread_to_be_had_is_a_sentence_too(monkeypatch):
    def refused(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    assert Warmed(0, 0, 0.0, "can't start new thread") == PageWarmer().warm(a_model(), ALL).done


@linux
def test_only_the_thread_that_reads_steps_back(tmp_path, monkeypatch):
    seen = []

    def look(*of):
        me = threading.get_native_id()
        seen.append((os.getpriority(os.PRIO_PROCESS, me), psutil.Process(me).ionice().ioclass))
        return of[2]

    monkeypatch.setattr(page_cache, "_pull", look)
    before = os.getpriority(os.PRIO_PROCESS, 0)
    finished(PageWarmer().warm(a_model("-m", a_file(tmp_path / "m.gguf", 1)), ALL))
    assert [(19, psutil.IOPRIO_CLASS_IDLE)] == seen
    assert before == os.getpriority(os.PRIO_PROCESS, 0)


def test_weights_that_are_named_by_their_origin_are_read_where_they_were_found(tmp_path):
    path, projector = a_file(tmp_path / "m.gguf", 1), a_file(tmp_path / "p.gguf", 1)
    found = (("hf://o/r", Located(str(path), str(projector))),)
    assert [path, projector] == list(files(a_model("-m", "hf://o/r"), found))
    assert [] == list(files(a_model("-m", "hf://o/r")))


def test_where_the_system_does_not_say_what_disks_have_read_all_counts_as_read(tmp_path, monkeypatch):
    monkeypatch.setattr(page_cache, "_fetched", lambda: None)
    done = finished(PageWarmer().warm(a_model("-m", a_file(tmp_path / "m.gguf", 2)), ALL))
    assert (2 * PIECE, 0) == (done.read, done.there)


def test_nothing_is_read_where_nothing_is_allowed(tmp_path):
    done = finished(PageWarmer().warm(a_model("-m", a_file(tmp_path / "m.gguf", 1)), 0))
    assert (0, 0, "") == (done.read, done.there, done.problem)


def test_a_disk_that_gives_less_than_it_was_asked_for_is_asked_again(monkeypatch):
    asked = []

    def readv(_, buffers):
        asked.append(len(buffers[0]))
        return min(len(buffers[0]), 3)

    monkeypatch.setattr(os, "readv", readv)
    assert 7 == page_cache._pull(9, 7, memoryview(bytearray(5)))
    assert [5, 4, 1] == asked


def test_a_file_that_has_been_cut_short_gives_what_it_has(tmp_path):
    with (tmp_path / "m").open("wb+", buffering=0) as file:
        file.write(b"12345")
        file.seek(0)
        assert 5 == page_cache._pull(file.fileno(), 9, memoryview(bytearray(4)))


def test_no_file_stays_open(tmp_path):
    path, before = a_file(tmp_path / "m.gguf", 1), psutil.Process().num_fds()
    Reading(a_model("-m", path), ALL).run()
    assert before == psutil.Process().num_fds()


def test_on_macos_the_thread_works_in_the_background(monkeypatch):
    asked = []
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(os, "PRIO_DARWIN_THREAD", 3, raising=False)
    monkeypatch.setattr(os, "PRIO_DARWIN_BG", 4096, raising=False)
    monkeypatch.setattr(os, "setpriority", lambda *given: asked.append(given))
    page_cache._step_back()
    assert [(3, 0, 4096)] == asked


def test_a_bug_is_told_and_ends_nothing(monkeypatch):
    def broken(*_):
        raise KeyError("oops")

    monkeypatch.setattr(page_cache, "files", broken)
    done = finished(PageWarmer().warm(a_model(), ALL))
    assert (0, "internal error: KeyError('oops')") == (done.read, done.problem)
