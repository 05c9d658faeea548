"""Two connections joined after a 101: what comes from one goes to the other, no faster than it is taken.

Refuses to know what is spoken.
"""

import asyncio
from collections.abc import Callable

from zoosup.web.gateway.context.limits import Limits


class _End(asyncio.Protocol):
    """One side; `other` is where its bytes go."""

    def __init__(self, over: Callable[["_End"], None]) -> None:
        self._over = over
        self.heard = False  # since the last tick
        self.transport: asyncio.Transport
        self.other: asyncio.Transport

    def data_received(self, data: bytes) -> None:
        self.heard = True
        self.other.write(data)

    def pause_writing(self) -> None:
        if not self.other.is_closing():
            self.other.pause_reading()

    def resume_writing(self) -> None:
        if not self.other.is_closing():
            self.other.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - gone is gone
        self._over(self)


class Tunnel:
    """Until either side closes; then the other is closed once it has got what was sent to it, and `over` is called."""

    def __init__(
        self,
        client: asyncio.Transport,
        upstream: asyncio.Transport,
        limits: Limits,
        over: Callable[[], None],
    ) -> None:
        self._limits = limits
        self._over = over
        self._ended = False
        self._heard_at: float | None = None
        self._client, self._upstream = _End(self._lost), _End(self._lost)
        self._client.transport = self._upstream.other = client
        self._upstream.transport = self._client.other = upstream

    def open(self, first: bytes, early: bytes) -> None:
        """Join them; `first` goes to the client, `early` is what the client has sent ahead."""
        self._client.transport.set_protocol(self._client)
        self._upstream.transport.set_protocol(self._upstream)
        self._client.transport.write(first)
        if early:
            self._upstream.transport.write(early)

    def tick(self, now: float) -> None:
        """End both where neither has said anything for too long; seconds of the loop's clock."""
        heard = self._client.heard or self._upstream.heard
        self._client.heard = self._upstream.heard = False
        if heard or self._heard_at is None:
            self._heard_at = now
        elif now - self._heard_at >= self._limits.tunnel:
            self.abort()

    def abort(self) -> None:
        """End both at once."""
        self._client.transport.abort()
        self._upstream.transport.abort()

    def _lost(self, end: _End) -> None:
        if not end.other.is_closing():
            end.other.close()
            asyncio.get_running_loop().call_later(
                self._limits.farewell, end.other.abort
            )  # nobody may fetch it
        if not self._ended:
            self._ended = True
            self._over()
