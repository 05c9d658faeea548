"""The listening sockets: one for TCP that zoo.yaml may move, and the control socket of the state directory.

Knows how a server begins, moves and ends; which routes there are stands in `status` and `control`.
"""

import asyncio
import contextlib
import errno
import os
import socket
import stat
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Middleware

from zoosup.errors import ZoosupError
from zoosup.runtime.ports import Faces
from zoosup.spec.fields import split_address
from zoosup.web.control import MAX_BODY, ControlRoutes
from zoosup.web.errors import errors_as_json
from zoosup.web.guard import Door, guard
from zoosup.web.sockets import BACKLOG, address_of, bound, has_port
from zoosup.web.status import StatusRoutes
from zoosup.web.stream import Followers, Limits


class WebServer:
    """The status server and the control socket, with one set of followers between them."""

    def __init__(self, faces: Faces, *, control: Path, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._followers = Followers(self._limits)
        self._routes = (StatusRoutes(faces, self._followers), ControlRoutes(faces, self._limits))
        self._door = Door()
        self._control_path = control
        self._control = _Site(self._application(()), self._limits)
        self._tcp = _Site(self._application((guard(self._door),)), self._limits)
        self._listen: str | None = None

    @property
    def address(self) -> str | None:
        """Where the status server listens, with the port it was given for port 0; None when it does not."""
        return self._tcp.address

    def set_token(self, token: str | None) -> None:
        """From now on, what a client must present to change anything over TCP; None: nobody can."""
        self._door.token = token

    async def start(self, listen: str | None, token: str | None = None) -> None:
        """Open the control socket, then the status server; ZoosupError says which address can't be had."""
        await self._control.setup()
        await self._tcp.setup()
        self.set_token(token)
        await self._control.listen([_unix_socket(self._control_path)])
        await self.rebind(listen)

    async def rebind(self, listen: str | None) -> None:
        """Move the status server to another address, None for nowhere; connections that exist live on.

        ZoosupError when the address can't be had; the server then stays where it is.
        """
        if listen == self._listen:
            return
        sockets = await self._sockets(listen) if listen else []
        await self._tcp.listen(sockets)
        self._listen = listen
        self._door.listen_host = split_address(listen)[0] if listen else ""

    async def stop(self) -> None:
        """Send followers home, finish requests under way, close everything and remove the control socket."""
        self._followers.dismiss()
        await asyncio.gather(self._tcp.stop(), self._control.stop())
        _remove_socket(self._control_path)
        self._listen = None

    def _application(self, middlewares: Sequence[Middleware]) -> web.Application:
        application = web.Application(middlewares=[errors_as_json, *middlewares], client_max_size=MAX_BODY)
        for routes in self._routes:
            routes.add_to(application.router)
        application.on_response_prepare.append(_add_headers)
        return application

    async def _sockets(self, listen: str) -> list[socket.socket]:
        host, port = split_address(listen)
        try:
            return await bound(host, port)
        except OSError as error:
            if not (error.errno == errno.EADDRINUSE and self._tcp.has_port(port)):
                raise _cannot_listen(listen, error) from None
        # The same port under another host: 0.0.0.0:8081 can't be had beside our own 127.0.0.1:8081.
        before = self._listen
        await self._tcp.listen([])
        self._listen = None
        try:
            return await bound(host, port)
        except OSError as error:
            await self.rebind(before)
            raise _cannot_listen(listen, error) from None


class _Site:
    """One application and the sockets it is served on, which may change while it runs."""

    def __init__(self, application: web.Application, limits: Limits) -> None:
        self._limits = limits
        self._servers: list[asyncio.Server] = []
        self._runner = web.AppRunner(
            application,
            access_log=None,
            handler_cancellation=True,  # else a follower of a silent log would stay after its client went
            keepalive_timeout=limits.idle,
            shutdown_timeout=limits.grace,
        )

    async def setup(self) -> None:
        await self._runner.setup()

    async def listen(self, sockets: Sequence[socket.socket]) -> None:
        """Serve on these sockets instead of those before."""
        loop = asyncio.get_running_loop()
        opened = [await _serve(loop, self._protocol(), each) for each in sockets]
        for server in self._servers:
            server.close()
        self._servers = opened

    @property
    def address(self) -> str | None:
        return address_of(self._servers)

    def has_port(self, port: int) -> bool:
        return has_port(self._servers, port)

    async def stop(self) -> None:
        await self.listen([])
        await self._runner.cleanup()

    def _protocol(self) -> Callable[[], asyncio.BaseProtocol]:
        server, limit = self._runner.server, self._limits.connections
        if server is None:
            raise RuntimeError("internal error: a site listens before it is set up")
        return lambda: _Entrance(server, limit)


class _Entrance(asyncio.Protocol):
    """Hands a connection to aiohttp, or closes it where it is one too many: descriptors stay for those who work.

    Not decided when the protocol is made: a burst is accepted as a whole before the first of it is connected.
    """

    def __init__(self, server: web.Server, limit: int) -> None:
        self._server = server
        self._limit = limit

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if len(self._server.connections) >= self._limit:
            transport.close()
            return
        handler = self._server()
        transport.set_protocol(handler)
        handler.connection_made(transport)


async def _serve(
    loop: asyncio.AbstractEventLoop, protocol: Callable[[], asyncio.BaseProtocol], sock: socket.socket
) -> asyncio.Server:
    if sock.family == socket.AF_UNIX:
        return await loop.create_unix_server(protocol, sock=sock, backlog=BACKLOG)
    return await loop.create_server(protocol, sock=sock, backlog=BACKLOG)


def _unix_socket(path: Path) -> socket.socket:
    """Bind the control socket so that it never exists with a mode wider than 0600."""
    _remove_socket(path)
    sock = socket.socket(socket.AF_UNIX)
    try:
        if sys.platform == "linux":
            os.fchmod(sock.fileno(), 0o600)  # bind makes the node with the socket's own mode
        sock.bind(str(path))
        path.chmod(0o600)
    except OSError as error:
        sock.close()
        raise ZoosupError(f"control socket {path}: {error.strerror or error}") from None
    return sock


def _remove_socket(path: Path) -> None:
    """Remove what a killed supervisor left; the caller holds the instance's lock, so that nobody listens there."""
    with contextlib.suppress(OSError):
        if stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()


def _cannot_listen(listen: str, error: OSError) -> ZoosupError:
    return ZoosupError(f"status.listen {listen}: {error.strerror or error}")


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
