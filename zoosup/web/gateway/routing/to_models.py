"""What becomes of every request for a model, whichever API it is of: whose name it has, what of its body is changed.

Long bodies are read and written in threads. Refuses to know which address a request has come to.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn, TypeVar

from zoosup.core.state.refusal import Code, Refusal
from zoosup.runtime.api.listing import ModelCard, Served
from zoosup.spec.model.requests import BodyChanges
from zoosup.web.gateway.context.context import Context
from zoosup.web.gateway.errors import DeniedError
from zoosup.web.gateway.http1.heads.request_head import Head, Request
from zoosup.web.gateway.http1.pool import ConnectionPools
from zoosup.web.gateway.http1.server_connection import ServerConnection
from zoosup.web.gateway.proxy import rendering
from zoosup.web.gateway.proxy.exchange import Exchange
from zoosup.web.gateway.routing.admission import denied
from zoosup.web.gateway.routing.allowed import cards_for, check_allowed
from zoosup.web.gateway.routing.body_rewrite import rewrite
from zoosup.web.gateway.routing.model_name import unnamed
from zoosup.web.gateway.telemetry.access_log.record import Ending

_T = TypeVar("_T")
_log = logging.getLogger(__name__)
_THREADS = 2


class ToModels:
    """The way of requests to models, for all connections of one gateway."""

    def __init__(self, context: Context, pools: ConnectionPools) -> None:
        self._context, self._state = context, context.state
        self._pools = pools
        # Its own: long bodies must not keep others of the process's threads, nor one another for long.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="zoosup-bodies")

    def close(self) -> None:
        """No body is read any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _decline(
        self, client: ServerConnection, request: Request, error: "DeniedError | NotFoundError"
    ) -> None:
        if isinstance(error, DeniedError):
            client.answer(denied(error, request), request)
        else:
            dialect = request.head.route.dialect
            client.answer(rendering.refused(error.refusal, dialect, local=client.is_local(request)), request)

    def _known(self, head: Head, name: str) -> Served:
        """What a name means that this client may use; NotFoundError or DeniedError."""
        served = self._context.leasing.find(name) or self._unknown(head, name)
        if head.caller.models is not None:
            check_allowed(head.caller, name, served, self._context.leasing)
        return served

    def _card(self, head: Head, name: str) -> ModelCard:
        """What clients may know of a name; an alias is its model."""
        model, cards = self._known(head, name).model, self._context.known.cards()
        return next(card for each in (name, model) for card in cards if card.name == each)

    def _unknown(self, head: Head, name: str) -> NoReturn:
        if not name:
            raise unnamed()
        cards = cards_for(head.caller, self._context.known)
        raise NotFoundError(name, [card.name for card in cards])

    def _change(
        self,
        client: ServerConnection,
        request: Request,
        changes: BodyChanges,
        begin: Callable[[], None],
    ) -> None:
        """Make zoo.yaml's changes of a body, then go on."""
        body, kind = request.body(), request.head.content_type

        def go_on(changed: bytes) -> None:
            request.parts = [changed]
            begin()

        self._work(client, request, len(body), lambda: rewrite(body, changes, kind), go_on)

    def _begin(self, client: ServerConnection, exchange: Exchange, *, looks: bool = False) -> None:
        client.sink = exchange
        exchange.begin(looks=looks)

    def _work(
        self,
        client: ServerConnection,
        request: Request,
        size: int,
        work: Callable[[], _T],
        then: Callable[[_T], None],
    ) -> None:
        """Do what has to do with a body of that many bytes: in a thread where it is long."""
        if size > self._context.state.rules.in_line:
            self._in_thread(client, request, work, then)
        else:
            then(work())

    def _in_thread(
        self,
        client: ServerConnection,
        request: Request,
        work: Callable[[], _T],
        then: Callable[[_T], None],
    ) -> None:
        """Do what takes long in a thread; if the client is still there afterwards, go on."""
        reading = _BodyReading()
        client.sink = reading

        def done(future: "asyncio.Future[_T]") -> None:
            if client.sink is not reading:
                request.let_go(self._context.state)
                if request.record is not None:
                    request.record.end(Ending.CANCELLED)
                return
            try:
                then(future.result())
            except (DeniedError, NotFoundError) as error:
                self._decline(client, request, error)
            except Exception:  # noqa: BLE001 - whatever it is, the client waits for an answer
                _log.exception("internal error: a body could not be read")
                self._decline(client, request, DeniedError(500, "internal_error", "internal error"))

        asyncio.get_running_loop().run_in_executor(self._threads, work).add_done_callback(done)


class _BodyReading:
    """Stands where an exchange will be, while a long body is read for its model's name."""

    def data(self, piece: bytes) -> None:
        """All of the body is here."""

    def end(self) -> None:
        """It is."""

    def gone(self) -> None:
        """The client has hung up: `done` sees it."""

    def pause(self, paused: bool) -> None:
        """Nothing is being answered yet."""

    def tick(self) -> None:
        """It takes what it takes."""

    def cut(self, refusal: Refusal) -> None:
        """Nor can anything be said yet."""


class NotFoundError(Exception):
    """No model has that name."""

    def __init__(self, name: str, known: list[str]) -> None:
        message = f"there is no model {name[:128]!r}; known are {', '.join(known) or 'none'}"
        super().__init__(message)
        self.refusal = Refusal(Code.MODEL_NOT_FOUND, message, final=True)
