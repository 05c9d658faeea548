"""What becomes of a request: refused, answered here, or handed to the model that it names.

Puts the pure parts together: `admission`, `model_name`, `body_rewrite`, `proxy.rendering`. Refuses to know how bytes
come and go.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NoReturn, TypeVar

from zoosup.core.state.refusal import Code, Refusal
from zoosup.spec.model.model import ModelSpec
from zoosup.web.gateway.context import Context
from zoosup.web.gateway.errors import DeniedError
from zoosup.web.gateway.http1.pool import ConnectionPools
from zoosup.web.gateway.http1.request_head import Request
from zoosup.web.gateway.http1.response import Response
from zoosup.web.gateway.http1.server_connection import ServerConnection
from zoosup.web.gateway.proxy import rendering
from zoosup.web.gateway.proxy.exchange import Exchange
from zoosup.web.gateway.route import Kind
from zoosup.web.gateway.routing.access import Policy
from zoosup.web.gateway.routing.admission import Admission, denied
from zoosup.web.gateway.routing.body_rewrite import rewrite
from zoosup.web.gateway.routing.model_name import Named, model_of, named_in_json, named_in_query
from zoosup.web.gateway.routing.routes import check_task, is_look, split_upstream

_T = TypeVar("_T")
_log = logging.getLogger(__name__)
_ENDPOINT, _UPSTREAM = Kind.ENDPOINT, Kind.UPSTREAM  # looking up an enum's member takes time
_THREADS = 2
_HEALTH = rendering.document_answer(b'{"status":"ok"}')


class Router:
    """The RequestHandler of all connections of one gateway."""

    def __init__(self, context: Context, pools: ConnectionPools) -> None:
        self._context = context
        self._pools = pools
        # Its own: long bodies must not keep others of the process's threads, nor one another for long.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="zoosup-bodies")
        self._admission = Admission(context)
        self.request = self._admission.request
        self.denied = denied

    def close(self) -> None:
        """No body is read any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def enforce(self, policy: Policy) -> None:
        """Rules or policy have changed: whoever was admitted is looked at again."""
        self._admission.enforce(policy)
        for client in self._context.connections.clients:
            client.forget()

    def unreadable(self, status: int, message: str) -> Response:
        """What is answered where no request can be made out."""
        return rendering.denied_answer(DeniedError(status, "invalid_request", message))

    def on_request(self, client: ServerConnection, request: Request) -> None:
        """Answer it, or begin its exchange with a model."""
        if request.denied is not None:
            client.answer(request.denied, request)
            return
        head = request.head
        try:
            if head.pattern is not None and request.size <= self._context.state.rules.in_line:
                self._named(client, request, named_in_json(request.body()))
            elif head.route.kind is _ENDPOINT:
                self._endpoint(client, request)
            elif head.route.kind is _UPSTREAM:
                self._upstream(client, request)
            elif head.route.kind is Kind.LOOK:
                self._look(client, request)
            else:
                client.answer(self._own(request), request)
        except (DeniedError, _NotFoundError) as error:
            self._decline(client, request, error)

    def _decline(
        self, client: ServerConnection, request: Request, error: "DeniedError | _NotFoundError"
    ) -> None:
        if isinstance(error, DeniedError):
            client.answer(denied(error, request), request)
        else:
            dialect = request.head.route.dialect
            client.answer(rendering.refused(error.refusal, dialect, local=client.is_local(request)), request)

    def _upstream(self, client: ServerConnection, request: Request) -> None:
        find = self._context.leasing.find
        name, request.target = split_upstream(request.head.route.rest, lambda name: find(name) is not None)
        self._begin(client, request, self._known(name), looks=is_look(request.head.method, request.target))

    def _look(self, client: ServerConnection, request: Request) -> None:
        route = request.head.route
        request.target = route.target
        self._begin(client, request, self._known(named_in_query(route.query)), looks=True)

    def _own(self, request: Request) -> Response:
        found, leasing = request.head.route, self._context.leasing
        if found.kind is Kind.HEALTH:
            return _HEALTH
        if found.kind is Kind.OPTIONS:
            return Response(204, (("Allow", ", ".join(found.allow)),), b"")
        if found.kind is Kind.MODELS:
            return rendering.document_answer(rendering.models_document(leasing.cards()))
        model = self._known(found.name)
        card = next(card for card in leasing.cards() if card.name == model)
        return rendering.document_answer(rendering.model_document(card))

    def _known(self, name: str) -> str:
        return (self._context.leasing.find(name) or self._unknown(name)).model

    def _unknown(self, name: str) -> NoReturn:
        raise _NotFoundError(name, [card.name for card in self._context.leasing.cards()])

    # To a model

    def _endpoint(self, client: ServerConnection, request: Request) -> None:
        if request.size > self._context.state.rules.in_line:
            self._in_thread(client, request, partial(_name, request), partial(self._named, client, request))
        else:
            self._named(client, request, _name(request))

    def _named(self, client: ServerConnection, request: Request, named: Named) -> None:
        route = request.head.route
        served = self._context.leasing.find(named.model) or self._unknown(named.model)
        if served.task is not None:
            check_task(route, served.model, served.task)
        request.target = route.target
        request.events = named.stream and route.streams
        if served.changes:
            self._change(client, request, served.model, served.spec)
        else:
            self._begin(client, request, served.model)

    def _change(self, client: ServerConnection, request: Request, model: str, spec: ModelSpec) -> None:
        body, kind = request.body(), request.head.content_type

        def begin(changed: bytes) -> None:
            request.parts = [changed]
            self._begin(client, request, model)

        if len(body) > self._context.limits.in_line:
            self._in_thread(client, request, lambda: rewrite(body, spec, kind), begin)
        else:
            begin(rewrite(body, spec, kind))

    def _begin(self, client: ServerConnection, request: Request, model: str, *, looks: bool = False) -> None:
        exchange = Exchange(self._context, self._pools, client, request, model)
        client.attach(exchange)
        exchange.begin(looks=looks)

    def _in_thread(
        self,
        client: ServerConnection,
        request: Request,
        work: Callable[[], _T],
        then: Callable[[_T], None],
    ) -> None:
        """Do what takes long in a thread; if the client is still there afterwards, go on."""
        reading = _BodyReading()
        client.attach(reading)

        def done(future: "asyncio.Future[_T]") -> None:
            if client.sink is not reading:
                request.let_go(self._context.state)
                return
            try:
                then(future.result())
            except (DeniedError, _NotFoundError) as error:
                self._decline(client, request, error)
            except Exception:  # noqa: BLE001 - whatever it is, the client waits for an answer
                _log.exception("internal error: a body could not be read")
                self._decline(client, request, DeniedError(500, "internal_error", "internal error"))

        asyncio.get_running_loop().run_in_executor(self._threads, work).add_done_callback(done)


def _name(request: Request) -> Named:
    head = request.head
    if head.encoded and request.size:
        raise rendering.encoded(head.text(b"content-encoding"))
    return model_of(request.body(), head.content_type, head.route.query)


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

    def cut(self, refusal: Refusal) -> None:
        """Nor can anything be said yet."""


class _NotFoundError(Exception):
    def __init__(self, name: str, known: list[str]) -> None:
        message = f"there is no model {name[:128]!r}; known are {', '.join(known) or 'none'}"
        super().__init__(message)
        self.refusal = Refusal(Code.MODEL_NOT_FOUND, message, final=True)
