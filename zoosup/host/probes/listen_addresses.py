"""On which addresses processes listen: said of a server that is asked in one place and listens in another.

Knows the kernel's tables of listening sockets, as `port_owner` does. Refuses to know where it should listen. It blocks.
"""

import socket
import struct
import sys
from collections.abc import Iterator, Set as AbstractSet
from contextlib import suppress
from pathlib import Path

import psutil

from zoosup.host.probes.port_owner import LISTEN, PROC, sockets_of_members
from zoosup.spec.syntax.addresses import join_address

_NAMED = 4
"""Addresses that a message names; a server that loads may have many more for its workers."""


def listening_on(members: AbstractSet[int], proc: Path = PROC) -> tuple[str, ...]:
    """The TCP addresses, "127.0.0.1:8080" or "[::1]:8080", on which these processes listen, by port."""
    found = _linux(members, proc) if sys.platform == "linux" else _portable(members)
    return tuple(join_address(address, port) for port, address in sorted(set(found)))


def described(addresses: tuple[str, ...]) -> str:
    """A few of them, for people."""
    more = len(addresses) - _NAMED
    return ", ".join(addresses[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _linux(members: AbstractSet[int], proc: Path) -> list[tuple[int, str]]:
    sockets, _ = sockets_of_members(members, proc)
    found = []
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        with suppress(
            OSError
        ):  # IPv6 is switched off, or the table can't be read: then nothing is said of it
            found += [at for at, inode in _listening(proc / "net" / table, family) if inode in sockets]
    return found


def _listening(table: Path, family: socket.AddressFamily) -> Iterator[tuple[tuple[int, str], int]]:
    """((port, address), inode) of each socket that listens; they come before all connections in the table."""
    with table.open() as rows:
        next(rows, None)
        for row in rows:
            fields = row.split()
            if fields[3] != LISTEN:
                break
            address, _, port = fields[1].rpartition(":")
            words = (int(address[at : at + 8], 16) for at in range(0, len(address), 8))
            packed = b"".join(struct.pack("=I", word) for word in words)
            yield (int(port, 16), socket.inet_ntop(family, packed)), int(fields[9])


def _portable(members: AbstractSet[int]) -> list[tuple[int, str]]:
    """macOS: each process is asked by itself, and one that does not let us look is left out."""
    found: list[tuple[int, str]] = []
    for pid in members:
        with suppress(psutil.Error):
            sockets = psutil.Process(pid).net_connections("tcp")
            listeners = (s.laddr for s in sockets if s.status == psutil.CONN_LISTEN and s.laddr)
            found += ((address.port, address.ip) for address in listeners)
    return found
