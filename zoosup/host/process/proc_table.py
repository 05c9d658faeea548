"""The process table of this host: one raw pass over all processes, or one look at a single one.

Knows /proc/pid/stat, status and environ, and asks psutil where there is no /proc. Refuses to know what a run
is: `membership` says who belongs to whom. A process that is gone or may not be read is left out. Any other trouble,
such as no descriptor being left, is an OSError: whoever takes an unread table for an empty one sees everybody gone.
"""

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple, Protocol

import psutil

RUN_ID_VARIABLE = "ZOOSUP_RUN_ID"
"""What a run's processes carry in their environment."""

_KIB = 1024
_STATES = {psutil.STATUS_ZOMBIE: "Z", psutil.STATUS_DEAD: "X", psutil.STATUS_STOPPED: "T"}
_GONE = (FileNotFoundError, ProcessLookupError, PermissionError)
_MEMORY_FIELDS = (b"RssAnon:", b"RssShmem:", b"VmSwap:")
_FILE_FIELDS = (b"RssFile:",)


class Row(NamedTuple):
    """One process at one moment; `start` as in `Identity`."""

    pid: int
    ppid: int
    pgid: int
    sid: int
    start: int
    state: str
    threads: int
    name: str

    @property
    def living(self) -> bool:
        """Whether it can still hold memory.

        A zombie can't, and is its parent's business; but a process whose first thread alone has ended also
        shows Z, while its other threads run on.
        """
        return self.state not in "ZX" or self.threads > 1


Rows = Mapping[int, Row]


class Table(Protocol):
    """What the rest asks of the process table."""

    def scan(self) -> Rows:
        """All processes that can be seen, by pid."""

    def look(self, pid: int) -> Row | None:
        """One process now; None when there is no such pid."""

    def run_id(self, pid: int) -> str | None:
        """The run id in the process's environment; None when there is none or it may not be read."""

    def memory(self, pid: int) -> int:
        """Bytes of RAM the process holds that would come back at its end; 0 when it is gone."""

    def mapped(self, pid: int) -> int:
        """Bytes of files that the process has mapped and that are in RAM; 0 when it is gone."""


class ProcTable:
    """Linux. A pass over 200 processes costs 2-3 ms."""

    def scan(self) -> Rows:
        """One pass over /proc/*/stat."""
        rows = {}
        for entry in os.listdir("/proc"):  # noqa: PTH208 - twice as fast as pathlib, and this is the hot path
            if entry.isdigit() and (row := self.look(int(entry))) is not None:
                rows[row.pid] = row
        return rows

    def look(self, pid: int) -> Row | None:
        """Parse one stat file; the name may hold blanks and brackets, so fields are counted from its end."""
        try:
            stat = _read(f"/proc/{pid}/stat")
        except _GONE:
            return None
        opening, closing = stat.index(b"("), stat.rindex(b")")
        fields = stat[closing + 2 :].split(None, 20)
        return Row(
            pid=pid,
            ppid=int(fields[1]),
            pgid=int(fields[2]),
            sid=int(fields[3]),
            start=int(fields[19]),
            state=fields[0].decode("ascii"),
            threads=int(fields[17]),
            name=stat[opening + 1 : closing].decode("utf-8", "replace"),
        )

    def run_id(self, pid: int) -> str | None:
        """Search /proc/pid/environ, which shows the environment of the last exec."""
        prefix = RUN_ID_VARIABLE.encode() + b"="
        with suppress(*_GONE):
            for entry in _read(f"/proc/{pid}/environ", 1 << 20).split(b"\0"):
                if entry.startswith(prefix):
                    return entry[len(prefix) :].decode("utf-8", "replace")
        return None

    def memory(self, pid: int) -> int:
        """RssAnon + RssShmem + VmSwap of /proc/pid/status.

        Not VmRSS, which counts mapped weights too, nor PSS, which costs 11 ms per GiB to read. Pages that
        several processes of a tree share (shared memory, or anonymous after a fork) are counted in each of
        them.
        """
        with suppress(*_GONE):
            if (held := _held(f"/proc/{pid}/status")) is not None:
                return held
            for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
                # the first thread has ended alone, and its files no longer show the memory of the others
                if (held := _held(f"/proc/{pid}/task/{thread}/status")) is not None:
                    return held
        return 0

    def mapped(self, pid: int) -> int:
        """RssFile: weights that are mapped, and the program itself. Of a shared library, all that anybody has read."""
        with suppress(*_GONE):
            return _sum_of(_FILE_FIELDS, f"/proc/{pid}/status") or 0
        return 0


class PsutilTable:
    """macOS and other systems without /proc."""

    def scan(self) -> Rows:
        """All processes; those of other users may be left out."""
        rows = {}
        for pid in psutil.pids():
            if (row := self.look(pid)) is not None:
                rows[pid] = row
        return rows

    def look(self, pid: int) -> Row | None:
        """One process; its group and session come from the system call, psutil has neither."""
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                status, created = process.status(), process.create_time()
                ppid, name = process.ppid(), process.name()
        except (psutil.Error, OSError):
            return None
        pgid = sid = 0
        with suppress(OSError):  # a zombie of macOS has neither any more
            pgid, sid = os.getpgid(pid), os.getsid(pid)
        state = _STATES.get(status, "R")
        return Row(pid, ppid, pgid, sid, round(created * 1_000_000), state, 1, name)

    def run_id(self, pid: int) -> str | None:
        """Only processes of this user can be asked."""
        with suppress(psutil.Error, OSError):
            return psutil.Process(pid).environ().get(RUN_ID_VARIABLE)
        return None

    def memory(self, pid: int) -> int:
        """USS, the pages nobody else has; the resident size where USS may not be read."""
        try:
            process = psutil.Process(pid)
            try:
                return int(process.memory_full_info().uss)
            except psutil.AccessDenied:
                return int(process.memory_info().rss)
        except (psutil.Error, OSError):
            return 0

    def mapped(self, pid: int) -> int:
        """The resident pages that others may have as well."""
        try:
            full = psutil.Process(pid).memory_full_info()
        except (psutil.Error, OSError):
            return 0
        return max(0, int(full.rss - full.uss))


def host_table() -> Table:
    """The process table of the system we run on."""
    return ProcTable() if sys.platform == "linux" else PsutilTable()


def _held(status: str) -> int | None:
    return _sum_of(_MEMORY_FIELDS, status)


def _sum_of(fields: tuple[bytes, ...], status: str) -> int | None:
    """Bytes; None for a thread that has given its memory back."""
    lines = [line for line in _read(status).split(b"\n") if line.startswith(fields)]
    return sum(int(line.split()[1]) for line in lines) * _KIB if lines else None


def _read(path: str, bound: int = 8192) -> bytes:
    """The first `bound` bytes; without the layers of `open()`, which would double the cost of a pass."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, bound)
    finally:
        os.close(descriptor)
