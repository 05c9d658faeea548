"""What a streaming client is sent while its model is not there yet, and the stream's own chunks from then on.

Once something was said, the answer's head is said too: a refusal can only come as an event. Refuses to know what is
waited for.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from zoosup.spec.model.gateway import LoadingStyle
from zoosup.web.gateway.http1 import response_head
from zoosup.web.gateway.http1.request_head import Request
from zoosup.web.gateway.proxy import rendering
from zoosup.web.gateway.route import Dialect

_OK = 200
_LONGEST_ERROR = 64 * 1024


@dataclass(frozen=True, slots=True)
class Words:
    """`waiting` says why there is nothing yet; `failure` is the event for an error that the model answers."""

    waiting: Callable[[str], bytes]
    failure: Callable[[int, bytes], bytes]


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
        said = f"{model} answered {status}: {body.decode('utf-8', 'replace').strip()}"
        return rendering.sse_error(said, "upstream_error", dialect, status)

    return Words(waiting, failure)


class KeepaliveComments:
    """A sink for the body of the model's answer, which is put into chunks of its own; `every` is seconds."""

    def __init__(self, transport: asyncio.Transport, every: float, words: Words) -> None:
        self._transport = transport
        self._every = every
        self._words = words
        self._last: float | None = None
        self._status = _OK
        self._error: list[bytes] = []

    def open(self, connection: bytes) -> None:
        """Send the head."""
        self._transport.write(response_head.LOADING + connection + b"\r\n")

    def tick(self, now: float, why: str) -> None:
        """Say why there is nothing yet, when it is time to."""
        if self._last is None or now - self._last >= self._every:
            self._last = now
            self._transport.write(response_head.chunk(self._words.waiting(why)))

    def answered(self, status: int) -> None:
        """The model answers."""
        self._status = status

    def write(self, data: bytes, /) -> None:
        """The next piece of the model's body."""
        if self._status == _OK:
            self._transport.write(response_head.chunk(data))
        elif sum(map(len, self._error)) < _LONGEST_ERROR:
            self._error.append(data)

    def finish(self) -> None:
        """The model's answer is complete."""
        if self._status != _OK:
            self.refuse(self._words.failure(self._status, b"".join(self._error)))
        else:
            self._transport.write(response_head.LAST_CHUNK)

    def refuse(self, event: bytes) -> None:
        """The whole answer is an error: say it, and end the stream as it should end."""
        self._transport.write(response_head.chunk(event) + response_head.LAST_CHUNK)
