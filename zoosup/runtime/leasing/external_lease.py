"""Leases of servers elsewhere: given to whoever asks, for nobody starts or stops those for a client.

Whether it answers is seen when it is asked: a probe's word is for people. Refuses to know queues.
"""

from collections.abc import Callable
from typing import NoReturn

from zoosup.core.state.refusal import Code, Refusal, RefusedError
from zoosup.runtime.api.leasing import Holder
from zoosup.runtime.state.external import ExternalServer


class ExternalLease:
    """One client's use of a server elsewhere; see `api.Lease`. `now` is None for a look, which is no use."""

    __slots__ = ("_now", "_server", "holder", "host", "model", "port", "run_id", "upstream")

    def __init__(self, server: ExternalServer, holder: Holder, now: Callable[[], float] | None) -> None:
        url = server.upstream.url
        assert url is not None  # noqa: S101 - or it would be none
        self._server = server
        self._now = now
        self.holder = holder
        self.model = server.name
        self.run_id = server.key
        self.upstream = server.upstream
        self.host, self.port = url.host, url.port
        if now is not None:
            server.leases.add(self)

    def release(self) -> None:
        """Give it back, once; a second call does nothing."""
        if self._now is not None and self in self._server.leases:
            self._server.leases.remove(self)
            self._server.last_used = self._now()

    def stay(self, seconds: float) -> None:
        """See `api.Lease`: how long it stays is somebody else's business."""

    def unreachable(self) -> NoReturn:
        """See `api.Lease`: nothing brings it back."""
        self.release()
        raise RefusedError(Refusal(Code.UPSTREAM_ERROR, f"{self.model} can't be reached"))
