"""The process table of this host: one raw pass over all processes, or one look at a single one.

Knows /proc/pid/stat, status and environ, and asks psutil where there is no /proc. Refuses to know what a run
is: `membership` says who belongs to whom. A process that is gone or may not be read is left out. Any other trouble,
such as no descriptor being left, is an OSError: whoever takes an unread table for an empty one sees everybody gone.
"""

import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import NamedTuple, Protocol

import psutil

from zoosup.host.process.table.identity import started

RUN_ID_VARIABLE = "ZOOSUP_RUN_ID"
"""What a run's processes carry in their environment."""

_KIB = 1024
_STATES = {psutil.STATUS_ZOMBIE: "Z", psutil.STATUS_DEAD: "X", psutil.STATUS_STOPPED: "T"}
_GONE = (FileNotFoundError, ProcessLookupError, PermissionError)
_MEMORY_FIELDS = (b"\nRssAnon:", b"\nRssShmem:", b"\nVmSwap:")
_FILE_FIELD = b"\nRssFile:"
_ENVIRON = 1 << 20  # bytes of an environment that are searched
_EXEC = 0.05  # seconds that are waited for the end of an exec, which takes a tenth of a millisecond
_KERNEL_THREAD = 0x00200000  # PF_KTHREAD of linux/sched.h, as proc(5) shows it
_CONTAINER_ID = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


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
    kernel: bool = False  # whether it is a thread of the kernel's, which has no program and is of no run

    @property
    def living(self) -> bool:
        """Whether it can still hold memory.

        A zombie can't, and is its parent's business; but a process whose first thread alone has ended also
        shows Z, while its other threads run on.
        """
        return self.state not in "ZX" or self.threads > 1


Rows = Mapping[int, Row]


class Memory(NamedTuple):
    """Bytes of RAM: `held` would come back at the process's end, `mapped` are files that it has mapped."""

    held: int = 0
    mapped: int = 0


class Reads(NamedTuple):
    """Bytes that a process has read since it began: as it `asked` for them, and as a disk has `fetched` them."""

    asked: int = 0
    fetched: int = 0


class Table(Protocol):
    """What the rest asks of the process table."""

    def scan(self, known: Rows = MappingProxyType({})) -> Rows:
        """All processes that can be seen, by pid; those `known`, and still there, as they were."""

    def forks(self) -> int | None:
        """A number that is another one once somebody has been forked on this host; None where nothing tells.

        Only that it changes says something: some containers are shown one that stands still.
        """

    def look(self, pid: int) -> Row | None:
        """One process now; None when there is no such pid."""

    def run_id(self, pid: int, *, wait: bool = True) -> str | None:
        """The run id in the process's environment; None when there is none or it may not be read.

        "" of one that may be about to load its program: its environment can't be known yet. `wait` a little for it.
        """

    def containers(self, pid: int) -> frozenset[str]:
        """The ids of the containers that the process is in, as its cgroup's path names them; none when it is gone."""

    def memory(self, pid: int) -> Memory:
        """Bytes of RAM that a process has; none when it is gone."""

    def reads(self, pid: int) -> Reads:
        """What a process has read; nothing when it is gone or may not be asked."""


class ProcTable:
    """Linux. A pass over 200 processes costs 2-3 ms."""

    def __init__(self) -> None:
        self._kernel: Mapping[int, tuple[int, Row]] = {}  # inode and row by pid

    def scan(self, known: Rows = MappingProxyType({})) -> Rows:
        """One pass over /proc/*/stat, but for those of the kernel's own that were there before.

        A host of many processors has a thousand of them and more. /proc gives each process another inode.
        """
        with os.scandir("/proc") as entries:
            inodes = {int(entry.name): entry.inode() for entry in entries if entry.name.isdigit()}
        kernel = {pid: row for pid, (inode, row) in self._kernel.items() if inodes.get(pid) == inode}
        rows = _rows(inodes, {**kernel, **known}, self.look)
        self._kernel = {pid: (inodes[pid], row) for pid, row in rows.items() if row.kernel}
        return rows

    def forks(self) -> int | None:
        """The pid that was given away last, threads' among them: the last word of /proc/loadavg."""
        with suppress(OSError, ValueError, IndexError):  # a file of user space's making in some containers
            return int(_read("/proc/loadavg").rsplit(None, 1)[1])
        return None

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
            kernel=bool(int(fields[6]) & _KERNEL_THREAD),
        )

    def run_id(self, pid: int, *, wait: bool = True) -> str | None:
        """Search /proc/pid/environ, which shows the environment of the last exec, and nothing in the midst of one."""
        prefix, until = RUN_ID_VARIABLE.encode() + b"=", time.monotonic() + _EXEC
        with suppress(*_GONE):
            environ = _read(f"/proc/{pid}/environ", _ENVIRON)
            if not environ:
                while _is_in_exec(pid):
                    if not wait or time.monotonic() > until:
                        return ""
                    time.sleep(_EXEC / 50)
                environ = _read(f"/proc/{pid}/environ", _ENVIRON)
            for entry in environ.split(b"\0"):
                if entry.startswith(prefix):
                    return entry[len(prefix) :].decode("utf-8", "replace")
        return None

    def containers(self, pid: int) -> frozenset[str]:
        """Search /proc/pid/cgroup, of either version: every engine and driver writes the whole id into the path."""
        with suppress(*_GONE):
            return frozenset(
                each.decode("ascii") for each in _CONTAINER_ID.findall(_read(f"/proc/{pid}/cgroup"))
            )
        return frozenset()

    def memory(self, pid: int) -> Memory:
        """Held: RssAnon + RssShmem + VmSwap of /proc/pid/status; mapped: RssFile, the program itself included.

        Not VmRSS, which counts mapped weights too, nor PSS, which costs 11 ms per GiB to read. Pages that
        several processes of a tree share (shared memory, or anonymous after a fork) are counted in each of
        them; so is of a shared library all that anybody has read.
        """
        with suppress(*_GONE):
            if (found := _memory(f"/proc/{pid}/status")) is not None:
                return found
            for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
                # the first thread has ended alone, and its files no longer show the memory of the others
                if (found := _memory(f"/proc/{pid}/task/{thread}/status")) is not None:
                    return found
        return Memory()

    def reads(self, pid: int) -> Reads:
        """Of /proc/pid/io: rchar and read_bytes; what is read by way of a mapping is in the second alone."""
        with suppress(*_GONE):
            text = _read(f"/proc/{pid}/io")
            return Reads(_count(text, b"rchar:"), _count(text, b"\nread_bytes:"))
        return Reads()


class PsutilTable:
    """macOS and other systems without /proc."""

    def scan(self, known: Rows = MappingProxyType({})) -> Rows:
        """All processes; those of other users may be left out."""
        return _rows(psutil.pids(), known, self.look)

    def forks(self) -> int | None:
        """Nobody tells."""
        return None

    def look(self, pid: int) -> Row | None:
        """One process; its group and session come from the system call, psutil has neither."""
        try:
            with (process := psutil.Process(pid)).oneshot():
                status, start = process.status(), started(process)
                ppid, name = process.ppid(), process.name()
        except (psutil.Error, OSError):
            return None
        pgid = sid = 0
        with suppress(OSError):  # a zombie of macOS has neither any more
            pgid, sid = os.getpgid(pid), os.getsid(pid)
        return Row(pid, ppid, pgid, sid, start, _STATES.get(status, "R"), 1, name)

    def run_id(self, pid: int, *, wait: bool = True) -> str | None:  # noqa: ARG002 - nobody tells when it is over
        """Only processes of this user can be asked; one that shows nothing may be in the midst of an exec."""
        try:
            environ = psutil.Process(pid).environ()
        except (psutil.AccessDenied, OSError):
            return None
        except psutil.Error:
            return ""
        return environ.get(RUN_ID_VARIABLE) if environ else ""

    def containers(self, pid: int) -> frozenset[str]:  # noqa: ARG002
        """None: on macOS containers live in a virtual machine, whose processes nobody sees from here."""
        return frozenset()

    def memory(self, pid: int) -> Memory:
        """Held: USS, the pages nobody else has; mapped: the resident pages that others may have as well.

        Where USS may not be read, all that is resident counts as held.
        """
        try:
            process = psutil.Process(pid)
            try:
                full = process.memory_full_info()
            except psutil.AccessDenied:
                return Memory(int(process.memory_info().rss))
        except (psutil.Error, OSError):
            return Memory()
        return Memory(int(full.uss), max(0, int(full.rss - full.uss)))

    def reads(self, pid: int) -> Reads:  # noqa: ARG002
        """Nothing: macOS tells only who may trace a process, and then of the disk alone."""
        return Reads()


def host_table() -> Table:
    """The process table of the system we run on."""
    return ProcTable() if sys.platform == "linux" else PsutilTable()


def _rows(pids: Iterable[int], known: Rows, look: Callable[[int], Row | None]) -> Rows:
    found = ((pid, known.get(pid) or look(pid)) for pid in pids)
    return {pid: row for pid, row in found if row is not None}


def _is_in_exec(pid: int) -> bool:
    """Whether its program is being put in place: the last that the kernel writes down is where its code begins.

    FileNotFoundError of who has no program: the kernel's own, and the dead.
    """
    os.readlink(f"/proc/{pid}/exe")  # noqa: PTH115
    stat = _read(f"/proc/{pid}/stat")
    return stat[stat.rindex(b")") + 2 :].split(None, 24)[23] == b"0"


def _memory(status: str) -> Memory | None:
    """What a status file says; None for a thread that has given its memory back."""
    text = _read(status)
    held = [amount for each in _MEMORY_FIELDS if (amount := _amount(text, each)) is not None]
    return Memory(sum(held), _amount(text, _FILE_FIELD) or 0) if held else None


def _count(text: bytes, field: bytes) -> int:
    at = text.find(field)
    return int(text[at + len(field) :].split(None, 1)[0]) if at >= 0 else 0


def _amount(status: bytes, field: bytes) -> int | None:
    """Bytes. Searched for, not split into lines: all processes of all models are asked at every look."""
    at = status.find(field)
    return int(status[at + len(field) : status.index(b"kB", at)]) * _KIB if at >= 0 else None


def _read(path: str, bound: int = 8192) -> bytes:
    """The first `bound` bytes; without the layers of `open()`, which would double the cost of a pass."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, bound)
    finally:
        os.close(descriptor)
