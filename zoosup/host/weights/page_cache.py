"""Reads the weights of a model into the page cache, in a thread that everybody else comes before.

Piece by piece, so that it can be ended between two of them and never reads more than it may. Read by read, which copies
each page once: in a virtual machine a page that only the disk has filled costs whoever touches it first as much as many
a disk (sendfile to /dev/null, an eighth of the work, left 0.3 to 1.2 s of 1.5 GiB to the server). posix_fadvise and
readahead would return before the disk does and quietly read less than they are asked for, as much as the device likes
to take at once; so one could neither count nor bound. What is in memory already costs a copy and no disk; the kernel
counts what it has fetched for each thread. To ask it beforehand, by reads that must not wait, would have it fetch the
rest in small pages: weights read ahead so took twice as long to read (measured on 6.18).
Refuses to know which model is worth it and how much memory there is: `core.scheduler.prewarm` does.
"""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from zoosup.core.estimation.servers.command_line import understand
from zoosup.core.state.weights import Found
from zoosup.host.ports.host import Warmed
from zoosup.host.system.directory import absolute
from zoosup.host.weights import reader
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.syntax.templates import render

PIECE = 8 * 2**20
"""Bytes pulled in at a time: 2 to 60 ms of a disk, the most that a cancel waits for."""

BUFFER = 2**18
"""Bytes copied at a time: few enough to stay in the processor's cache."""

NICEST = 19


class PageWarmer:
    """Begins to read ahead, in a thread for each model: a daemon, for a dead disk must not keep zoosup from ending."""

    def warm(self, spec: ModelSpec, limit: int, located: Found = ()) -> "Reading":
        """Begin to read the model's weights until `limit` bytes of them are in memory; never blocks, never raises."""
        reading = Reading(spec, limit, located)
        try:
            threading.Thread(target=reading.run, name="zoosup-prewarm", daemon=True).start()
        except RuntimeError as error:  # a shortage of threads
            reading.done = Warmed(0, 0, 0.0, str(error))
        return reading


class Reading:
    """One model's weights on their way into memory; `done` is read by others while `run` works."""

    def __init__(self, spec: ModelSpec, limit: int, located: Found = ()) -> None:
        self.done: Warmed | None = None
        self._spec = spec
        self._located = located
        self._limit = limit
        self._cancelled = threading.Event()
        self.there = 0
        """Bytes that have been read or found in memory so far."""

    def cancel(self) -> None:
        """End it at the next piece; does nothing once it is done."""
        self._cancelled.set()

    def run(self) -> None:
        """Read until all is there, the bound is reached or somebody cancels. Blocking, never raises."""
        begun, problem, before = time.monotonic(), "", _fetched()
        try:
            _step_back()
            for path in files(self._spec, self._located):
                self._pull_file(path)
            problem = "cancelled" if self._cancelled.is_set() else ""
        except OSError as error:
            problem = f"{error.filename or 'weights'}: {error.strerror}"
        except Exception as error:  # noqa: BLE001
            # A bug of ours: the start that it was to serve reads its weights itself.
            problem = f"internal error: {error!r}"
        # The kernel reads a little ahead of whoever reads in order: beyond what was asked for, that is not counted.
        read = self.there if before is None else min(self.there, (_fetched() or 0) - before)
        self.done = Warmed(read, self.there - read, time.monotonic() - begun, problem)

    def _pull_file(self, path: Path) -> None:
        descriptor, into = os.open(path, os.O_RDONLY), memoryview(bytearray(BUFFER))
        try:
            for length in _pieces(os.fstat(descriptor).st_size):
                left = self._limit - self.there
                if left <= 0 or self._cancelled.is_set():
                    return
                self.there += _pull(descriptor, min(length, left), into)
        finally:
            os.close(descriptor)


def files(spec: ModelSpec, located: Found = ()) -> Iterator[Path]:
    """Every file of the weights that the command names, in the order in which a server reads them."""
    server = understand(spec, located)
    cwd = absolute(Path(render(spec.cwd or ".", {"PORT": "0"})))
    for named in server.files if server is not None else ():
        yield from reader.parts(cwd / named)


def _pieces(size: int) -> Iterator[int]:
    for offset in range(0, size, PIECE):
        yield min(PIECE, size - offset)


def _fetched() -> int | None:
    """Bytes that disks have read for this thread since it began; None where the system doesn't say."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/thread-self/io").read_text("ascii").splitlines():
            name, _, count = line.partition(": ")
            if name == "read_bytes":
                return int(count)
    return None


def _pull(descriptor: int, length: int, into: memoryview) -> int:
    """Have the next stretch read; bytes that came, fewer where the file has been cut short."""
    pulled = 0
    while pulled < length and (came := os.readv(descriptor, [into[: length - pulled]])):
        pulled += came
    return pulled


def _step_back() -> None:
    """Let this thread, and it alone, have the processor and the disk only when nobody else wants them."""
    thread = threading.get_native_id()
    with suppress(OSError, psutil.Error):
        if sys.platform == "linux":
            # On Linux both calls take the id of a thread for what elsewhere is a process.
            os.setpriority(os.PRIO_PROCESS, thread, NICEST)
            psutil.Process(thread).ionice(psutil.IOPRIO_CLASS_IDLE)
        elif hasattr(os, "PRIO_DARWIN_THREAD"):  # Python 3.12
            os.setpriority(os.PRIO_DARWIN_THREAD, 0, os.PRIO_DARWIN_BG)
