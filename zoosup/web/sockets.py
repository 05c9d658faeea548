"""Listening sockets: bound where zoo.yaml says, before anything that exists is given up.

Refuses to know what is served on them.
"""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Sequence
from typing import Any

BACKLOG = 128
_NO_SUCH_FAMILY = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})
"""`localhost` may also stand for ::1 on a host whose IPv6 is switched off; one address of a name is enough."""


async def bound(host: str, port: int, backlog: int = BACKLOG) -> list[socket.socket]:
    """Listen on every address of a host; OSError where that can't be had."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    addresses = dict.fromkeys((family, address) for family, _, _, _, address in found)
    sockets: list[socket.socket] = []
    failure: OSError | None = None
    with contextlib.ExitStack() as undo:
        for family, address in addresses:
            try:
                sockets.append(undo.enter_context(_bind(family, address, backlog)))
            except OSError as error:
                if error.errno not in _NO_SUCH_FAMILY:
                    raise
                failure = error
        if failure is not None and not sockets:
            raise failure
        undo.pop_all()
    return sockets


def _bind(family: int, address: tuple[Any, ...], backlog: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(backlog)  # here, so that a port in use is noticed before anything is given up
    except OSError:
        sock.close()
        raise
    return sock


def address_of(servers: Sequence[asyncio.Server]) -> str | None:
    """Where the first of them listens, with the port it was given for port 0; None when there is none."""
    if not servers:
        return None
    host, port = servers[0].sockets[0].getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def has_port(servers: Sequence[asyncio.Server], port: int) -> bool:
    """Whether one of them listens on this port."""
    names = [each.getsockname() for server in servers for each in server.sockets]
    return any(isinstance(name, tuple) and name[1] == port for name in names)
