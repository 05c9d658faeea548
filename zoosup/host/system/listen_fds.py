"""Listening sockets that outlive a process: from the init system, or from the zoosup that executed itself anew.

Knows sd_listen_fds(3), of which it takes and gives. Who connects meanwhile waits in the socket's queue and is refused
by nobody. Refuses to know what is served there.
"""

import fcntl
import logging
import os
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from zoosup.spec.syntax.addresses import join_address

FIRST = 3
"""The number of the first one; the others follow it."""

OURS = "zoosup-anew"
"""The name of those that nobody but zoosup holds: closed where the file no longer wants them."""

Address = tuple[Any, ...]

_log = logging.getLogger(__name__)


class HandedSockets:
    """What this process was handed, by address, and what it hands on to the program that takes its place."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._theirs: dict[Address, socket.socket] = {}  # the init system's too: they listen whatever we do
        self._ours: dict[Address, socket.socket] = {}
        self._unused: set[Address] = set()
        names = environ.get("LISTEN_FDNAMES", "").split(":")
        for index in range(_count(environ)):
            name = names[index] if index < len(names) else ""
            self._receive(FIRST + index, self._ours if name == OURS else self._theirs)

    def take(self, family: int, address: Address) -> socket.socket | None:
        """A socket that listens there already, for the caller to close; None where there is none."""
        place = _place(family, address)
        if place in self._ours:
            return self._ours.pop(place)
        self._unused.discard(place)
        return self._theirs[place].dup() if place in self._theirs else None

    def settle(self) -> list[str]:
        """All that is wanted has been taken: close our own that are left, and name the init system's, HOST:PORT."""
        for each in self._ours.values():
            each.close()
        self._ours.clear()
        return [join_address(*address) for _, address in sorted(self._unused)]

    def keep(self, descriptors: Iterable[int]) -> None:
        """Let these listening sockets live on when whoever serves on them closes them."""
        for number in descriptors:
            kept = socket.socket(fileno=os.dup(number))
            place = _place(kept.family, kept.getsockname())
            if place in self._theirs or place in self._ours:
                kept.close()
            else:
                self._ours[place] = kept

    def hand_on(self) -> dict[str, str]:
        """Put all where the next program looks, and return what has to stand in its environment.

        To be called just before exec: whatever else has these numbers is overwritten.
        """
        sockets = [*self._theirs.values(), *self._ours.values()]
        if not sockets:
            return {}
        above = FIRST + len(sockets)
        copies = [fcntl.fcntl(each.fileno(), fcntl.F_DUPFD_CLOEXEC, above) for each in sockets]
        for index, copy in enumerate(copies):
            os.dup2(copy, FIRST + index, inheritable=True)
        names = ["theirs"] * len(self._theirs) + [OURS] * len(self._ours)
        return {
            "LISTEN_PID": str(os.getpid()),
            "LISTEN_FDS": str(len(sockets)),
            "LISTEN_FDNAMES": ":".join(names),
        }

    def _receive(self, number: int, kind: dict[Address, socket.socket]) -> None:
        try:
            received = socket.socket(fileno=number)
        except OSError as error:
            _log.warning("LISTEN_FDS: descriptor %d is no socket: %s", number, error.strerror)
            return
        received.set_inheritable(False)
        if not _listens(received):
            _log.warning("LISTEN_FDS: descriptor %d is no TCP socket that listens", number)
            received.close()
            return
        place = _place(received.family, received.getsockname())
        kind[place] = received
        if kind is self._theirs:
            self._unused.add(place)


def _count(environ: Mapping[str, str]) -> int:
    """How many are for us: the variables may be meant for a parent that passed them on."""
    with suppress(ValueError):
        if int(environ.get("LISTEN_PID", "")) == os.getpid():
            return max(0, int(environ.get("LISTEN_FDS", "")))
    return 0


def _listens(received: socket.socket) -> bool:
    tcp = received.family in {socket.AF_INET, socket.AF_INET6} and received.type == socket.SOCK_STREAM
    return tcp and received.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1


def _place(family: int, address: Address) -> Address:
    return int(family), address[:2]  # of IPv6 without flow and scope
