"""What becomes of a request: refused, answered here, or handed to the model that it names.

Puts the pure parts together: `routes`, `access`, `naming`, `rewriting`, `answers`. Refuses to know how bytes come
and go.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NoReturn, TypeVar

from zoosup.core.state.refusal import Code, Refusal
from zoosup.spec.model.gateway import LoadingStyle as Saying
from zoosup.spec.model.model import ModelSpec
from zoosup.web.gateway.errors import DeniedError
from zoosup.web.gateway.http1.head_cache import Familiar, around_length, as_length
from zoosup.web.gateway.http1.request_head import Head, Request
from zoosup.web.gateway.http1.response_head import check
from zoosup.web.gateway.proxy import rendering
from zoosup.web.gateway.proxy.exchange import Exchange
from zoosup.web.gateway.proxy.keepalive_comments import Loading
from zoosup.web.gateway.proxy.rendering import Answer
from zoosup.web.gateway.routing import access
from zoosup.web.gateway.routing.body_rewrite import rewrite
from zoosup.web.gateway.routing.model_name import Named, model_of, named_in_json
from zoosup.web.gateway.routing.routes import Dialect, Kind, Route, check_task, route, split_upstream

if TYPE_CHECKING:
    from zoosup.web.gateway.context import Hall
    from zoosup.web.gateway.http1.server_connection import Client

_T = TypeVar("_T")
_REMEMBERED = 512
_SHORT = 2048
_ENDPOINT, _UPSTREAM = Kind.ENDPOINT, Kind.UPSTREAM  # looking up an enum's member takes time
_HEALTH = rendering.document_answer(b'{"status":"ok"}')


class Front:
    """For all connections of one gateway."""

    def __init__(self, hall: "Hall") -> None:
        self._hall = hall
        self._heads: dict[bytes, Head] = {}

    def forget(self) -> None:
        """Settings have changed: whoever was admitted is looked at again."""
        self._heads.clear()
        for client in self._hall.clients:
            client.forget()

    def read(self, raw: bytes) -> Request:
        """A request by its head, without the empty line: admitted, or `denied`, or RejectedError where it is none.

        Clients say the same again and again but for the length of the body; what was once found to be right is.
        """
        before, digits, after = cut = around_length(raw)
        head = self._heads.get(before + after)
        if head is None:
            return self._read(raw, cut)
        length = as_length(digits) if head.has_body and not head.chunked else 0
        if length is None:
            return self._read(raw, cut)
        request = Request(head, length)
        if length > self._hall.max_body:
            request.denied = self.too_large(request)
        return request

    def _read(self, raw: bytes, cut: tuple[bytes, bytes, bytes]) -> Request:
        check(raw)
        head = Head(raw)
        head.route = Route(Kind.HEALTH)  # until it is known, for what is said meanwhile
        request = Request(head, head.content_length)
        try:
            self._admit(head)
            if request.length > self._hall.max_body:
                raise rendering.too_large(self._hall.max_body)
        except DeniedError as denied:
            request.denied = self.denied(denied, request)
        else:
            if len(raw) <= _SHORT:
                self._remember(head, *cut)
        return request

    def _remember(self, head: Head, before: bytes, digits: bytes, after: bytes) -> None:
        if len(self._heads) >= _REMEMBERED:
            self._heads.clear()
        self._heads[before + after] = head
        if digits and head.is_usual:
            head.familiar = Familiar(head, before, after, self._hall.short)

    def _admit(self, head: Head) -> None:
        """Settle where a request goes; DeniedError where it may not."""
        try:
            found = head.route = route(head.method, head.target)
        except DeniedError:
            self._check(head, head.text(b"host"))  # who may not ask is not told which addresses there are
            raise
        if found.kind is not Kind.HEALTH:
            self._check(head, found.authority or head.text(b"host"))
        passes = found.kind is Kind.UPSTREAM
        head.streamed = passes and head.has_body
        head.upgrade = passes and head.upgrade and not head.has_body
        head.told = "".join(f"{name}: {value}\r\n" for name, value in self._cors(head).items()).encode(
            "latin-1"
        )

    def _check(self, head: Head, host: str) -> None:
        policy, headers = self._hall.policy, head.header_map()
        if access.is_preflight(head.method.decode("latin-1"), headers):
            raise _PreflightError(access.preflight_headers(headers, policy))
        access.check(policy, headers, host)

    def dispatch(self, client: "Client", request: Request) -> None:
        """Answer it, or begin its exchange with a model."""
        if request.denied is not None:
            client.answer(request.denied, request)
            return
        kind = request.head.route.kind
        try:
            if kind is _ENDPOINT:
                self._endpoint(client, request)
            elif kind is _UPSTREAM:
                self._upstream(client, request)
            else:
                client.answer(self._own(request), request)
        except (DeniedError, _NotFoundError) as error:
            self._decline(client, request, error)

    def dispatch_usual(self, client: "Client", request: Request) -> None:
        """The same for a short request with a familiar head, which most are: it is not looked at again."""
        try:
            self._named(client, request, named_in_json(request.parts[0]))
        except (DeniedError, _NotFoundError) as error:
            self._decline(client, request, error)

    def _decline(self, client: "Client", request: Request, error: "DeniedError | _NotFoundError") -> None:
        if isinstance(error, DeniedError):
            client.answer(self.denied(error, request), request)
        else:
            client.answer(self.refused(error.refusal, request, client), request)

    def _upstream(self, client: "Client", request: Request) -> None:
        find = self._hall.leasing.find
        name, request.sought = split_upstream(request.head.route.rest, lambda name: find(name) is not None)
        self._begin(client, request, self._known(name))

    def _own(self, request: Request) -> Answer:
        found, leasing = request.head.route, self._hall.leasing
        if found.kind is Kind.HEALTH:
            return _HEALTH
        if found.kind is Kind.OPTIONS:
            return Answer(204, (("Allow", ", ".join(found.allow)),), b"")
        if found.kind is Kind.MODELS:
            document = rendering.models_document(leasing.cards())
        else:
            model = self._known(found.name)
            document = rendering.model_document(next(card for card in leasing.cards() if card.name == model))
        return rendering.document_answer(document).with_headers(self._cors(request.head))

    def _known(self, name: str) -> str:
        return (self._hall.leasing.find(name) or self._unknown(name)).model

    def _unknown(self, name: str) -> NoReturn:
        raise _NotFoundError(name, [card.name for card in self._hall.leasing.cards()])

    # To a model

    def _endpoint(self, client: "Client", request: Request) -> None:
        if request.size > self._hall.short:
            self._aside(client, request, partial(_name, request), partial(self._named, client, request))
        else:
            self._named(client, request, _name(request))

    def _named(self, client: "Client", request: Request, named: Named) -> None:
        route = request.head.route
        served = self._hall.leasing.find(named.model) or self._unknown(named.model)
        if served.task is not None:
            check_task(route, served.model, served.task)
        request.sought = route.target
        request.events = named.stream and route.streams
        if served.changes:
            self._change(client, request, served.model, served.spec)
        else:
            self._begin(client, request, served.model)

    def _change(self, client: "Client", request: Request, model: str, spec: ModelSpec) -> None:
        body, kind = request.body(), request.head.content_type

        def begin(changed: bytes) -> None:
            request.parts = [changed]
            self._begin(client, request, model)

        if len(body) > self._hall.limits.in_line:
            self._aside(client, request, lambda: rewrite(body, spec, kind), begin)
        else:
            begin(rewrite(body, spec, kind))

    def _begin(self, client: "Client", request: Request, model: str) -> None:
        client.exchange = exchange = Exchange(self._hall, client, request, model)
        exchange.begin()

    def _aside(
        self, client: "Client", request: Request, work: Callable[[], _T], then: Callable[[_T], None]
    ) -> None:
        """Do what takes long in a thread; if the client is still there afterwards, go on."""
        reading = client.exchange = Reading(request)

        def done(future: "asyncio.Future[_T]") -> None:
            if client.exchange is not reading:
                return
            try:
                then(future.result())
            except (DeniedError, _NotFoundError) as error:
                self._decline(client, request, error)

        asyncio.get_running_loop().run_in_executor(None, work).add_done_callback(done)

    # Words

    def loading(self, exchange: Exchange) -> Loading | None:
        """What a waiting client is told meanwhile, None where it wouldn't understand it."""
        saying = self._hall.settings.loading
        if saying is Saying.OFF or not (exchange.request.events and exchange.request.head.modern):
            return None
        model, created = exchange.model, int(time.time())
        aloud = saying is Saying.REASONING and exchange.request.head.route.dialect is Dialect.CHAT

        def say(why: str) -> bytes:
            if aloud:
                return rendering.loading_reasoning(model, why, created)
            return rendering.loading_comment(f"loading {model}: {why}")

        def failure(status: int, body: bytes) -> bytes:
            return rendering.sse_error(
                f"{model} answered {status}: {body.decode('utf-8', 'replace').strip()}",
                "upstream_error",
                exchange.request.head.route.dialect,
                status,
            )

        return Loading(exchange.client.transport, self._hall.limits.comment, say, failure)

    def event(self, why: Refusal | str, request: Request, client: "Client") -> bytes:
        """An error as an event of a stream."""
        if isinstance(why, Refusal):
            return rendering.sse_refusal(why, client.is_local, request.head.route.dialect)
        return rendering.sse_error(why, "upstream_error", request.head.route.dialect)

    def refused(self, why: Refusal | str, request: Request, client: "Client") -> Answer:
        """An error as a whole answer."""
        if isinstance(why, str):
            return self.denied(rendering.upstream_error(why), request)
        return rendering.refusal_answer(why, client.is_local, request.head.route.dialect).with_headers(
            self._cors(request.head)
        )

    def denied(self, denied: DeniedError, request: Request) -> Answer:
        """A refusal of the gateway's own."""
        if isinstance(denied, _PreflightError):
            return Answer(204, tuple(denied.headers.items()), b"")
        return rendering.denied_answer(denied, request.head.route.dialect).with_headers(
            self._cors(request.head)
        )

    def too_large(self, request: Request) -> Answer:
        """A body that goes on beyond what it may."""
        return self.denied(rendering.too_large(self._hall.max_body), request)

    def _cors(self, head: Head) -> dict[str, str]:
        if b"origin" not in head.found:
            return {}
        return access.cors_headers(head.text(b"origin"), self._hall.policy)


def _name(request: Request) -> Named:
    head = request.head
    if head.encoded and request.size:
        raise rendering.encoded(head.text(b"content-encoding"))
    return model_of(request.body(), head.content_type, head.route.query)


class Reading:
    """Stands where an exchange will be, while a long body is read for its model's name."""

    def __init__(self, request: Request) -> None:
        self.request = request

    def abandon(self) -> None:
        """The client has hung up."""

    def pause(self, paused: bool) -> None:
        """Nothing is being answered yet."""

    def cut(self, message: str) -> None:
        """Nor can anything be said yet."""


class _PreflightError(DeniedError):
    """No refusal, but no more of the request is wanted either: a browser asks for permission."""

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__(204, "", "", headers=headers)


class _NotFoundError(Exception):
    def __init__(self, name: str, known: list[str]) -> None:
        message = f"there is no model {name[:128]!r}; known are {', '.join(known) or 'none'}"
        super().__init__(message)
        self.refusal = Refusal(Code.MODEL_NOT_FOUND, message, final=True)
