"""One request's wait for its model: counted, told to a client that streams, ended once.

Refuses to know what comes after it.
"""

import asyncio
from collections.abc import Callable

from zoosup.runtime.api.leasing import Ticket
from zoosup.web.gateway.context.context import Context
from zoosup.web.gateway.http1.heads.request_head import Request
from zoosup.web.gateway.http1.server_connection import ServerConnection
from zoosup.web.gateway.proxy.keepalive_comments import KeepaliveComments, Words

_LONGER = 1.5
"""Times its last load: a model that has not come by then is late."""


class Wait:
    """From the ticket to its end. `comments`: the client was told something, and with it the answer's head.

    `keep` is what that head has said: the connection lives on.
    """

    __slots__ = (
        "_client",
        "_context",
        "_model",
        "_request",
        "_since",
        "_ticket",
        "_words",
        "comments",
        "keep",
    )

    def __init__(  # noqa: PLR0913, PLR0917 - who waits, for what, and what it is told
        self,
        context: Context,
        client: ServerConnection,
        request: Request,
        model: str,
        ticket: Ticket,
        words: Callable[[], Words | None],
    ) -> None:
        self._context = context
        self._client = client
        self._request = request
        self._model = model
        self._ticket = ticket
        self._words = words
        self.comments: KeepaliveComments | None = None
        self.keep = request.head.keep_alive
        self._since = _time()
        context.connections.waiting.add(self)
        context.counters.waiting += 1

    def tick(self, now: float) -> None:
        """Called again and again: say why there is nothing yet, when it is time to."""
        if self.comments is None and now - self._since >= self._quiet():
            self._begin_to_speak()
        if self.comments is not None:
            self.comments.tick(now, self._ticket.why())

    def _quiet(self) -> float:
        """Seconds before the first word: once it was said, an early failure can be no status any more."""
        limits = self._context.limits
        load = _LONGER * (self._ticket.load_time or 0.0)
        return max(limits.quiet, min(load, limits.quiet_at_most))

    def _begin_to_speak(self) -> None:
        words = self._words()
        if words is None:
            return
        sink = self._request.through(self._client.transport)
        self.comments = KeepaliveComments(sink, self._context.limits.comment, words)
        self.keep = self._request.head.keep_alive and not self._context.state.closing
        self.comments.open(self._request, keep=self.keep)

    def cancel(self) -> None:
        """Give the place in the queue up."""
        self._ticket.cancel()
        self.over()

    def over(self) -> None:
        """It waits no longer."""
        self._context.connections.waiting.discard(self)
        seconds = _time() - self._since
        self._context.counters.waited_for(self._model, seconds)
        if self._request.record is not None:
            self._request.record.wait_over(self._model, seconds)


def _time() -> float:
    """The time to the microsecond; seconds of the loop's clock."""
    return asyncio.get_running_loop().time()
