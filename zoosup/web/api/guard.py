"""Who may ask what: the checks before any handler of the TCP server.

The Host must be one that no stranger can point here (`hosts`) or that the file names, whatever changes something needs
the token and the same Origin, and where other hosts can connect so does reading, unless the file has it open. What
health checkers ask is free, and so are the dashboard's files, which hold no data. The control socket has none of
this: its mode is its guard.
"""

import hmac
import socket
from dataclasses import dataclass

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from zoosup.web.api.errors import RefusalError
from zoosup.web.hosts import host_allowed, host_name, same_origin

FREE = frozenset({"/livez", "/readyz", "/healthz"})
"""What may be read from anywhere: checkers present no token, and learn no more than that something is wrong."""

SAFE_METHODS = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})


@dataclass(slots=True)
class Guard:
    """What the TCP server asks of a caller; all of it changes when zoo.yaml does.

    `token` None: nothing may be changed. `exposed`: other hosts can connect; `open`: they may read. `free`: the paths
    that may be read from anywhere.
    """

    listen_host: str = ""
    token: str | None = None
    hosts: frozenset[str] = frozenset()
    open: bool = False
    exposed: bool = False
    free: frozenset[str] = FREE


def guard(rules: Guard) -> Middleware:
    """Make the middleware that refuses strangers; it looks at `rules` anew at each request."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        host = request.headers.get(hdrs.HOST, "")
        if not (rules.open or _shows(request, rules.token) or _is_ours(host, rules)):
            message = (
                f"Host {host[:80]!r} is not a name of this server; use its address, localhost or its host name, "
                "or list it under status.hosts"
            )
            raise RefusalError(421, "wrong_host", message)
        if request.method not in SAFE_METHODS:
            _check_write(request, host, rules.token)
        elif rules.exposed and not (rules.open or request.path in rules.free or _shows(request, rules.token)):
            raise _unauthorized("read it")
        return await handler(request)

    return guarded


def _check_write(request: web.Request, host: str, token: str | None) -> None:
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and not same_origin(origin, host):
        raise RefusalError(403, "wrong_origin", f"Origin {origin[:80]!r} is not this server")
    if token is None:
        message = "nothing can be changed here: use the command line on the host, or set status.token"
        raise RefusalError(403, "read_only", message)
    if not _shows(request, token):
        raise _unauthorized("change anything")


def _is_ours(host: str, rules: Guard) -> bool:
    return host_name(host) in rules.hosts or host_allowed(host, rules.listen_host, socket.gethostname())


def _shows(request: web.Request, token: str | None) -> bool:
    """Whether it presents the token; nothing counts as one where there is none."""
    scheme, _, given = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    matches = hmac.compare_digest(given.strip().encode("utf-8", "replace"), (token or "").encode())
    return token is not None and scheme.lower() == "bearer" and matches


def _unauthorized(what: str) -> RefusalError:
    message = f"to {what}, present status.token: Authorization: Bearer …"
    return RefusalError(401, "unauthorized", message, {hdrs.WWW_AUTHENTICATE: "Bearer"})
