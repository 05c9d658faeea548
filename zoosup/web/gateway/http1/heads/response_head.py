"""Heads of answers: what of a model's goes to the client, and the few that the gateway writes itself.

Pure. A head is cut at its lines and never put together anew, so that it passes byte for byte; llhttp has read it
before, so that its lines are what they seem. Refuses to know what an answer is about.
"""

import contextlib
import re
from collections.abc import Callable

import httptools

from zoosup.web.gateway.http1.heads import request_id

# The lookahead spares most lines six tries.
_OURS = re.compile(
    rb"\r\n(?=[ckpux])(?:connection|keep-alive|proxy-connection|upgrade|x-request-id|x-zoosup-hop):[^\r]*",
    re.IGNORECASE,
)
_CONNECTION = re.compile(rb"\r\nconnection:([^\r]*)", re.IGNORECASE)
_USUAL = [b" keep-alive"]
_HARMLESS = frozenset({b"", b"close", b"keep-alive", b"upgrade"})
_MEASURED = re.compile(rb"\r\n(?:content-length:|transfer-encoding:[^\r]*chunked)", re.IGNORECASE)
_EVENTS = re.compile(rb"\r\ncontent-type:[ \t]*text/event-stream", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r]*chunked", re.IGNORECASE)

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LOADING = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n"
    b"X-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n"
)
LINES = LOADING.replace(b"text/event-stream; charset=utf-8", b"application/x-ndjson")
"""The same for a stream of JSON objects, one a line."""

UNBUFFERED = b"X-Accel-Buffering: no\r\n"
"""For an nginx in front, which would else keep events until it has many."""

LAST_CHUNK = b"0\r\n\r\n"


def passed_on(head: bytes, told: bytes, own: bytes, rest: bytes = b"") -> bytes:
    """A model's head without its last line ends, as the client gets it, `own` in place of what it says of the same.

    `own` are lines about the connection and the request's id.
    `told` are lines about who may read the answer, in place of the model's own; `rest` is what follows the head.
    """
    kept = _OURS.sub(b"", head)
    if len(kept) != len(head):
        values = _CONNECTION.findall(head)
        if values and values != _USUAL:
            named = {word.strip() for word in b",".join(values).lower().split(b",")}
            kept = kept if named <= _HARMLESS else _without(kept, named.__contains__)
        head = kept
    if head[:8] != b"HTTP/1.1":
        head = b"HTTP/1.1" + head[8:]  # a proxy speaks for itself: the client may keep its connection
    if told:
        head = _without(head, lambda name: name.startswith(b"access-control-"))
    return b"".join((head, b"\r\n", told, own, b"\r\n", rest))


def _without(head: bytes, unwanted: Callable[[bytes], bool]) -> bytes:
    first, *lines = head.split(b"\r\n")
    kept = [line for line in lines if not unwanted(line.partition(b":")[0].lower())]
    return b"\r\n".join([first, *kept])


def unframed(head: bytes) -> bytes:
    """The same without a word of chunks, for a body that ends with its connection."""
    return _without(head, b"transfer-encoding".__eq__)


def switched(head: bytes, id_line: bytes) -> bytes:
    """The head of a 101, whose hop-by-hop headers are its whole point."""
    return b"%b\r\n%b\r\n" % (_without(head, request_id.NAME.__eq__), id_line)


def is_measured(head: bytes) -> bool:
    """Whether an answer with a body says where that ends, other than by the end of the connection."""
    return _MEASURED.search(head) is not None


def is_chunked(head: bytes) -> bool:
    """Whether the body comes in chunks."""
    return _CHUNKED.search(head) is not None


def is_events(head: bytes) -> bool:
    """Whether the body is a stream of server-sent events."""
    return _EVENTS.search(head) is not None


def chunk(data: bytes) -> bytes:
    """One chunk; `data` must not be empty, for that would be the last one."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def connection_line(*, keep: bool, modern: bool) -> bytes:
    """What is said about the connection, with a line end; HTTP/1.1 keeps it and HTTP/1.0 closes it unless told."""
    if keep:
        return b"" if modern else b"Connection: keep-alive\r\n"
    return b"Connection: close\r\n"


def check(head: bytes) -> None:
    """Let llhttp read a request's head, without the empty line; HttpParserError where it is none."""
    verdict = _Verdict()
    with contextlib.suppress(httptools.HttpParserUpgrade):
        httptools.HttpRequestParser(verdict).feed_data(head + b"\r\n\r\n")
    if not verdict.complete:
        raise httptools.HttpParserError("the head does not end")


class _Verdict:
    complete = False

    def on_headers_complete(self) -> None:
        self.complete = True
