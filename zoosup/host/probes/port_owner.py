"""Who listens on a port of this host, and whether that is one of the processes named.

Knows the kernel's socket tables and the descriptors of processes. Refuses to know why somebody asks: the prober
wants to be sure that it talks to the model, the inspector wants a name for "port in use". All of it blocks.
"""

import socket
import struct
import sys
from collections.abc import Iterator, Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

PROC = Path("/proc")

LISTEN = "0A"
"""How the tables of sockets mark one that listens; include/net/tcp_states.h."""

_DEEPEST = 64  # generations that a worker may be away from a member


@dataclass(frozen=True, slots=True)
class Ownership:
    """Whether the named processes own the port (None: it can't be told), and who else does, for people."""

    ours: bool | None
    holder: str = ""


def holder(host: str, port: int, proc: Path = PROC) -> str:
    """The listener on a port as "pid 123 (nginx)"; "another process" when it can't be seen, "" when there is none.

    Host is an IPv4 or IPv6 address.
    """
    if sys.platform != "linux":
        pids = _portable_listeners(port)
        return _described(pids[0], proc) if pids else "another process"
    inodes = listening_sockets(host, port, proc)
    for pids in _holders(inodes, proc).values():
        return _described(pids[0], proc)
    return "another process" if inodes else ""


def ownership(host: str, port: int, members: AbstractSet[int], proc: Path = PROC) -> Ownership:
    """Whether a connection to the port reaches one of `members`, a descendant of one, or one of their session.

    `members` may be a moment old, hence the descendants: a worker forked since then is not in it yet.
    """
    if sys.platform != "linux":
        return _portable_ownership(port, members, proc)
    try:
        inodes = listening_sockets(host, port, proc)
    except OSError:
        return Ownership(None)
    if not inodes:
        return Ownership(False, "no process of this host")
    found, blind = sockets_of_members(members, proc)
    foreign = inodes - found
    return _judge(foreign, members, blind=blind, proc=proc) if foreign else Ownership(True)


def _judge(foreign: AbstractSet[int], members: AbstractSet[int], *, blind: bool, proc: Path) -> Ownership:
    holders = _holders(foreign, proc)
    for pids in holders.values():
        if not any(_belongs(pid, members, proc) for pid in pids):
            return Ownership(False, _described(pids[0], proc))
    if foreign <= holders.keys():
        return Ownership(True)
    return Ownership(None) if blind else Ownership(False, "another process")


def listening_sockets(host: str, port: int, proc: Path = PROC) -> frozenset[int]:
    """Inodes of the sockets that a connection to host:port may reach; OSError when the table can't be read.

    A listener on the very address gets the connection before one on all addresses does; where several share an
    address (SO_REUSEPORT) the kernel deals connections out among them.
    """
    reaching = _reaching(host)
    listeners = _listeners(port, proc / "net/tcp")
    if not any(address == reaching[0] for address, _ in listeners):
        with suppress(FileNotFoundError):  # IPv6 is switched off
            listeners += _listeners(port, proc / "net/tcp6")
    for address in reaching:
        if inodes := frozenset(inode for at, inode in listeners if at == address):
            return inodes
    return frozenset()


def _listeners(port: int, table: Path) -> list[tuple[str, int]]:
    """(address, inode) of the sockets that listen on the port.

    Listening sockets come first (tcp_get_idx in net/ipv4/tcp_ipv4.c), and thousands of connections may follow at
    4 us each: once the port is found they are not read.
    """
    found: list[tuple[str, int]] = []
    with table.open() as rows:
        next(rows, None)
        for row in rows:
            fields = row.split()
            address, _, number = fields[1].rpartition(":")
            if fields[3] == LISTEN and int(number, 16) == port:
                found.append((address, int(fields[9])))
            elif fields[3] != LISTEN and found:
                break
    return found


def _reaching(host: str) -> list[str]:
    """Addresses at which a listener gets what is sent to host, as the kernel writes them, most special first."""
    everywhere = _hexadecimal(socket.AF_INET6, "::")
    if ":" in host:
        return [_hexadecimal(socket.AF_INET6, host), everywhere]
    addresses = []
    for address in (host, "0.0.0.0"):  # noqa: S104 - looked for, not bound
        addresses.append(_hexadecimal(socket.AF_INET, address))
        addresses.append(_hexadecimal(socket.AF_INET6, f"::ffff:{address}"))
    return [*addresses, everywhere]


def _hexadecimal(family: socket.AddressFamily, address: str) -> str:
    """As /proc/net/tcp has it: each 32-bit word in the host's byte order."""
    packed = socket.inet_pton(family, address)
    return "".join(f"{word:08X}" for (word,) in struct.iter_unpack("=I", packed))


def sockets_of_members(members: AbstractSet[int], proc: Path) -> tuple[frozenset[int], bool]:
    """All sockets that the members hold, and whether one of them would not let us look."""
    found: set[int] = set()
    blind = False
    for pid in members:
        try:
            found.update(_sockets_of(pid, proc))
        except PermissionError:
            blind = True
    return frozenset(found), blind


def _sockets_of(pid: int, proc: Path) -> Iterator[int]:
    with suppress(FileNotFoundError, ProcessLookupError):
        for descriptor in (proc / str(pid) / "fd").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):
                target = str(descriptor.readlink())
                if target.startswith("socket:["):
                    yield int(target[8:-1])


def _holders(inodes: AbstractSet[int], proc: Path) -> dict[int, list[int]]:
    """Pids by socket, for the sockets whose holders we may see; walks all processes, so only for bad news."""
    found: dict[int, list[int]] = {}
    if not inodes:
        return found
    for directory in proc.iterdir():
        if directory.name.isdecimal():
            with suppress(PermissionError):
                for inode in inodes & set(_sockets_of(int(directory.name), proc)):
                    found.setdefault(inode, []).append(int(directory.name))
    return found


def _belongs(pid: int, members: AbstractSet[int], proc: Path) -> bool:
    """Whether pid is a member, is in the session of one, or descends from one; proc(5), /proc/pid/stat."""
    for _ in range(_DEEPEST):
        if pid in members:
            return True
        try:
            fields = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return False
        parent, session = int(fields[1]), int(fields[3])
        if session in members:
            return True
        pid = parent
    return False


def _described(pid: int, proc: Path) -> str:
    with suppress(OSError):
        return f"pid {pid} ({(proc / str(pid) / 'comm').read_text().strip()})"
    with suppress(psutil.Error):
        return f"pid {pid} ({psutil.Process(pid).name()})"
    return f"pid {pid}"


def _portable_ownership(port: int, members: AbstractSet[int], proc: Path) -> Ownership:
    """macOS: there is no table of sockets for everybody, so the processes that let us look are asked one by one."""
    blind = False
    for pid in members:
        try:
            if _listens(psutil.Process(pid), port):
                return Ownership(True)
        except psutil.NoSuchProcess:
            continue
        except psutil.AccessDenied:
            blind = True
    others = _portable_listeners(port)
    for pid in others:
        if any(parent.pid in members for parent in _parents(pid)):
            return Ownership(True)
    if others:
        return Ownership(False, _described(others[0], proc))
    return Ownership(None) if blind else Ownership(False, "another process")


def _portable_listeners(port: int) -> list[int]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.AccessDenied):
            if _listens(process, port):
                found.append(process.pid)
    return found


def _listens(process: psutil.Process, port: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        connections = process.net_connections("tcp")
        return any(c.status == psutil.CONN_LISTEN and c.laddr and c.laddr.port == port for c in connections)
    return False


def _parents(pid: int) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return psutil.Process(pid).parents()
    return []
