"""One request's claim on a model: asked for, waited for, held, given back; once each.

Refuses to know what is done with the lease: that is for who inherits.
"""

from abc import ABC, abstractmethod
from typing import Any

from zoosup.core.state.refusal import Refusal, RefusedError
from zoosup.runtime.api.leasing import Lease
from zoosup.web.gateway.context.context import Context
from zoosup.web.gateway.http1.heads.request_head import Request
from zoosup.web.gateway.http1.server_connection import ServerConnection
from zoosup.web.gateway.proxy import keepalive_comments
from zoosup.web.gateway.proxy.keepalive_comments import KeepaliveComments, Words
from zoosup.web.gateway.proxy.wait import Wait
from zoosup.web.gateway.telemetry.access_log.record import Ending

_OK = 200


class Claim(ABC):
    """A Holder of at most one lease. `_comments`: while it waited, its client was told something.

    `client` is whose key it has presented, where there are several; else the address it comes from, which many may
    share.
    """

    __slots__ = (
        "_client",
        "_comments",
        "_context",
        "_ended",
        "_keep",
        "_lease",
        "_model",
        "_request",
        "_wait",
        "client",
    )

    def __init__(self, context: Context, client: ServerConnection, request: Request, model: str) -> None:
        self._context = context
        self._client = client
        self._request = request
        self._model = model
        self.client = request.head.client or client.peer
        self._comments: KeepaliveComments | None = None
        self._lease: Lease | None = None
        self._wait: Wait | None = None
        self._keep = request.head.keep_alive
        self._ended = False

    def begin(self, *, looks: bool = False) -> None:
        """Ask for the model; from here on, everything else is told to this claim. `looks`: it is no demand."""
        leasing = self._context.leasing
        try:
            got: Any = leasing.look(self._model, self) if looks else leasing.ask(self._model, self)
        except RefusedError as error:
            self.refused(error.refusal)
        else:
            self._go_on_with(got)

    def _start_over(self) -> None:
        """Wait for the model again, in the place that this request had."""
        lease, self._lease = self._lease, None
        assert lease is not None  # noqa: S101 - only who has one can have tried it in vain
        self._context.counters.in_flight -= 1
        try:
            got = lease.unreachable()
        except RefusedError as error:
            self.refused(error.refusal)
        else:
            self._go_on_with(got)

    def _go_on_with(self, got: Any) -> None:
        """With a lease or a ticket."""
        if hasattr(got, "release"):
            self._lease = got
            self._context.counters.in_flight += 1
            self._send(got)
        elif self._lease is None and not self._ended:
            self._wait = Wait(self._context, self._client, self._request, self._model, got, self._words)
            self._wait.comments = self._comments

    def granted(self, lease: Lease) -> None:
        """The model is there, perhaps in the very tick in which the client went."""
        if self._ended:
            lease.release()
            return
        self._wait_is_over()
        self._lease = lease
        self._context.counters.in_flight += 1
        self._send(lease)

    def refused(self, refusal: Refusal) -> None:
        """The model can't be had."""
        if not self._ended:
            self._wait_is_over()
            self._refuse(refusal)

    def _words(self) -> Words | None:
        """How the client is spoken to while it waits; None where it is told nothing."""
        return keepalive_comments.words(self._context.state.rules.loading, self._request, self._model)

    def _wait_is_over(self) -> None:
        wait, self._wait = self._wait, None
        if wait is not None:
            wait.over()
            self._go_on_after(wait)

    def _cancel_the_wait(self) -> None:
        wait, self._wait = self._wait, None
        if wait is not None:
            wait.cancel()
            self._go_on_after(wait)

    def _go_on_after(self, wait: Wait) -> None:
        if wait.comments is not None:
            self._comments, self._keep = wait.comments, wait.keep

    def _end(self) -> None:
        """Give back what is held; nothing is done any more."""
        self._ended = True
        if self._request.buffered:
            self._request.let_go(self._context.state)
        lease, self._lease = self._lease, None
        if lease is not None:
            self._context.counters.in_flight -= 1
            lease.release()

    def _told(self, status: int) -> None:
        """Note what the client is told, where that is asked for."""
        record = self._request.record
        if record is not None:
            record.status, record.model = status, self._model

    def _note(self, ended: Ending, code: str = "") -> None:
        """Have it logged, where that is asked for."""
        record = self._request.record
        if record is not None:
            record.model = self._model
            if self._comments is not None:
                record.status = _OK  # that was said with the first word
            record.end(ended, code)

    @abstractmethod
    def cut(self, refusal: Refusal) -> None:
        """The model is being ended, or the gateway is."""

    @abstractmethod
    def _send(self, lease: Lease) -> None:
        """Use the lease."""

    @abstractmethod
    def _refuse(self, why: Refusal) -> None:
        """Say that there is none."""
