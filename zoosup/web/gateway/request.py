"""One request of a client: what its head says, and what of it a model's server is told.

llhttp has refused bad characters, folded lines and conflicting lengths before; here is what it leaves open.
Refuses to know sockets, models and keys.
"""

from collections.abc import Container, Sequence
from typing import TYPE_CHECKING, final

from zoosup.web.gateway.access import KEY_HEADERS
from zoosup.web.gateway.routes import Dialect, Route

if TYPE_CHECKING:
    from zoosup.web.gateway.answers import Answer

_HOP_BY_HOP = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"te", b"upgrade"})
_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"host", b"expect"})
_CREDENTIALS = frozenset(name.encode() for name in KEY_HEADERS)
_READ = frozenset({b"content-type", b"origin"})
_SPECIAL = _HOP_BY_HOP | _FRAMING | _CREDENTIALS | _READ
_ONCE = frozenset({b"host", b"content-length", b"transfer-encoding", b"content-type"})
_PLAIN_CONNECTION = frozenset({b"", b"close", b"keep-alive", b"upgrade", b"te", b"http2-settings"})


class RejectedError(Exception):
    """A request that can't be read; its connection is of no use any more. `status` is the answer's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@final
class Request:
    """A head, and the body as far as it has arrived. `length` is None where the body is chunked."""

    __slots__ = (
        "_credentials",
        "_kept",
        "chunked",
        "complete",
        "denied",
        "dialect",
        "events",
        "found",
        "headers",
        "keep_alive",
        "length",
        "method",
        "modern",
        "parts",
        "route",
        "size",
        "sought",
        "streamed",
        "target",
        "told",
        "upgrade",
    )

    def __init__(
        self, method: bytes, target: bytes, version: str, headers: Sequence[tuple[bytes, bytes]]
    ) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.route: Route
        self.dialect = Dialect.OPENAI
        self.streamed = False  # its body goes on as it comes
        self.denied: Answer | None = None  # what is answered whatever its body says
        self.sought = target  # what the model's server is asked for
        self.events = False  # the client waits for a stream of events, and may be told something meanwhile
        self.told = b""  # lines that its answer gets besides those of the model's server
        self.complete = False
        self.parts: list[bytes] = []
        self.size = 0
        self._read(headers)
        self._settle(version)

    def _read(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        self._kept: list[bytes] = []
        self._credentials: list[bytes] = []
        self.found: dict[bytes, bytes] = {}
        kept, found = self._kept, self.found
        for pair in headers:
            name = pair[0].lower()
            if name not in _SPECIAL:
                kept.append(b"%b: %b\r\n" % pair)
                continue
            if name in _READ:
                kept.append(b"%b: %b\r\n" % pair)
            elif name in _CREDENTIALS:
                self._credentials.append(b"%b: %b\r\n" % pair)
            if name not in found:
                found[name] = pair[1]
            elif name in _ONCE:
                raise RejectedError(400, f"more than one {name.decode()} header")
            else:
                found[name] += b", " + pair[1]

    def _settle(self, version: str) -> None:
        found = self.found
        self.modern = version == "1.1"
        if not self.modern and version != "1.0":
            raise RejectedError(505, f"HTTP/{version} is not spoken here")
        if self.modern and b"host" not in found:
            raise RejectedError(400, "HTTP/1.1 asks for a Host header")
        self.chunked = b"transfer-encoding" in found
        if self.chunked and not (self.modern and found[b"transfer-encoding"].strip().lower() == b"chunked"):
            raise RejectedError(501, "Transfer-Encoding: only chunked, in HTTP/1.1")
        self.length = None if self.chunked else int(found.get(b"content-length", b"0"))
        self.keep_alive, self.upgrade = self.modern, False
        if b"connection" in found:
            self._obey(found[b"connection"].lower())

    def _obey(self, connection: bytes) -> None:
        words = {word.strip() for word in connection.split(b",")}
        self.keep_alive = b"close" not in words and (self.modern or b"keep-alive" in words)
        self.upgrade = b"upgrade" in words and b"upgrade" in self.found and self.modern
        named = words - _PLAIN_CONNECTION
        if named or b"http2-settings" in words:
            dropped = named | {b"http2-settings"}
            self.drop(dropped)

    def drop(self, names: Container[bytes]) -> None:
        """Take headers out that are passed on otherwise; names in lower case."""
        self._kept = [line for line in self._kept if line.partition(b":")[0].lower() not in names]

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for a word before it sends the body."""
        return self.modern and self.found.get(b"expect", b"").lower() == b"100-continue"

    @property
    def has_body(self) -> bool:
        """Whether a body was announced, be it empty."""
        return self.chunked or b"content-length" in self.found

    def text(self, name: bytes) -> str:
        """A header of those that are looked at, "" where it is absent."""
        return self.found.get(name, b"").decode("latin-1")

    def header_map(self) -> dict[str, str]:
        """All headers, names in lower case; the values of repeated ones in one."""
        found: dict[str, str] = {}
        for name, value in self.headers:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            found[key] = f"{found[key]}, {text}" if key in found else text
        return found

    def body(self) -> bytes:
        """All of the body that is here, in one piece from now on."""
        if len(self.parts) != 1:
            self.parts = [b"".join(self.parts)]
        return self.parts[0]

    def upstream_head(self, host: bytes, *, credentials: bool) -> bytes:
        """The head for the model's server. Where its body isn't `streamed`, all of it must be here."""
        lines = [
            self.method,
            b" ",
            self.sought,
            b" HTTP/1.1\r\nHost: " if self.modern else b" HTTP/1.0\r\nHost: ",
        ]
        lines.append(host)
        lines.append(b"\r\n")
        lines += self._kept
        if credentials:
            lines += self._credentials
        if self.chunked and self.streamed:
            lines.append(b"Transfer-Encoding: chunked\r\n")
        elif self.streamed:
            lines.append(b"Content-Length: %d\r\n" % (self.length or 0))
        elif self.has_body:
            lines.append(b"Content-Length: %d\r\n" % sum(map(len, self.parts)))
        if self.upgrade:
            lines.append(b"Connection: Upgrade\r\nUpgrade: %b\r\n" % self.found[b"upgrade"])
        lines.append(b"\r\n")
        return b"".join(lines)
