"""What is freed goes back to the host, in a process of its own: the heap's settings are the process's."""

import ctypes
import subprocess
import sys
from types import SimpleNamespace

import pytest

from zoosup.host.system import malloc

MIB = 1 << 20
THREADS, BODY, PIECE = 8, 10 * MIB, 256 * 1024
LITTLE = 4
"""MiB. Without `malloc` 21 stay, without one arena 11 (glibc 2.36)."""

BEGIN = f"""
import threading
from concurrent.futures import ThreadPoolExecutor
import psutil
from zoosup.host.system import malloc

def resident():
    return psutil.Process().memory_info().rss / {MIB}

"""

MANY_THREADS = f"""
def read_a_body(_):
    pieces = [b"x" * {PIECE} for _ in range({BODY // PIECE})]
    together.wait()  # so that each thread has one
    return len(b"".join(pieces))

malloc.use_one_heap()
together = threading.Barrier({THREADS})
with ThreadPoolExecutor({THREADS}) as executor:
    before = resident()
    for _ in range(3):
        list(executor.map(read_a_body, range({THREADS})))
    malloc.give_back()
    print(resident() - before)
"""

BELOW = f"""
malloc.use_one_heap()
before = resident()
pieces = [b"x" * {PIECE} for _ in range({BODY // PIECE})]
above = b"x" * 4096
del pieces
malloc.give_back()
print(resident() - before)
"""

only_glibc = pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"), reason="other libraries do it by themselves"
)


def grown_by(code):
    ended = subprocess.run([sys.executable, "-c", BEGIN + code], capture_output=True, text=True, check=True)
    return float(ended.stdout)


@only_glibc
def test_bodies_that_many_threads_have_read_leave_nothing():
    assert grown_by(MANY_THREADS) <= LITTLE


@only_glibc
def test_what_is_free_below_something_in_use_goes_back_too():
    assert grown_by(BELOW) <= LITTLE


def test_a_library_without_these_knobs_is_left_alone(monkeypatch):
    monkeypatch.setattr(malloc, "_library", object())
    malloc.use_one_heap()
    malloc.give_back()


def test_one_heap_is_asked_for_from_which_nothing_goes_back_by_itself(monkeypatch):
    asked = []
    library = SimpleNamespace(
        mallopt=lambda *given: asked.append(given), malloc_trim=lambda pad: asked.append(pad.value)
    )
    monkeypatch.setattr(malloc, "_library", library)
    malloc.use_one_heap()
    malloc.give_back()
    assert [(-8, 1), (-3, 32 << 20), (-1, 1 << 30), 0] == asked
    del library.malloc_trim
    malloc.use_one_heap()
    assert 4 == len(asked)
