"""RAM of this host as measured: what the kernel calls available, and what the cgroups we live in still allow.

Knows the files of both cgroup versions and where containers mount them. Refuses to know what is promised to
whom: it reports what is there, `core.memory.ledger` decides. It creates no cgroup and changes none.
"""

import os
import re
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from zoosup.host.memory.cgroup import (
    Cgroup,
    CgroupLimit,
    UnreadableError,
    find_cgroups,
    integer,
    limits,
    read_whole,
)
from zoosup.host.memory.psi import Stalls, average
from zoosup.host.ports.host import PoolReading

GIB = 1 << 30

_PAGE = os.sysconf("SC_PAGE_SIZE")
_LISTED_PAGES = re.compile(rb" count: +(\d+)")


class RamGauge:
    """Reads the pool `ram`; cheap enough for every pass (a few small files of the kernel, no scan)."""

    def __init__(self, proc: Path = Path("/proc"), sys_root: Path = Path("/")) -> None:
        """`sys_root` stands before the mount points that mountinfo names; a test brings its own tree."""
        self._proc = str(proc)
        self._root = str(sys_root).rstrip("/")
        self._membership = b""
        self._cgroups: tuple[Cgroup, ...] = ()
        self._total = _physical_memory()
        self._stalls = Stalls()
        self._pressure = [f"{self._proc}/pressure/memory"]

    def read(self) -> tuple[PoolReading, ...]:
        """The RAM pool, in bytes; `available` is None when it can't be told, and `source` then says why."""
        try:
            reading = self._linux() if sys.platform == "linux" else _portable()
        except (OSError, ValueError, psutil.Error) as error:
            return (PoolReading("ram", "ram", "RAM", self._total, None, f"unreadable: {error}"),)
        self._total = reading.total
        return (reading,)

    def _linux(self) -> PoolReading:
        total, available = _meminfo(read_whole(f"{self._proc}/meminfo"))
        available = min(total, available + self._on_processor_lists())
        source = "MemAvailable"
        host_total = total
        limits = self._limits(host_total)
        # Under a limit of our own the host's stalls are somebody else's.
        own = [limit.pressure for limit in limits if limit.pressure]
        self._pressure = own or [f"{self._proc}/pressure/memory"]
        for limit in limits:
            total = min(total, limit.limit)
            if limit.free < available:
                available = limit.free
                source = f"cgroup {limit.name} limit {limit.limit / GIB:.3g} GiB"
        return PoolReading("ram", "ram", "RAM", total, available, source)

    def stalled(self) -> float | None:
        """The share of the last second in which everything waited for memory; None where the kernel doesn't say."""
        return self._stalls.share(self._pressure)

    def stalled_lately(self) -> float | None:
        """The same of the last ten seconds, by the kernel's own average; for whoever asks only once."""
        return average(self._pressure)

    def oom_kills(self) -> int | None:
        """How often the kernel has killed for want of memory since boot; None where it doesn't say."""
        with suppress(OSError, ValueError):
            for line in read_whole(f"{self._proc}/vmstat").splitlines():
                key, _, value = line.partition(b" ")
                if key == b"oom_kill":
                    return int(value)
        return None

    def _on_processor_lists(self) -> int:
        """Bytes on the processors' own lists of free pages.

        MemAvailable leaves them out. Since Linux 6.7 the lists grow with what is freed: of 170 MiB that a process
        gave back, 100 MiB stayed there for eight seconds (measured on 6.18 with two processors), so that a model's
        memory seemed not to come back.
        """
        try:
            pages = sum(map(int, _LISTED_PAGES.findall(read_whole(f"{self._proc}/zoneinfo"))))
        except OSError:
            return 0
        return pages * _PAGE

    def _limits(self, host_total: int) -> list[CgroupLimit]:
        membership = self._read_membership()
        if membership != self._membership:
            self._resolve(membership)
        try:
            return limits(self._cgroups, host_total)
        except OSError:
            # A cgroup went away or was remounted since we looked; a second failure is the caller's to report.
            self._resolve(membership)
            return limits(self._cgroups, host_total)

    def _read_membership(self) -> bytes:
        with suppress(FileNotFoundError):  # a kernel without cgroups
            return read_whole(f"{self._proc}/self/cgroup")
        return b""

    def _resolve(self, membership: bytes) -> None:
        mounts = read_whole(f"{self._proc}/self/mountinfo") if membership else b""
        self._cgroups = tuple(find_cgroups(membership.decode(), mounts.decode(), self._root))
        self._membership = membership


def _physical_memory() -> int:
    with suppress(ValueError, OSError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 0


def _portable() -> PoolReading:
    """macOS: free and inactive pages, as psutil adds them up; there are no limits on groups of processes."""
    memory = psutil.virtual_memory()
    return PoolReading("ram", "ram", "RAM", memory.total, memory.available, "free and inactive pages")


def _meminfo(text: bytes) -> tuple[int, int]:
    found = {}
    for line in text.splitlines():
        key, _, value = line.partition(b":")
        if key in {b"MemTotal", b"MemAvailable"}:
            found[key] = integer(value.removesuffix(b"kB")) * 1024
            if len(found) == 2:  # noqa: PLR2004 - both of the keys named above
                return found[b"MemTotal"], found[b"MemAvailable"]
    raise UnreadableError("no MemTotal or MemAvailable in meminfo")
