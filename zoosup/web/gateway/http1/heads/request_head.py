"""One request of a client: what its head says, and what of it a model's server is told.

Lines pass as they are. llhttp reads the same head, and refuses bad characters, folded lines and conflicting lengths;
here is what it leaves open. Refuses to know sockets, models and keys.
"""

from collections.abc import Container
from copy import copy
from functools import cached_property
from typing import final

from zoosup.web.gateway.caller import ANYBODY
from zoosup.web.gateway.context.context import State
from zoosup.web.gateway.hop import NAMES as HOP_HEADERS, Hop
from zoosup.web.gateway.http1.handlers import Sink
from zoosup.web.gateway.http1.heads import request_id
from zoosup.web.gateway.http1.heads.head_pattern import HeadPattern
from zoosup.web.gateway.http1.heads.request_id import new_line
from zoosup.web.gateway.http1.response import Response
from zoosup.web.gateway.route import Route
from zoosup.web.gateway.telemetry.access_log.record import Record
from zoosup.web.gateway.telemetry.usage import NOTHING_SAID, Meter, Tokens, tokens_in

CREDENTIAL_HEADERS = frozenset({"authorization", "x-api-key", "api-key"})
"""Headers (in lower case) that may carry a key; none of them goes to a model's server when keys are asked for."""

_HOP_BY_HOP = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"te", b"upgrade"})
_DROPPED = (
    _HOP_BY_HOP | HOP_HEADERS | {b"content-length", b"transfer-encoding", b"host", b"expect", request_id.NAME}
)
_CREDENTIALS = frozenset(name.encode() for name in CREDENTIAL_HEADERS)
_FORWARDED = frozenset({b"forwarded", b"x-forwarded-for", b"x-real-ip"})
_TRACE = frozenset({b"traceparent", b"tracestate"})
_READ = _DROPPED | _CREDENTIALS | _FORWARDED | _TRACE | {b"content-type", b"content-encoding", b"origin"}
_ONCE = frozenset({b"host", b"content-length", b"transfer-encoding", b"content-type"})
_PLAIN_CONNECTION = frozenset({b"", b"close", b"keep-alive", b"upgrade", b"te", b"http2-settings"})
_PLAIN_ENCODINGS = frozenset({b"", b"identity"})
_WORDS_OF_A_LINE = 3


class RejectedError(Exception):
    """A request that can't be read; its connection is of no use any more. `status` is the answer's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@final
class Head:
    """What a request says before its body; nothing in it changes once it was admitted, for it serves again and again.

    `route`, `streamed`, `told`, `client`, `caller` and `hop` are settled by who admits it. The other defaults are what
    most requests are.
    """

    # Each request reads them, with a tenth of the steps that it took were they their class's or in a dictionary.
    __slots__ = (
        "__dict__", "_credentials", "_kept", "caller", "chunked", "client", "encoded", "expects_continue",
        "found", "has_body", "hop", "id_line", "keep_alive", "lines", "method", "modern", "pattern", "route",
        "streamed", "target", "told", "upgrade",
    )  # fmt: skip

    def __init__(self, head: bytes) -> None:
        self.route: Route
        self.client = ""  # who asks, where that is known by more than an address
        self.caller = ANYBODY  # whose key was presented
        self.hop: Hop | None = None  # what another gateway of the fleet says of it that has passed it on
        self.id_line = b""  # of the id that its client has given it
        self.streamed = False  # its body goes on as it comes
        self.told = b""  # lines that its answer gets besides those of the model's server
        self.chunked = False
        self.has_body = False  # one was announced, be it empty
        self.upgrade = False
        self.expects_continue = False
        self.encoded = False  # its body is compressed, or otherwise not what it is about
        # By which a connection knows the next like it, where it is as most are.
        self.pattern: HeadPattern | None = None
        self.lines = head.split(b"\r\n")
        words = self.lines[0].split(b" ")
        if len(words) != _WORDS_OF_A_LINE:
            raise RejectedError(400, "a request begins with a method, an address and HTTP/1.1")
        self.method, self.target, version = words
        self._kept: list[bytes] = []
        self._credentials: list[bytes] = []
        self.found: dict[bytes, bytes] = {}
        self.keep_alive = self.modern = True  # HTTP/1.1
        for line in self.lines[1:]:
            self._note(line)
        if version != b"HTTP/1.1":
            self._older(version)
        self._settle()

    def _note(self, line: bytes) -> None:
        spelled, _, value = line.partition(b":")
        name, found = spelled.lower(), self.found
        if name in _CREDENTIALS:
            self._credentials.append(line)
        elif name not in _DROPPED:
            self._kept.append(line)
        if name not in _READ:
            return
        if name not in found:
            found[name] = value.strip(b" \t")
        elif name in _ONCE:
            raise RejectedError(400, f"more than one {name.decode()} header")
        else:
            found[name] += b", " + value.strip(b" \t")

    def _older(self, version: bytes) -> None:
        if version != b"HTTP/1.0":
            raise RejectedError(505, f"{version[:20].decode('latin-1')} is not spoken here")
        self.modern = self.keep_alive = False

    def _settle(self) -> None:
        found = self.found
        if self.modern and b"host" not in found:
            raise RejectedError(400, "HTTP/1.1 asks for a Host header")
        self.has_body = b"content-length" in found
        self.encoded = found.get(b"content-encoding", b"").lower() not in _PLAIN_ENCODINGS
        if b"transfer-encoding" in found:
            if self.has_body:
                raise RejectedError(400, "a body has Content-Length or Transfer-Encoding, not both")
            if not (self.modern and found[b"transfer-encoding"].lower() == b"chunked"):
                raise RejectedError(501, "Transfer-Encoding: only chunked, in HTTP/1.1")
            self.chunked = self.has_body = True
        if request_id.NAME in found:
            self.id_line = request_id.line_of(found[request_id.NAME])
        if b"connection" in found:
            self._obey(found[b"connection"].lower())
        self.expects_continue = self.modern and found.get(b"expect", b"").lower() == b"100-continue"

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
        """Pass some headers on no more, in lower case; only before anybody has read `passed`."""
        self._kept = [line for line in self._kept if line.partition(b":")[0].lower() not in names]

    def drop_trace(self) -> None:
        """Pass on no more which trace it is of, likewise: each request says that anew (`Request.more_lines`)."""
        self.drop(_TRACE)

    def add(self, line: bytes) -> None:
        """Pass on one line more, likewise."""
        self._kept.append(line)

    def without(self, *names: bytes) -> "Head":
        """The same, but that some headers are not passed on; names in lower case."""
        other = copy(self)
        other.__dict__.pop("passed", None)
        other.pattern = None
        other.drop(names)
        return other

    def for_json(self) -> "Head":
        """The same for another body: JSON, and an answer that is to be read."""
        other = self.without(b"accept", b"accept-encoding", b"content-type")
        other.add(b"Content-Type: application/json")
        other.found = self.found | {b"content-type": b"application/json"}
        other.__dict__.pop("content_type", None)
        return other

    @property
    def forwarded(self) -> bool:
        """Whether a proxy says that it asks for somebody else."""
        return not self.found.keys().isdisjoint(_FORWARDED)

    @property
    def content_length(self) -> int:
        """What the head says of the body's length; 0 where it says nothing."""
        length = self.found.get(b"content-length", b"0")
        if not length.isdigit():
            raise RejectedError(400, "Content-Length is not a number")
        return int(length)

    @cached_property
    def passed(self) -> bytes:
        """The lines that go to a model's server as they are, each with a line end, credentials not among them."""
        return b"".join(line + b"\r\n" for line in self._kept)

    @cached_property
    def content_type(self) -> str:
        """What the body is said to be, "" where nothing is said."""
        return self.text(b"content-type")

    @cached_property
    def credentials(self) -> bytes:
        """The lines with keys, each with a line end."""
        return b"".join(line + b"\r\n" for line in self._credentials)

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


@final
class Request:
    """A head, and the body as far as it has arrived. `length` is the body's, 0 where it is chunked.

    `body`: all of it, where it has come with the head. `id_line` goes to the model's server and into the answer.
    """

    __slots__ = (
        "_meter",
        "answer",
        "buffered",
        "complete",
        "counts_tokens",
        "denied",
        "encouraged",
        "events",
        "head",
        "id_line",
        "length",
        "more_lines",
        "parts",
        "record",
        "size",
        "target",
    )

    def __init__(self, head: Head, length: int, body: bytes | None = None, id_line: bytes = b"") -> None:
        self.head = head
        self.id_line = id_line or new_line()
        self.length = length
        self.parts: list[bytes] = [] if body is None else [body]
        self.size = 0 if body is None else length  # of the body, as far as it has come
        self.complete = body is not None
        self.buffered = 0  # of the body, as far as it counts in `State.buffered`
        self.target = head.target  # what the model's server is asked for
        self.events = False  # the client waits for a stream of events, and may be told something meanwhile
        self.encouraged = False  # the client was told to go on
        self.denied: Response | None = None  # what is answered whatever its body says
        self.record: Record | None = None  # what is noted of it, where a log is kept, or traces
        self.more_lines = b""  # for who is asked: of the trace that it is to go on with, of who it is for
        self.counts_tokens = False  # its answer is asked how many it has taken
        self.answer = b""  # all of it, where it came in one piece and there is no record
        self._meter: Meter | None = None

    @property
    def meter(self) -> Meter | None:
        """What stands in the way of its answer, where that is looked at; its record, if it has one.

        Made where it is first asked for: most answers come in one piece, and need none.
        """
        if self.record is not None:
            return self.record
        if self._meter is None and self.counts_tokens:
            self._meter = Meter(counts_tokens=True)
        return self._meter

    def through(self, sink: Sink) -> Sink:
        """Where its answer goes, so that what is looked at in it is seen."""
        meter = self.meter
        return sink if meter is None else meter.through(sink)

    def tokens(self) -> Tokens:
        """What its answer says it has taken; to be asked once that is over."""
        if self.answer:
            return tokens_in(self.answer) if self.counts_tokens else NOTHING_SAID
        return NOTHING_SAID if self.meter is None else self.meter.tokens()

    def keep(self, piece: bytes, state: State) -> None:
        """Keep a piece of the body until all is here."""
        self.parts.append(piece)
        self.buffered += len(piece)
        state.buffered += len(piece)

    def let_go(self, state: State) -> None:
        """Nobody needs the body any more."""
        self.parts = []
        state.buffered -= self.buffered
        self.buffered = 0

    def body(self) -> bytes:
        """All of the body that is here, in one piece from now on."""
        if len(self.parts) != 1:
            self.parts = [b"".join(self.parts)]
        return self.parts[0]
