"""One request of a client: what its head says, and what of it a model's server is told.

Lines pass as they are. llhttp reads the same head, and refuses bad characters, folded lines and conflicting lengths;
here is what it leaves open. Refuses to know sockets, models and keys.
"""

from collections.abc import Container
from functools import lru_cache
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
_SHORT = 256
_WORDS_OF_A_LINE = 3


class RejectedError(Exception):
    """A request that can't be read; its connection is of no use any more. `status` is the answer's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@final
class Request:
    """A head, and the body as far as it has arrived. `length` is the body's, 0 where it is chunked.

    The defaults are what most requests are, so that making one sets little.
    """

    route: Route
    dialect = Dialect.OPENAI
    parts: list[bytes]
    size = 0  # of the body, as far as it has come
    complete = False
    length = 0
    chunked = False
    has_body = False  # one was announced, be it empty
    keep_alive = True
    modern = True  # HTTP/1.1
    upgrade = False
    streamed = False  # its body goes on as it comes
    events = False  # the client waits for a stream of events, and may be told something meanwhile
    denied: "Answer | None" = None  # what is answered whatever its body says
    told = b""  # lines that its answer gets besides those of the model's server

    def __init__(self, head: bytes) -> None:
        lines = head.split(b"\r\n")
        words = lines[0].split(b" ")
        if len(words) != _WORDS_OF_A_LINE:
            raise RejectedError(400, "a request begins with a method, an address and HTTP/1.1")
        self.method, self.target, version = words
        self.sought = self.target  # what the model's server is asked for
        self.lines = lines
        self.parts = []
        self._read(lines)
        if version != b"HTTP/1.1":
            self._older(version)
        self._settle()

    def _read(self, lines: list[bytes]) -> None:
        self._kept = kept = [b""]
        self._credentials: list[bytes] = []
        self.found: dict[bytes, bytes] = {}
        append, know = kept.append, _known
        for line in lines[1:]:
            special = know(line) if len(line) <= _SHORT else _special(line)
            if special is None:
                append(line)
            else:
                self._note(line, *special)

    def _note(self, line: bytes, name: bytes, value: bytes) -> None:
        found = self.found
        if name in _READ:
            self._kept.append(line)
        elif name in _CREDENTIALS:
            self._credentials.append(line)
        if name not in found:
            found[name] = value
        elif name in _ONCE:
            raise RejectedError(400, f"more than one {name.decode()} header")
        else:
            found[name] += b", " + value

    def _older(self, version: bytes) -> None:
        if version != b"HTTP/1.0":
            raise RejectedError(505, f"{version[:20].decode('latin-1')} is not spoken here")
        self.modern = self.keep_alive = False

    def _settle(self) -> None:
        found = self.found
        if self.modern and b"host" not in found:
            raise RejectedError(400, "HTTP/1.1 asks for a Host header")
        if b"content-length" in found:
            length = found[b"content-length"]
            if not length.isdigit():
                raise RejectedError(400, "Content-Length is not a number")
            self.length, self.has_body = int(length), True
        if b"transfer-encoding" in found:
            if self.has_body:
                raise RejectedError(400, "a body has Content-Length or Transfer-Encoding, not both")
            if not (self.modern and found[b"transfer-encoding"].lower() == b"chunked"):
                raise RejectedError(501, "Transfer-Encoding: only chunked, in HTTP/1.1")
            self.chunked = self.has_body = True
        if b"connection" in found:
            self._obey(found[b"connection"].lower())

    def _obey(self, connection: bytes) -> None:
        words = {word.strip() for word in connection.split(b",")}
        self.keep_alive = b"close" not in words and (self.modern or b"keep-alive" in words)
        self.upgrade = b"upgrade" in words and b"upgrade" in self.found and self.modern
        if self.upgrade and self.chunked:
            raise RejectedError(400, "a request for another protocol has no chunked body")
        named = words - _PLAIN_CONNECTION
        if named or b"http2-settings" in words:
            self.drop(named | {b"http2-settings"})

    def drop(self, names: Container[bytes]) -> None:
        """Take headers out that are passed on otherwise; names in lower case."""
        self._kept = [line for line in self._kept if line.partition(b":")[0].lower() not in names]

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits for a word before it sends the body."""
        return self.modern and self.found.get(b"expect", b"").lower() == b"100-continue"

    def text(self, name: bytes) -> str:
        """A header of those that are looked at, "" where it is absent."""
        return self.found.get(name, b"").decode("latin-1")

    def header_map(self) -> dict[str, str]:
        """All headers, names in lower case; the values of repeated ones in one."""
        found: dict[str, str] = {}
        for line in self.lines[1:]:
            name, _, value = line.decode("latin-1").partition(":")
            key, text = name.lower(), value.strip(" \t")
            found[key] = f"{found[key]}, {text}" if key in found else text
        return found

    def body(self) -> bytes:
        """All of the body that is here, in one piece from now on."""
        if len(self.parts) != 1:
            self.parts = [b"".join(self.parts)]
        return self.parts[0]

    def upstream_head(self, host_line: bytes, *, credentials: bool) -> bytes:
        """The head for the model's server. Where its body isn't `streamed`, all of it must be here."""
        kept = self._kept
        kept[0] = b"%b %b HTTP/1.%d\r\n%b" % (self.method, self.sought, self.modern, host_line)
        lines = kept + self._credentials if credentials else kept.copy()
        if self.chunked and self.streamed:
            lines.append(b"Transfer-Encoding: chunked")
        elif self.has_body:
            length = self.length if self.streamed else sum(map(len, self.parts))
            lines.append(b"Content-Length: %d" % length)
        if self.upgrade:
            lines.append(b"Connection: Upgrade\r\nUpgrade: %b" % self.found[b"upgrade"])
        lines.append(b"\r\n")
        return b"\r\n".join(lines)


def _special(line: bytes) -> tuple[bytes, bytes] | None:
    """Name and value of a header that is looked at, None for all others."""
    name, _, value = line.partition(b":")
    name = name.lower()
    return (name, value.strip(b" \t")) if name in _SPECIAL else None


_known = lru_cache(4096)(_special)
"""For short lines: clients say the same again and again."""
