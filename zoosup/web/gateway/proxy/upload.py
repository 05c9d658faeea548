"""The body of a request on its way to the model's server: whole with the head, or passed on as it comes.

Refuses to know answers.
"""

from abc import ABC

from zoosup.web.gateway.http1.client_connection import ClientConnection
from zoosup.web.gateway.http1.heads import response_head
from zoosup.web.gateway.proxy.claim import Claim


class Upload(Claim, ABC):
    """The sending half of an exchange. `_upstream` is the connection in use, None while there is none.

    `_sent`: the request's body began to go out and is not at hand any more.
    """

    __slots__ = ("_sent", "_upstream")

    _sent: bool
    _upstream: ClientConnection | None

    def _parts(self) -> list[bytes]:
        """What can go out with the head: as much of the body as is here."""
        request = self._request
        if not request.head.streamed:
            return request.parts
        self._client.invite(request)
        self._client.hold(False)
        parts = (
            [response_head.chunk(part) for part in request.parts] if request.head.chunked else request.parts
        )
        request.parts = []
        self._sent = self._sent or bool(parts)
        if request.complete and request.head.chunked:
            parts.append(response_head.LAST_CHUNK)
            self._sent = True
        return parts

    def data(self, piece: bytes) -> None:
        """A piece of the body of a request that is passed on as it comes."""
        if self._upstream is None:
            self._request.parts.append(piece)
            self._client.hold(True)
            return
        self._sent = True
        self._upstream.transport.write(response_head.chunk(piece) if self._request.head.chunked else piece)

    def end(self) -> None:
        """That body has ended."""
        if self._upstream is None:
            return
        self._upstream.sent_whole = True
        if self._request.head.chunked:
            self._upstream.transport.write(response_head.LAST_CHUNK)

    def on_backpressure(self, held: bool) -> None:
        """The model takes the body more slowly than it comes, or no longer does."""
        if self._request.head.streamed:
            self._client.hold(held)
