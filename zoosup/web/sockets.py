"""Listening sockets: bound where zoo.yaml says, and moved when it says otherwise, before anything is given up.

Refuses to know what is served on them.
"""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from zoosup.errors import ZoosupError
from zoosup.host.system.listen_fds import HandedSockets
from zoosup.spec.syntax.addresses import join_address, split_address

BACKLOG = 128
_NO_SUCH_FAMILY = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})
"""`localhost` may also stand for ::1 on a host whose IPv6 is switched off; one address of a name is enough."""


class Listener:
    """One address that may move while connections live on. `serve` puts a bound socket to use.

    `setting` is what the file calls the address. A socket of `handed` goes before one that is bound here.
    """

    def __init__(
        self,
        setting: str,
        serve: Callable[[socket.socket], Awaitable[asyncio.Server]],
        backlog: int = BACKLOG,
        handed: HandedSockets | None = None,
    ) -> None:
        self._setting = setting
        self._serve = serve
        self._backlog = backlog
        self._handed = handed
        self._servers: list[asyncio.Server] = []
        self._listen: str | None = None

    @property
    def address(self) -> str | None:
        """Where it listens, with the port it was given for port 0; None when it does not."""
        if not self._servers:
            return None
        return join_address(*self._servers[0].sockets[0].getsockname()[:2])

    def filenos(self) -> list[int]:
        """The descriptors of the sockets that it listens on."""
        return [each.fileno() for server in self._servers for each in server.sockets]

    async def move(self, listen: str | None) -> None:
        """Listen at another address, None for nowhere; ZoosupError when it can't be had: then it stays where it is."""
        if listen == self._listen:
            return
        await self._serve_on(await self._bound(listen) if listen else [])
        self._listen = listen

    async def _bound(self, listen: str) -> list[socket.socket]:
        host, port = split_address(listen)
        try:
            return await bound(host, port, self._backlog, self._handed)
        except OSError as error:
            if not (error.errno == errno.EADDRINUSE and self._has_port(port)):
                raise self._cannot_listen(listen, error) from None
        # The same port under another host: 0.0.0.0:8081 can't be had beside our own 127.0.0.1:8081.
        before = self._listen
        await self.move(None)
        try:
            return await bound(host, port, self._backlog, self._handed)
        except OSError as error:
            await self.move(before)
            raise self._cannot_listen(listen, error) from None

    async def _serve_on(self, sockets: Sequence[socket.socket]) -> None:
        opened = [await self._serve(each) for each in sockets]
        for server in self._servers:
            server.close()
        self._servers = opened

    def _has_port(self, port: int) -> bool:
        names = [each.getsockname() for server in self._servers for each in server.sockets]
        return any(name[1] == port for name in names)

    def _cannot_listen(self, listen: str, error: OSError) -> ZoosupError:
        return ZoosupError(f"{self._setting} {listen}: {error.strerror or error}")


async def bound(
    host: str, port: int, backlog: int = BACKLOG, handed: HandedSockets | None = None
) -> list[socket.socket]:
    """Listen on every address of a host; OSError where that can't be had."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    addresses = dict.fromkeys((family, address) for family, _, _, _, address in found)
    sockets: list[socket.socket] = []
    failure: OSError | None = None
    with contextlib.ExitStack() as undo:
        for family, address in addresses:
            try:
                ready = handed.take(family, address) if handed is not None else None
                sockets.append(undo.enter_context(ready or _bind(family, address, backlog)))
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
