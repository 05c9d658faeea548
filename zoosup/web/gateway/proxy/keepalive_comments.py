"""What a streaming client is sent while its model is not there yet, and the stream's own chunks from then on.

Once something was said, the answer's head is said too: a refusal can only come as an event. A stream that is translated
for its client goes this way from its first word, whether or not anything was said before. Refuses to know what is
waited for.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from zoosup.spec.model.gateway import LoadingStyle
from zoosup.web.gateway.http1.handlers import Sink
from zoosup.web.gateway.http1.heads import response_head
from zoosup.web.gateway.http1.heads.request_head import Request
from zoosup.web.gateway.proxy import rendering
from zoosup.web.gateway.proxy.whole_answer import as_events, begins_events
from zoosup.web.gateway.route import Dialect

_OK = 200
_LONGEST_ERROR = 64 * 1024
_LONGEST_WHOLE = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Words:
    """`waiting` says why there is nothing yet; `failure` is the event for an error that the model answers.

    `whole` are the events for an answer that is no stream; `head` is that of the answer, without what depends on the
    request.
    """

    waiting: Callable[[str], bytes]
    failure: Callable[[int, bytes], bytes]
    whole: Callable[[bytes], bytes] = bytes
    head: bytes = response_head.LOADING


def words(style: LoadingStyle, request: Request, model: str) -> Words | None:
    """How a client is spoken to while it waits for `model`; None where it is told nothing."""
    dialect = request.head.route.dialect
    if style is LoadingStyle.OFF or not (request.events and request.head.modern):
        return None
    created, aloud = int(time.time()), style is LoadingStyle.REASONING and dialect is Dialect.CHAT

    def waiting(why: str) -> bytes:
        if aloud:
            return rendering.loading_reasoning(model, why, created)
        return rendering.loading_comment(f"loading {model}: {why}")

    def failure(status: int, body: bytes) -> bytes:
        own = rendering.own_error(body, dialect)
        if own is not None:
            return own
        said = f"{model} answered {status}: {body.decode('utf-8', 'replace').strip()}"
        return rendering.sse_error(said, "upstream_error", dialect, status)

    def whole(body: bytes) -> bytes:
        said = f"{model} was asked for a stream, and its answer is none"
        return as_events(body, dialect) or rendering.sse_error(said, "upstream_error", dialect)

    return Words(waiting, failure, whole)


class KeepaliveComments:
    """A sink for the body of the model's answer, which is put into chunks of its own; `every` is seconds."""

    def __init__(self, sink: Sink, every: float, words: Words) -> None:
        self._client = sink
        self._every = every
        self._words = words
        self._framed: Callable[[bytes], bytes] = response_head.chunk
        self._last_chunk = response_head.LAST_CHUNK
        self._last: float | None = None
        self._status = _OK
        self._passes = True  # what comes is of a stream, and goes on as it comes
        self._kept: list[bytes] = []  # of what is none, until it is complete
        self._room = 0

    def open(self, request: Request, *, keep: bool) -> None:
        """Send the head; `keep`: the connection lives on."""
        line = response_head.connection_line(keep=keep, modern=request.head.modern)
        head = self._words.head
        if not request.head.modern:  # HTTP/1.0 knows no chunks
            head, self._framed, self._last_chunk = response_head.unframed(head), bytes, b""
        self._client.write(head + request.head.told + line + request.id_line + b"\r\n")

    def tick(self, now: float, why: str) -> None:
        """Say why there is nothing yet, when it is time to."""
        if self._last is None or now - self._last >= self._every:
            self._last = now
            self._client.write(self.event(self._words.waiting(why)))

    def answered(self, status: int, *, streams: bool) -> None:
        """The model answers; `streams`: what it says is a stream of events, by its head."""
        self._status = status
        self._passes = streams and status == _OK
        self._room = _LONGEST_WHOLE if status == _OK else _LONGEST_ERROR

    def write(self, data: bytes, /) -> None:
        """The next piece of the model's body."""
        if self._status == _OK and not self._kept and begins_events(data):
            self._passes = True
        if self._passes:
            self._client.write(self._framed(data))
        elif self._room > 0:
            self._room -= len(data)
            self._kept.append(data)

    def finish(self) -> None:
        """The model's answer is complete."""
        kept = b"".join(self._kept)
        if self._passes:
            self._client.write(self._last_chunk)
        elif self._status != _OK:
            self.refuse(self._words.failure(self._status, kept))
        else:
            self.refuse(self._words.whole(kept))

    def refuse(self, event: bytes) -> None:
        """The whole answer is an error, or came whole: say it, and end the stream as it should end."""
        self._client.write(self.event(event) + self._last_chunk)

    def event(self, event: bytes) -> bytes:
        """The bytes of one more event of the stream."""
        return self._framed(event)
