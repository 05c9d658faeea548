"""The listening sockets: one for TCP that zoo.yaml may move, and the control socket of the state directory.

Knows how a server begins, moves and ends; which routes there are stands in `status`, `control` and the
dashboard's `assets`.
"""

import asyncio
import contextlib
import os
import socket
import stat
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from zoosup.errors import ZoosupError
from zoosup.host.system.listen_fds import HandedSockets
from zoosup.runtime.api.runtime_api import RuntimeApi
from zoosup.spec.model.gateway import STATUS_GUARDED, StatusSpec, exposure
from zoosup.spec.syntax.addresses import split_address
from zoosup.web.api.control import MAX_BODY, ControlRoutes
from zoosup.web.api.errors import errors_as_json
from zoosup.web.api.fleet import FleetRoutes
from zoosup.web.api.followers import Followers, StreamLimits
from zoosup.web.api.guard import FREE, Guard, guard
from zoosup.web.api.hosts import HostRoutes
from zoosup.web.api.status import StatusRoutes
from zoosup.web.dashboard.assets import DashboardRoutes
from zoosup.web.sockets import BACKLOG, Listener

REMOVAL = 2.0
"""Seconds that the removal of the control socket may take: its directory may be on a disk that hangs."""


class WebServer:
    """The status server and the control socket, with one set of followers between them."""

    def __init__(
        self,
        runtime: RuntimeApi,
        *,
        control: Path,
        limits: StreamLimits | None = None,
        handed: HandedSockets | None = None,
    ) -> None:
        self._limits = limits or StreamLimits()
        self._followers = Followers(self._limits)
        page = DashboardRoutes(lambda: runtime.publisher.snapshot.get("gateway"))
        status = StatusRoutes(runtime, self._followers)
        self._routes = (status, ControlRoutes(runtime, self._limits), HostRoutes(runtime), page)
        self._guard = Guard(free=FREE | page.paths)
        self._control_path = control
        link = self._application(())
        FleetRoutes(runtime).add_to(link.router)  # for our own child alone
        self._control = _Site(link, self._limits)
        self._tcp = _Site(self._application((guard(self._guard),)), self._limits)
        self._listener = Listener("status.listen", self._tcp.serve, handed=handed)
        self._commands: asyncio.Server | None = None  # on the control socket

    @property
    def address(self) -> str | None:
        """Where the status server listens, with the port it was given for port 0; None when it does not."""
        return self._listener.address

    def filenos(self) -> list[int]:
        """The descriptors of the sockets that the status server listens on."""
        return self._listener.filenos()

    def set_token(self, token: str | None) -> None:
        """From now on, what a client must present to change anything over TCP; None: nobody can."""
        self._guard.token = token

    def configure(self, status: StatusSpec) -> None:
        """Put the file's rules in force: who may read, who may change anything, and by which names."""
        self.set_token(status.token_text)
        self._guard.hosts = frozenset(status.hosts)
        self._guard.open = status.open

    async def start(self, listen: str | None, token: str | None = None) -> None:
        """Open the control socket, then the status server; ZoosupError says which address can't be had.

        Where it is open already only the token and the status server's address are new.
        """
        if self._commands is not None:
            self.set_token(token)
            await self.rebind(listen)
            return
        await self._control.setup()
        await self._tcp.setup()
        self.set_token(token)
        self._commands = await self._control.serve(_unix_socket(self._control_path))
        await self.rebind(listen)

    async def rebind(self, listen: str | None) -> None:
        """Move the status server to another address, None for nowhere; connections that exist live on.

        ZoosupError when the address can't be had, or would show everything to other hosts; the server then stays
        where it is.
        """
        told = exposure(listen) if listen else ""
        if told and not (self._guard.open or self._guard.token):
            raise ZoosupError(f"{told}; expected {STATUS_GUARDED}")
        await self._listener.move(listen)
        self._guard.listen_host = split_address(listen)[0] if listen else ""
        self._guard.exposed = bool(told)

    async def stop(self) -> None:
        """Send followers home, finish requests under way, close everything and remove the control socket."""
        self._followers.dismiss()
        await self._listener.move(None)
        if self._commands is not None:
            self._commands.close()
        await asyncio.gather(self._tcp.stop(), self._control.stop())
        with contextlib.suppress(
            TimeoutError
        ):  # the state directory hangs, and whoever comes next removes it
            async with asyncio.timeout(REMOVAL):
                await asyncio.to_thread(_remove_socket, self._control_path)

    def _application(self, middlewares: Sequence[Middleware]) -> web.Application:
        application = web.Application(middlewares=[errors_as_json, *middlewares], client_max_size=MAX_BODY)
        for routes in self._routes:
            routes.add_to(application.router)
        application.on_response_prepare.append(_add_headers)
        return application


class _Site:
    """One application, which is served on as many sockets as it is given."""

    def __init__(self, application: web.Application, limits: StreamLimits) -> None:
        self._limits = limits
        self._busy: set[Any] = set()  # the connections on which a request is being answered
        application.middlewares.insert(0, self._note_busy)
        self._runner = web.AppRunner(
            application,
            access_log=None,
            handler_cancellation=True,  # else a follower of a silent log would stay after its client went
            keepalive_timeout=limits.idle,
            shutdown_timeout=limits.grace,
        )

    @web.middleware
    async def _note_busy(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._busy.add(request.protocol)
        try:
            return await handler(request)
        finally:
            self._busy.discard(request.protocol)

    async def setup(self) -> None:
        await self._runner.setup()

    async def serve(self, sock: socket.socket) -> asyncio.Server:
        server, limit = self._runner.server, self._limits.connections
        if server is None:
            raise RuntimeError("internal error: a site is served before it is set up")
        loop = asyncio.get_running_loop()
        create = loop.create_unix_server if sock.family == socket.AF_UNIX else loop.create_server
        return await create(lambda: _ConnectionLimit(server, limit, self._busy), sock=sock, backlog=BACKLOG)

    async def stop(self) -> None:
        await self._runner.cleanup()


class _ConnectionLimit(asyncio.Protocol):
    """Hands a connection to aiohttp. Where it is one too many, the oldest on which nothing is asked makes room for it.

    So neither descriptors nor places can be held by clients who send half a head, or nothing. Not decided when the
    protocol is made: a burst is accepted as a whole before the first of it is connected.
    """

    def __init__(self, server: web.Server, limit: int, busy: Collection[Any]) -> None:
        self._server = server
        self._limit = limit
        self._busy = busy

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if len(self._server.connections) >= self._limit and not self._make_room():
            transport.close()
            return
        handler = self._server()
        transport.set_protocol(handler)
        handler.connection_made(transport)

    def _make_room(self) -> bool:
        for each in self._server.connections:
            if each not in self._busy and each.transport is not None and not each.transport.is_closing():
                each.force_close()
                return True
        return False


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


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
