"""What each process holds of each card, from /proc/PID/fdinfo: Documentation/gpu/drm-usage-stats.rst of the kernel.

A card that is open in a process is a client of it. Processes may share one (after a fork, or where it was handed over);
it counts once, with the lowest of their pids. Looking through everybody's descriptors is dear, so that it is done once
a second, and seldomer where it takes long; in between only those are read again that were cards. What a process holds
in memory that it shares with another client counts for both.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from zoosup.host.memory.cgroup import read_whole

PERIOD = 1.0
"""Seconds between looks at all descriptors, at the least."""

_SHARE = 50
"""One part in so many of a core's time is what those looks may take."""

_NODES = "/dev/dri/"
_UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_KINDS = ("total", "memory", "resident")
"""Of a region: all that is allocated; what is there, by older kernels; and by newer ones. The last one said counts."""

Holdings = Mapping[int, int | None]


@dataclass(frozen=True, slots=True)
class Client:
    """One client as fdinfo tells it; `regions` are bytes by name, None where the driver tells no memory."""

    pci: str
    id: str
    regions: Mapping[str, int] | None


@dataclass(frozen=True, slots=True)
class _Open:
    """A card that is open in a process."""

    pid: int
    fd: str
    node: str  # as it is called in /dev/dri


class Clients:
    """Remembers who has a card open."""

    def __init__(self, root: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._proc = f"{root}/proc"
        self._clock = clock
        self._next = float("-inf")
        self._open: list[_Open] = []
        self._closed: frozenset[int] = frozenset()  # processes that may not be looked at
        self._seen: list[tuple[_Open, Client]] | None = None  # None: there is no /proc to read

    def look(self) -> None:
        """Read what is told by now; what follows is of this moment."""
        begun = self._clock()
        try:
            if begun >= self._next:
                self._search()
                now = self._clock()
                self._next = now + max(PERIOD, _SHARE * (now - begun))
            self._seen = list(self._read())
        except OSError:
            self._seen = None

    def held(self, pci: str, nodes: frozenset[str], regions: tuple[str, ...]) -> Holdings | None:
        """Bytes by pid in these regions of one card, None of those of whom nobody can say; None: of nobody at all."""
        if self._seen is None:
            return None
        held: dict[int, int | None] = dict.fromkeys(self._closed)
        counted: set[str] = set()
        for opened, client in self._seen:
            if client.pci != pci and (client.pci or opened.node not in nodes):
                continue
            known = held.get(opened.pid, 0)
            if client.regions is None or known is None:
                held[opened.pid] = None
            elif client.id not in counted:
                counted.add(client.id)
                held[opened.pid] = known + _sum(client.regions, regions)
            else:
                held[opened.pid] = known
        return held

    def _search(self) -> None:
        opened, closed = [], []
        for pid in sorted(int(name) for name in os.listdir(self._proc) if name.isdigit()):  # noqa: PTH208 - the dear part
            try:
                opened += list(self._cards(pid))
            except PermissionError:
                closed += [pid] * self._has_memory(pid)
            except OSError:
                continue  # it has just ended
        self._open, self._closed = opened, frozenset(closed)

    def _cards(self, pid: int) -> Iterator[_Open]:
        directory = f"{self._proc}/{pid}/fd"
        for fd in os.listdir(directory):  # noqa: PTH208
            with suppress(FileNotFoundError):
                target = os.readlink(f"{directory}/{fd}")  # noqa: PTH115
                if target.startswith(_NODES):
                    yield _Open(pid, fd, target.removeprefix(_NODES))

    def _has_memory(self, pid: int) -> bool:
        """Threads of the kernel and those who have exited have none, and can hold none of a card either."""
        with suppress(OSError):
            return not read_whole(f"{self._proc}/{pid}/statm").startswith(b"0 ")
        return False

    def _read(self) -> Iterator[tuple[_Open, Client]]:
        for opened in self._open:
            try:
                text = read_whole(f"{self._proc}/{opened.pid}/fdinfo/{opened.fd}")
            except PermissionError:
                yield opened, Client("", "", None)
            except OSError:
                continue
            else:
                yield opened, parsed(text.decode(errors="replace"))


def parsed(text: str) -> Client:
    """One descriptor's fdinfo; of what is no client of a card, or of a driver that tells nothing, no regions."""
    said = {key: value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}
    regions: dict[str, int] = {}
    for kind in _KINDS:
        start = f"drm-{kind}-"
        sizes = ((key.removeprefix(start), _size(v)) for key, v in said.items() if key.startswith(start))
        regions |= {name: size for name, size in sizes if size is not None}
    known = regions if regions and "drm-client-id" in said else None
    return Client(said.get("drm-pdev", ""), said.get("drm-client-id", ""), known)


def _size(value: str) -> int | None:
    number, _, unit = value.partition(" ")
    return int(number) * _UNITS[unit.strip()] if number.isdigit() and unit.strip() in _UNITS else None


def _sum(held: Mapping[str, int], regions: tuple[str, ...]) -> int:
    return sum(size for name, size in held.items() if name.rstrip("0123456789") in regions)
