"""The head that a server is sent: the client's lines, less what is not the server's business, and zoo.yaml's own.

Pure. Refuses to know connections and models.
"""

from dataclasses import dataclass, field

from zoosup.runtime.api.upstream import Upstream
from zoosup.web.gateway.hop import TOKEN
from zoosup.web.gateway.http1.heads import request_id
from zoosup.web.gateway.http1.heads.request_head import CREDENTIAL_HEADERS, Request

_CREDENTIALS = frozenset(name.encode() for name in CREDENTIAL_HEADERS)


@dataclass(frozen=True, slots=True)
class Addressee:
    """One server as heads are written for it. `own` are lines of zoo.yaml's, `replaced` what they take the place of.

    `tells_id`: it is told what requests are called, for zoo.yaml does not tell it otherwise; `asks_keys`: it is a
    gateway that has no other way to know who asks.
    """

    upstream: Upstream
    host_line: bytes
    own: bytes = b""
    replaced: frozenset[bytes] = field(default_factory=frozenset)
    tells_id: bool = True
    asks_keys: bool = False

    @classmethod
    def of(cls, upstream: Upstream, address: str) -> "Addressee":
        """`address` is host and port, where the file names none."""
        authority = upstream.url.authority if upstream.url is not None else address
        lines = (f"{name}: {value}\r\n" for name, value in upstream.headers)
        replaced = frozenset(name.lower().encode("latin-1") for name, _ in upstream.headers)
        if upstream.own_key:
            replaced |= _CREDENTIALS
        own = "".join(lines).encode("latin-1")
        line = b"Host: %b\r\n" % authority.encode("latin-1")
        asks_keys = bool(upstream.node) and TOKEN not in replaced
        return cls(upstream, line, own, replaced, request_id.NAME not in replaced, asks_keys)

    def whole(self, request: Request, *, credentials: bool) -> bytes:
        """The head of a request. Where its body isn't `streamed`, all of it must be here."""
        head = request.head
        if head.chunked and head.streamed:
            framing = b"Transfer-Encoding: chunked\r\n"
        elif head.has_body:
            framing = b"Content-Length: %d\r\n" % (request.length if head.streamed else len(request.body()))
        elif head.upgrade:
            framing = b"Connection: Upgrade\r\nUpgrade: %b\r\n" % head.found[b"upgrade"]
        else:
            framing = b""
        name = request.id_line if self.tells_id else b""
        return self.opening(request, credentials=credentials) + framing + name + request.more_lines + b"\r\n"

    def opening(self, request: Request, *, credentials: bool) -> bytes:
        """The same, but for its id, its trace, and what it says of the body.

        `credentials`: the client's go on, unless others replace them.
        """
        head = request.head
        passed = head.passed + head.credentials if credentials or self.asks_keys else head.passed
        if self.replaced:
            passed = _without(passed, self.replaced)
        return b"%b %b HTTP/1.%d\r\n%b%b%b" % (
            head.method,
            self._target(request.target),
            head.modern,
            self.host_line,
            passed,
            self.own,
        )

    def _target(self, target: bytes) -> bytes:
        url = self.upstream.url
        return target if url is None else url.target(target.decode("latin-1")).encode("latin-1")


def _without(lines: bytes, names: frozenset[bytes]) -> bytes:
    kept = (each for each in lines.splitlines(keepends=True) if each.partition(b":")[0].lower() not in names)
    return b"".join(kept)
