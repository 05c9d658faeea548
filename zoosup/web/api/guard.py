"""Who may ask what: the checks before any handler of the TCP server.

The Host must be one that no stranger can point here (`hosts`), and whatever changes something needs the token and the
same Origin. The control socket has none of this: its mode is its guard.
"""

import hmac
import socket
from dataclasses import dataclass

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from zoosup.web.api.errors import RefusalError
from zoosup.web.hosts import host_allowed, same_origin

SAFE_METHODS = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})


@dataclass(slots=True)
class Guard:
    """What the TCP server asks of a caller; both change when zoo.yaml does. `token` None: nothing may be changed."""

    listen_host: str = ""
    token: str | None = None


def guard(rules: Guard) -> Middleware:
    """Make the middleware that refuses strangers; it looks at `rules` anew at each request."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        host = request.headers.get(hdrs.HOST, "")
        if not host_allowed(host, rules.listen_host, socket.gethostname()):
            message = f"Host {host[:80]!r} is not a name of this server; use its address, localhost or its host name"
            raise RefusalError(421, "wrong_host", message)
        if request.method not in SAFE_METHODS:
            _check_write(request, host, rules.token)
        return await handler(request)

    return guarded


def _check_write(request: web.Request, host: str, token: str | None) -> None:
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and not same_origin(origin, host):
        raise RefusalError(403, "wrong_origin", f"Origin {origin[:80]!r} is not this server")
    if token is None:
        message = "nothing can be changed here: use the command line on the host, or set status.token"
        raise RefusalError(403, "read_only", message)
    scheme, _, given = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    matches = hmac.compare_digest(given.strip().encode("utf-8", "replace"), token.encode())
    if scheme.lower() != "bearer" or not matches:
        challenge = {"WWW-Authenticate": 'Bearer realm="zoosup"'}
        raise RefusalError(401, "unauthorized", "expected Authorization: Bearer with status.token", challenge)
