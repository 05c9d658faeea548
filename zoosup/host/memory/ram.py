"""RAM of this host as measured: what the kernel calls available, and what the cgroups we live in still allow.

Knows the files of both cgroup versions and where containers mount them. Refuses to know what is promised to
whom: it reports what is there, `core.admission` decides. It creates no cgroup and changes none.
"""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import psutil

from zoosup.host.memory.psi import Stalls, average
from zoosup.host.ports import PoolReading

GIB = 1 << 30

_PAGE = os.sysconf("SC_PAGE_SIZE")
_LISTED_PAGES = re.compile(rb"^ +count: +(\d+)$", re.MULTILINE)


class UnreadableError(ValueError):
    """A figure is missing or makes no sense; the text says which."""


@dataclass(frozen=True, slots=True)
class _Limit:
    """One cgroup's limit and what is left under it; bytes. `free` may be negative."""

    name: str
    limit: int
    free: int
    pressure: str = ""  # where its stalls are counted; version 1 doesn't


@dataclass(frozen=True, slots=True)
class _Cgroup:
    """One directory of a hierarchy that has the memory controller."""

    directory: str
    name: str  # as the kernel calls it, for people
    unified: bool  # version 2


class RamGauge:
    """Reads the pool `ram`; cheap enough for every pass (a few small files of the kernel, no scan)."""

    def __init__(self, proc: Path = Path("/proc"), sys_root: Path = Path("/")) -> None:
        """`sys_root` stands before the mount points that mountinfo names; a test brings its own tree."""
        self._proc = str(proc)
        self._root = str(sys_root).rstrip("/")
        self._membership = b""
        self._cgroups: tuple[_Cgroup, ...] = ()
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
        total, available = _meminfo(_read(f"{self._proc}/meminfo"))
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
            for line in _read(f"{self._proc}/vmstat").splitlines():
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
            pages = sum(map(int, _LISTED_PAGES.findall(_read(f"{self._proc}/zoneinfo"))))
        except OSError:
            return 0
        return pages * _PAGE

    def _limits(self, host_total: int) -> list[_Limit]:
        membership = self._read_membership()
        if membership != self._membership:
            self._resolve(membership)
        try:
            return _limits(self._cgroups, host_total)
        except OSError:
            # A cgroup went away or was remounted since we looked; a second failure is the caller's to report.
            self._resolve(membership)
            return _limits(self._cgroups, host_total)

    def _read_membership(self) -> bytes:
        with suppress(FileNotFoundError):  # a kernel without cgroups
            return _read(f"{self._proc}/self/cgroup")
        return b""

    def _resolve(self, membership: bytes) -> None:
        mounts = _read(f"{self._proc}/self/mountinfo") if membership else b""
        self._cgroups = tuple(_find_cgroups(membership.decode(), mounts.decode(), self._root))
        self._membership = membership


def _physical_memory() -> int:
    with suppress(ValueError, OSError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 0


def _portable() -> PoolReading:
    """macOS: free and inactive pages, as psutil adds them up; there are no limits on groups of processes."""
    memory = psutil.virtual_memory()
    return PoolReading("ram", "ram", "RAM", memory.total, memory.available, "free and inactive pages")


def _read(path: str) -> bytes:
    # Not Path.read_bytes: this runs at every pass, and the bare calls cost a third.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        chunks = [os.read(descriptor, 65536)]
        while chunks[-1]:
            chunks.append(os.read(descriptor, 65536))
    finally:
        os.close(descriptor)
    return b"".join(chunks)


def _meminfo(text: bytes) -> tuple[int, int]:
    found = {}
    for line in text.splitlines():
        key, _, value = line.partition(b":")
        if key in {b"MemTotal", b"MemAvailable"}:
            found[key] = _integer(value.removesuffix(b"kB")) * 1024
            if len(found) == 2:  # noqa: PLR2004 - both of the keys named above
                return found[b"MemTotal"], found[b"MemAvailable"]
    raise UnreadableError("no MemTotal or MemAvailable in meminfo")


def _integer(text: bytes) -> int:
    try:
        return int(text)
    except ValueError:
        raise UnreadableError(f"{text[:40]!r} is not a number") from None


def _find_cgroups(membership: str, mountinfo: str, root: str) -> Iterator[_Cgroup]:
    """Every cgroup from ours up to the top of what is mounted, in each hierarchy with a memory controller.

    Hosts with both versions have the controller in one of them only; the other lacks its files and falls out.
    """
    paths = _paths(membership)
    for kind, mount_root, mount_point in _mounts(mountinfo):
        if kind not in paths:
            continue
        base = root + mount_point
        for relative in _ancestors(_below(paths[kind], mount_root, base)):
            directory = f"{base}/{relative}".rstrip("/")
            if (Path(directory) / _LIMIT_FILES[kind]).exists():
                name = str(PurePosixPath(mount_root) / relative)
                yield _Cgroup(directory, name, kind == "cgroup2")


_LIMIT_FILES = {"cgroup2": "memory.max", "cgroup": "memory.limit_in_bytes"}


def _paths(membership: str) -> dict[str, str]:
    """Our path in the unified hierarchy and in the memory controller's own, from /proc/self/cgroup."""
    paths = {}
    for line in membership.splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            paths["cgroup2"] = path
        elif "memory" in controllers.split(","):
            paths["cgroup"] = path
    return paths


def _mounts(mountinfo: str) -> Iterator[tuple[str, str, str]]:
    """(file system, root within it, mount point) of each cgroup mount that may have memory files; proc(5)."""
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.partition(" ")
        if kind == "cgroup2" or (kind == "cgroup" and "memory" in options.split()[-1].split(",")):
            root, point = left.split()[3:5]
            yield kind, _unescaped(root), _unescaped(point)


def _unescaped(text: str) -> str:
    return text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")


def _below(path: str, mount_root: str, base: str) -> str:
    """Our cgroup relative to the mount point.

    A container without a cgroup namespace sees the host's path, while its mount begins at its own cgroup or
    at one above it; where the path leads nowhere, the mount's top is the nearest to ours that can be seen.
    """
    if path == mount_root or path.startswith(mount_root.rstrip("/") + "/"):
        relative = path[len(mount_root.rstrip("/")) :].strip("/")
        if ".." not in relative.split("/") and Path(base, relative).is_dir():
            return relative
    return ""


def _ancestors(relative: str) -> Iterator[str]:
    parts = relative.split("/") if relative else []
    for length in range(len(parts), -1, -1):
        yield "/".join(parts[:length])


def _limits(cgroups: tuple[_Cgroup, ...], host_total: int) -> list[_Limit]:
    read = (_limit_v2 if cgroup.unified else _limit_v1 for cgroup in cgroups)
    found = (reader(cgroup, host_total) for reader, cgroup in zip(read, cgroups, strict=True))
    return [limit for limit in found if limit is not None]


def _limit_v2(cgroup: _Cgroup, host_total: int) -> _Limit | None:
    """The lower of memory.max and memory.high: above `high` nothing is killed, but everything crawls."""
    at = cgroup.directory
    limits = [_bound(_read(f"{at}/{name}")) for name in ("memory.max", "memory.high")]
    limit = min((value for value in limits if value is not None), default=host_total)
    if limit >= host_total:
        return None
    stat = _stat(_read(f"{at}/memory.stat"))
    cache = stat["inactive_file"] + stat["active_file"] + stat.get("slab_reclaimable", 0)
    free = limit - max(0, _integer(_read(f"{at}/memory.current")) - cache)
    return _Limit(cgroup.name, limit, free, f"{at}/memory.pressure")


def _limit_v1(cgroup: _Cgroup, host_total: int) -> _Limit | None:
    """As version 2; without a limit the kernel writes a number near 2^63. Reclaimable slab is not told here.

    `hierarchical_memory_limit` also shows the limit of an ancestor that a container can't see.
    """
    at = cgroup.directory
    stat = _stat(_read(f"{at}/memory.stat"))
    limit = _integer(_read(f"{at}/memory.limit_in_bytes"))
    limit = min(limit, stat.get("hierarchical_memory_limit", limit))
    if limit >= host_total:
        return None
    cache = stat["total_inactive_file"] + stat["total_active_file"]
    return _Limit(cgroup.name, limit, limit - max(0, _integer(_read(f"{at}/memory.usage_in_bytes")) - cache))


def _bound(text: bytes) -> int | None:
    return None if text.strip() == b"max" else _integer(text)


def _stat(text: bytes) -> dict[str, int]:
    words = text.decode().split()
    try:
        stat = dict(zip(words[::2], map(int, words[1::2]), strict=True))
    except ValueError:
        raise UnreadableError("memory.stat is not a list of names and numbers") from None
    if stat.keys() & {"inactive_file", "total_inactive_file"}:
        return stat
    raise UnreadableError("memory.stat does not tell the page cache")
