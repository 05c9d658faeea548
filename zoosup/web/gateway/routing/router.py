"""What becomes of a request: refused, answered here, or handed to the model that it names.

Puts the pure parts together: `admission`, `model_name`, `task_model`, `proxy.rendering`. Refuses to know how bytes
come and go.
"""

from functools import partial

from zoosup.runtime.api.listing import Served
from zoosup.web.gateway.context.context import Context, Rules
from zoosup.web.gateway.errors import DeniedError
from zoosup.web.gateway.http1.heads.request_head import Head, Request
from zoosup.web.gateway.http1.heads.request_id import id_in
from zoosup.web.gateway.http1.pool import ConnectionPools
from zoosup.web.gateway.http1.response import Response
from zoosup.web.gateway.http1.server_connection import ServerConnection
from zoosup.web.gateway.proxy import rendering
from zoosup.web.gateway.proxy.exchange import Exchange
from zoosup.web.gateway.route import Kind, Where
from zoosup.web.gateway.routing.access import Policy
from zoosup.web.gateway.routing.admission import Admission, denied
from zoosup.web.gateway.routing.allowed import cards_for
from zoosup.web.gateway.routing.model_name import Named, model_of, named_in_json, named_in_query
from zoosup.web.gateway.routing.ollama_requests import OllamaRequests
from zoosup.web.gateway.routing.routes import check_task, is_look, split_upstream
from zoosup.web.gateway.routing.task_model import TaskNamed, chosen, named_for_task
from zoosup.web.gateway.routing.to_models import NotFoundError
from zoosup.web.gateway.telemetry.access_log.record import Record

_ENDPOINT, _UPSTREAM = Kind.ENDPOINT, Kind.UPSTREAM  # looking up an enum's member takes time
_HEALTH = rendering.document_answer(b'{"status":"ok"}')


class Router(OllamaRequests):
    """The RequestHandler of all connections of one gateway."""

    def __init__(self, context: Context, pools: ConnectionPools) -> None:
        super().__init__(context, pools)
        self._admission = Admission(context)
        self.request = self._admission.request
        self.denied = denied

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
        rules = self._state.rules
        if self._state.access_log is not None or self._context.tracing is not None:
            request.record = self._record(client, request, rules)
        elif rules.count_tokens:
            request.counts_tokens = True
        if request.denied is not None:
            client.answer(request.denied, request)
            return
        head = request.head
        try:
            if head.pattern is not None and request.size <= rules.in_line:
                self._named(client, request, named_in_json(request.body()))
            elif head.route.kind is _ENDPOINT:
                self._endpoint(client, request)
            elif head.route.kind is _UPSTREAM:
                self._upstream(client, request)
            elif head.route.kind is Kind.LOOK:
                self._look(client, request)
            elif head.route.kind is Kind.OLLAMA:
                self._ollama(client, request)
            else:
                client.answer(self._own(request), request)
        except (DeniedError, NotFoundError) as error:
            self._decline(client, request, error)

    def _record(self, client: ServerConnection, request: Request, rules: Rules) -> Record:
        head, log, tracing = request.head, self._state.access_log, self._context.tracing
        who = id_in(request.id_line), head.caller.name, client.peer
        given = (_unheard if log is None else log.add, *who, head.method, head.target)
        is_check = head.route.kind is Kind.HEALTH and request.denied is None
        if tracing is None or is_check:
            return Record(*given, counts_tokens=rules.count_tokens)
        return tracing.record(head.route.template, head.found, *given, counts_tokens=rules.count_tokens)

    def _upstream(self, client: ServerConnection, request: Request) -> None:
        find = self._context.leasing.find
        head = request.head
        name, target = split_upstream(head.route.rest, lambda name: find(name) is not None)
        self._to_itself(client, request, name, target, looks=is_look(head.method, target))

    def _look(self, client: ServerConnection, request: Request) -> None:
        route = request.head.route
        self._to_itself(client, request, named_in_query(route.query), route.target, looks=True)

    def _to_itself(
        self, client: ServerConnection, request: Request, name: str, target: bytes, *, looks: bool
    ) -> None:
        """Pass a request on to the model of a name as it stands; `target` is what its server is asked for."""
        model = self._itself(request.head, name)

        def here() -> None:
            request.target = target
            self._begin(client, Exchange(self._context, self._pools, client, request, model), looks=looks)

        if self._stays(request.head, model, looks=looks):
            here()
        else:
            self._pass_on(client, request, model, here, name=name, looks=looks)

    def _itself(self, head: Head, name: str) -> str:
        """The model of a name, for what goes to its server as it stands: no variant's parameters are put in."""
        served = self._context.leasing.find(name) or self._unknown(head, name)
        return self._known(head, served.model).model

    def _own(self, request: Request) -> Response:
        found, leasing = request.head.route, self._context.known
        if found.kind is Kind.HEALTH:
            return _HEALTH
        if found.kind is Kind.OPTIONS:
            return Response(204, (("Allow", ", ".join(found.allow)),), b"")
        if found.kind is Kind.MODELS:
            aliases = self._context.state.rules.list_aliases
            cards = cards_for(request.head.caller, leasing)
            return rendering.document_answer(rendering.models_document(cards, aliases=aliases))
        return rendering.document_answer(rendering.model_document(self._card(request.head, found.name)))

    # To a model

    def _endpoint(self, client: ServerConnection, request: Request) -> None:
        then = partial(self._chosen, client, request)
        self._work(client, request, request.size, partial(_name, request), then)

    def _chosen(self, client: ServerConnection, request: Request, named: Named) -> None:
        if isinstance(named, TaskNamed):
            leasing = self._context.leasing
            shown = partial(cards_for, request.head.caller, leasing)
            named = Named(chosen(named, request.head.route.task, leasing, shown))
        self._named(client, request, named)

    def _named(self, client: ServerConnection, request: Request, named: Named) -> None:
        head = request.head
        name = named.model if head.hop is None else self._name_by(head, named.model)
        served, looks = self._known(head, name), head.route.looks
        if served.task is not None:
            check_task(head.route, served.model, served.task)
        if self._state.routing is None or self._stays(head, served.model, looks=looks):
            self._to_model(client, request, named, served)
        else:
            here = partial(self._to_model, client, request, named, served)
            self._pass_on(client, request, served.model, here, name=name, looks=looks)

    def _to_model(self, client: ServerConnection, request: Request, named: Named, served: Served) -> None:
        """Hand a request to a model of this host, with zoo.yaml's changes of its body."""
        route = request.head.route
        request.target = route.target
        request.events = named.stream and route.streams
        exchange = Exchange(self._context, self._pools, client, request, served.model)
        if served.changes is not None and request.size:
            self._change(client, request, served.changes, partial(self._begin, client, exchange))
        else:
            self._begin(client, exchange, looks=route.looks)


def _unheard(record: Record) -> None:
    """No log is kept."""


def _name(request: Request) -> Named:
    head = request.head
    if head.encoded and request.size:
        raise rendering.encoded(head.text(b"content-encoding"))
    if head.route.where is Where.TASK:
        return named_for_task(request.body(), head.route.query)
    return model_of(request.body(), head.content_type, head.route.query)
