"""The page's files over HTTP. They hold no data, so that reading them needs no token.

Knows how browsers are to keep and to confine them. Refuses to know what the page shows.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ETag, hdrs, web

from zoosup.spec.syntax.addresses import join_address, split_address
from zoosup.web.hosts import host_name

FOLDER = Path(__file__).parent / "static"

PREFIX = "/dashboard/"
"""Where the files are; the page itself is at `/`."""

_PAGE = "index.html"
_KINDS = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; connect-src 'self'"
)
"""Only the server's own files and data, in nobody's frame, and no text ever becomes markup.

`policy` adds the gateway at its end, for the one request that a person may send to a model from the page.
"""

_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not listened on
_HOST = re.compile(r"[a-z0-9.-]+|[0-9a-f:]+")

HEADERS = {
    hdrs.CACHE_CONTROL: "no-cache",  # kept, and asked for again each time: an upgrade must not mix two versions
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file: its bytes, its media type, and an entity tag that changes with the bytes."""

    body: bytes
    kind: str
    tag: str


def load(folder: Path = FOLDER) -> dict[str, Asset]:
    """Read every file of the page, by the path that it is served at; OSError where one can't be read.

    Once, at the start: a package that is replaced under a running zoosup leaves it its own page.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix in _KINDS)
    return {_place(path.relative_to(folder).as_posix()): _asset(path) for path in files}


def _place(name: str) -> str:
    return "/" if name == _PAGE else PREFIX + name


def _asset(path: Path) -> Asset:
    body = path.read_bytes()
    return Asset(body, _KINDS[path.suffix], hashlib.sha256(body).hexdigest()[:16])


def policy(gateway: str | None, host: str) -> str:
    """The content security policy of a page that is called by the Host header `host`.

    A gateway that listens on every address is reached by the page's own name. What is no name or address is left out.
    """
    if gateway is None:
        return POLICY
    name, port = split_address(gateway)
    name = host_name(host) if name in _EVERYWHERE else name.lower()
    if _HOST.fullmatch(name) is None:
        return POLICY
    return f"{POLICY} http://{join_address(name, port)}"


class DashboardRoutes:
    """The handlers of the page's files, each at a path of its own: nothing else of the disk can be asked for."""

    def __init__(self, gateway: Callable[[], str | None]) -> None:
        """`gateway`: where it listens at present, as HOST:PORT."""
        self._assets = load()
        self._gateway = gateway

    @property
    def paths(self) -> frozenset[str]:
        """Where the files are."""
        return frozenset(self._assets)

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register every file, for GET and HEAD."""
        for path in self._assets:
            router.add_get(path, self.asset)

    async def asset(self, request: web.Request) -> web.Response:
        """One file, or 304 to whoever has these bytes already."""
        asset = self._assets[request.path]
        known = request.if_none_match or ()
        unchanged = any(each.value in {asset.tag, "*"} for each in known)
        response = web.Response(status=304) if unchanged else web.Response(body=asset.body)
        response.headers.update(HEADERS | {hdrs.CONTENT_TYPE: asset.kind})
        response.headers["Content-Security-Policy"] = policy(
            self._gateway(), request.headers.get(hdrs.HOST, "")
        )
        response.etag = ETag(asset.tag)
        return response
