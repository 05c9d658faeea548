"""Lines that are many: they reach their reader, leave room for others', and hold up no end."""

import contextlib
import logging
import os
import socket
import sys
import threading
import time
import weakref
from collections.abc import Iterator

import pytest

from zoosup.runtime.events.own_thread_lines import OwnThreadLines

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how full a pipe is")


def a_record(message: str) -> logging.LogRecord:
    return logging.LogRecord("zoosup.access", logging.INFO, "x.py", 1, message, (), None)


@contextlib.contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)
    os.close(writing)


@contextlib.contextmanager
def sockets() -> Iterator[tuple[int, int]]:
    here, there = socket.socketpair()
    with here, there:
        yield here.fileno(), there.fileno()


@pytest.mark.parametrize("ends", [pipe, sockets])
def test_a_line_goes_to_the_descriptor(ends):
    with ends() as (reading, writing):
        OwnThreadLines(writing).handle(a_record("\xe4\udc80 a line"))
        assert "\xe4\\udc80 a line\n".encode() == os.read(reading, 100)


def test_a_file_takes_all(tmp_path):
    with (tmp_path / "log").open("wb") as file:
        OwnThreadLines(file.fileno()).handle(a_record("x" * 1_000_000))
    assert 1_000_001 == (tmp_path / "log").stat().st_size


def test_one_for_nobody_is_lost():
    with pipe() as (_, writing):
        handler = OwnThreadLines(writing)
    handler.handle(a_record("for nobody"))


@LINUX
@pytest.mark.parametrize("ends", [pipe, sockets])
def test_where_nobody_reads_there_is_room_left_for_others_and_it_goes_on_when_somebody_does(ends):
    with ends() as (reading, writing):
        handler, done = OwnThreadLines(writing), threading.Event()

        def write() -> None:
            for _ in range(5000):
                handler.handle(a_record("x" * 199))
            done.set()

        thread = threading.Thread(target=write, daemon=True)
        thread.start()
        busy = time.process_time()
        thread.join(0.3)
        assert thread.is_alive()
        assert time.process_time() - busy < 0.25  # it doesn't turn in circles meanwhile
        os.set_blocking(writing, False)
        assert 10_000 == os.write(writing, b"y" * 10_000)
        os.set_blocking(writing, True)
        ending = threading.Thread(target=logging.shutdown, args=([weakref.ref(handler)],), daemon=True)
        ending.start()
        ending.join(5)
        assert not ending.is_alive()
        got = 0
        while got < 5000 * 200 + 10_000:
            got += len(os.read(reading, 65536))
        assert done.wait(5)
