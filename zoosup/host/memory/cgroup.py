"""The cgroups that zoosup lives in, and what each of them still allows; versions 1 and 2.

Reads only: no cgroup is created or changed here.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


class UnreadableError(ValueError):
    """A figure is missing or makes no sense; the text says which."""


@dataclass(frozen=True, slots=True)
class CgroupLimit:
    """One cgroup's limit and what is left under it; bytes. `free` may be negative."""

    name: str
    limit: int
    free: int
    pressure: str = ""  # where its stalls are counted; version 1 doesn't


@dataclass(frozen=True, slots=True)
class Cgroup:
    """One directory of a hierarchy that has the memory controller."""

    directory: str
    name: str  # as the kernel calls it, for people
    unified: bool  # version 2
    mount: str


def read_whole(path: str) -> bytes:
    """All of a small file of the kernel; OSError where it can't be read."""
    # Not Path.read_bytes: this runs at every pass, and the bare calls cost a third.
    descriptor = os.open(path, os.O_RDONLY)
    try:
        chunks = [os.read(descriptor, 65536)]
        while chunks[-1]:
            chunks.append(os.read(descriptor, 65536))
    finally:
        os.close(descriptor)
    return b"".join(chunks)


def integer(text: bytes) -> int:
    """A number of the kernel's; UnreadableError where it is none."""
    try:
        return int(text)
    except ValueError:
        raise UnreadableError(f"{text[:40]!r} is not a number") from None


def find_cgroups(membership: str, mountinfo: str, root: str) -> Iterator[Cgroup]:
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
                yield Cgroup(directory, name, kind == "cgroup2", base)


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


def limits(cgroups: tuple[Cgroup, ...], host_total: int) -> list[CgroupLimit]:
    """Those of the cgroups that bound anything below `host_total`, bytes; OSError where one has gone away.

    They come from ours upwards, as `find_cgroups` has them.
    """
    found = [_limit_v2(cgroup, host_total) for cgroup in cgroups if cgroup.unified]
    unbound: set[str] = set()  # mounts in which nothing further up binds
    for cgroup in cgroups:
        if not cgroup.unified and cgroup.mount not in unbound:
            limit, all_above = _limit_v1(cgroup, host_total)
            found.append(limit)
            if all_above >= host_total:  # each look at one costs the kernel a walk through all below it
                unbound.add(cgroup.mount)
    return [limit for limit in found if limit is not None]


def _limit_v2(cgroup: Cgroup, host_total: int) -> CgroupLimit | None:
    """The lower of memory.max and memory.high: above `high` nothing is killed, but everything crawls."""
    at = cgroup.directory
    limits = [_bound(read_whole(f"{at}/{name}")) for name in ("memory.max", "memory.high")]
    limit = min((value for value in limits if value is not None), default=host_total)
    if limit >= host_total:
        return None
    stat = _stat(read_whole(f"{at}/memory.stat"))
    cache = stat["inactive_file"] + stat["active_file"] + stat.get("slab_reclaimable", 0)
    free = limit - max(0, integer(read_whole(f"{at}/memory.current")) - cache)
    return CgroupLimit(cgroup.name, limit, free, f"{at}/memory.pressure")


def _limit_v1(cgroup: Cgroup, host_total: int) -> tuple[CgroupLimit | None, int]:
    """As version 2; without a limit the kernel writes a number near 2^63. Reclaimable slab is not told here.

    And the lowest limit of it and all above, 0 where that is not told: `hierarchical_memory_limit` also shows the
    limit of an ancestor that a container can't see.
    """
    at = cgroup.directory
    stat = _stat(read_whole(f"{at}/memory.stat"))
    all_above = stat.get("hierarchical_memory_limit", 0)
    limit = integer(read_whole(f"{at}/memory.limit_in_bytes"))
    limit = min(limit, all_above or limit)
    if limit >= host_total:
        return None, all_above
    cache = stat["total_inactive_file"] + stat["total_active_file"]
    free = limit - max(0, integer(read_whole(f"{at}/memory.usage_in_bytes")) - cache)
    return CgroupLimit(cgroup.name, limit, free), all_above


def _bound(text: bytes) -> int | None:
    return None if text.strip() == b"max" else integer(text)


def _stat(text: bytes) -> dict[str, int]:
    words = text.decode().split()
    try:
        stat = dict(zip(words[::2], map(int, words[1::2]), strict=True))
    except ValueError:
        raise UnreadableError("memory.stat is not a list of names and numbers") from None
    if stat.keys() & {"inactive_file", "total_inactive_file"}:
        return stat
    raise UnreadableError("memory.stat does not tell the page cache")
