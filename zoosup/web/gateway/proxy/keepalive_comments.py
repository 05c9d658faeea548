"""What a streaming client is sent while its model is not there yet, and the stream's own chunks from then on.

Once something was said, the answer's head is said too: a refusal can only come as an event. Refuses to know what is
waited for.
"""

import asyncio
from collections.abc import Callable

from zoosup.web.gateway.http1 import response_head

_OK = 200
_LONGEST_ERROR = 64 * 1024


class Loading:
    """A sink for the body of the model's answer, which is put into chunks of its own.

    `say` gives the words for why there is nothing yet, `failure` the event for an error that the model answers.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        every: float,
        say: Callable[[str], bytes],
        failure: Callable[[int, bytes], bytes],
    ) -> None:
        self._transport = transport
        self._every = every
        self._say = say
        self._failure = failure
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
            self._transport.write(response_head.chunk(self._say(why)))

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
            self.refuse(self._failure(self._status, b"".join(self._error)))
        else:
            self._transport.write(response_head.LAST_CHUNK)

    def refuse(self, event: bytes) -> None:
        """The whole answer is an error: say it, and end the stream as it should end."""
        self._transport.write(response_head.chunk(event) + response_head.LAST_CHUNK)
