"""What becomes of a request: refused, answered here, or handed to the model that it names.

Puts the pure parts together: `routes`, `access`, `naming`, `rewriting`, `answers`. Refuses to know how bytes come
and go.
"""

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from zoosup.core.refusal import Code, Refusal
from zoosup.spec.models import Loading as Saying
from zoosup.web.gateway import access, answers
from zoosup.web.gateway.answers import Answer
from zoosup.web.gateway.denial import DeniedError
from zoosup.web.gateway.exchange import Exchange
from zoosup.web.gateway.loading import Loading
from zoosup.web.gateway.naming import Named, model_of
from zoosup.web.gateway.request import Request
from zoosup.web.gateway.rewriting import rewrite
from zoosup.web.gateway.routes import Dialect, Kind, check_task, route, split_upstream

if TYPE_CHECKING:
    from zoosup.web.gateway.client import Client
    from zoosup.web.gateway.hall import Hall

_T = TypeVar("_T")
_REMEMBERED = 1024
_HEALTH = answers.document_answer(b'{"status":"ok"}')


class Front:
    """For all connections of one gateway."""

    def __init__(self, hall: "Hall") -> None:
        self._hall = hall
        self._policy = hall.policy
        self._welcome: set[tuple[bytes | None, ...]] = set()

    def admit(self, request: Request) -> None:
        """Look at a head: settle where the request goes, or `denied`, what is answered without its body."""
        try:
            found = request.route = route(request.method, request.target)
            request.dialect = found.dialect
            if found.kind is not Kind.HEALTH:
                self._check(request, found.authority)
            if (request.length or 0) > self._hall.max_body:
                raise answers.too_large(self._hall.max_body)
        except DeniedError as denied:
            request.denied = self.denied(denied, request)
            return
        passes = found.kind is Kind.UPSTREAM
        request.streamed = passes and request.has_body
        request.upgrade = passes and request.upgrade and not request.has_body

    def _check(self, request: Request, authority: str) -> None:
        policy, found = self._hall.policy, request.found
        if policy is not self._policy:
            self._policy = policy
            self._welcome.clear()
        caller = (
            found.get(b"host"),
            found.get(b"authorization"),
            found.get(b"x-api-key"),
            found.get(b"api-key"),
            found.get(b"origin"),
        )
        if not authority and caller in self._welcome and request.method != b"OPTIONS":
            return
        host = authority or request.text(b"host")
        headers = request.header_map()
        if access.is_preflight(request.method.decode(), headers):
            raise _PreflightError(access.preflight_headers(headers, policy))
        access.check(policy, headers, host)
        if not authority:
            if len(self._welcome) >= _REMEMBERED:
                self._welcome.clear()
            self._welcome.add(caller)

    def dispatch(self, client: "Client", request: Request) -> None:
        """Answer it, or begin its exchange with a model."""
        if request.denied is not None:
            client.answer(request.denied, request)
            return
        kind = request.route.kind
        try:
            if kind is Kind.ENDPOINT:
                self._endpoint(client, request)
            elif kind is Kind.UPSTREAM:
                is_known = self._hall.leasing.resolve
                name, target = split_upstream(request.route.rest, lambda name: is_known(name) is not None)
                request.sought = target
                self._begin(client, request, self._known(name))
            else:
                client.answer(self._own(request), request)
        except DeniedError as denied:
            client.answer(self.denied(denied, request), request)
        except _NotFoundError as unknown:
            client.answer(self.refused(unknown.refusal, request, client), request)

    def _own(self, request: Request) -> Answer:
        found, leasing = request.route, self._hall.leasing
        if found.kind is Kind.HEALTH:
            return _HEALTH
        if found.kind is Kind.OPTIONS:
            return Answer(204, (("Allow", ", ".join(found.allow)),), b"")
        if found.kind is Kind.MODELS:
            document = answers.models_document(leasing.cards())
        else:
            model = self._known(found.name)
            document = answers.model_document(next(card for card in leasing.cards() if card.name == model))
        return answers.document_answer(document).with_headers(self._cors(request))

    def _known(self, name: str) -> str:
        model = self._hall.leasing.resolve(name)
        if model is None:
            raise _NotFoundError(name, [card.name for card in self._hall.leasing.cards()])
        return model

    # To a model

    def _endpoint(self, client: "Client", request: Request) -> None:
        found, body, kind = request.route, request.body(), request.text(b"content-type")
        if len(body) > self._hall.limits.in_line:
            self._aside(
                client,
                request,
                lambda: model_of(body, kind, found.query),
                lambda named: self._named(client, request, named),
            )
        else:
            self._named(client, request, model_of(body, kind, found.query))

    def _named(self, client: "Client", request: Request, named: Named) -> None:
        model = self._known(named.model)
        spec, found = self._hall.leasing.spec(model), request.route
        check_task(found, model, spec.task)
        request.sought, request.events = found.target, named.stream and found.streams
        if not (spec.strip_params or spec.set_params or spec.upstream_model):
            self._begin(client, request, model)
            return
        body, kind = request.body(), request.text(b"content-type")

        def begin(changed: bytes) -> None:
            request.parts = [changed]
            self._begin(client, request, model)

        if len(body) > self._hall.limits.in_line:
            self._aside(client, request, lambda: rewrite(body, spec, kind), begin)
        else:
            begin(rewrite(body, spec, kind))

    def _begin(self, client: "Client", request: Request, model: str) -> None:
        request.told = self._told(request)
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
            except DeniedError as denied:
                client.answer(self.denied(denied, request), request)
            except _NotFoundError as unknown:
                client.answer(self.refused(unknown.refusal, request, client), request)

        asyncio.get_running_loop().run_in_executor(None, work).add_done_callback(done)

    # Words

    def loading(self, exchange: Exchange) -> Loading | None:
        """What a waiting client is told meanwhile, None where it wouldn't understand it."""
        saying = self._hall.settings.loading
        if saying is Saying.OFF or not (exchange.request.events and exchange.request.modern):
            return None
        model, created = exchange.model, int(time.time())
        aloud = saying is Saying.REASONING and exchange.request.dialect is Dialect.CHAT

        def say(why: str) -> bytes:
            if aloud:
                return answers.loading_reasoning(model, why, created)
            return answers.loading_comment(f"loading {model}: {why}")

        def failure(status: int, body: bytes) -> bytes:
            return answers.sse_error(
                f"{model} answered {status}: {body.decode('utf-8', 'replace').strip()}",
                "upstream_error",
                exchange.request.dialect,
                status,
            )

        return Loading(exchange.client.transport, self._hall.limits.comment, say, failure)

    def event(self, why: Refusal | str, request: Request, client: "Client") -> bytes:
        """An error as an event of a stream."""
        if isinstance(why, Refusal):
            return answers.sse_refusal(why, client.is_local, request.dialect)
        return answers.sse_error(why, "upstream_error", request.dialect)

    def refused(self, why: Refusal | str, request: Request, client: "Client") -> Answer:
        """An error as a whole answer."""
        if isinstance(why, str):
            return self.denied(answers.upstream_error(why), request)
        return answers.refusal_answer(why, client.is_local, request.dialect).with_headers(self._cors(request))

    def denied(self, denied: DeniedError, request: Request) -> Answer:
        """A refusal of the gateway's own."""
        if isinstance(denied, _PreflightError):
            return Answer(204, tuple(denied.headers.items()), b"")
        return answers.denied_answer(denied, request.dialect).with_headers(self._cors(request))

    def too_large(self, request: Request) -> Answer:
        """A body that goes on beyond what it may."""
        return self.denied(answers.too_large(self._hall.max_body), request)

    def _cors(self, request: Request) -> dict[str, str]:
        if b"origin" not in request.found:
            return {}
        return access.cors_headers(request.text(b"origin"), self._hall.policy)

    def _told(self, request: Request) -> bytes:
        if b"origin" not in request.found:
            return b""
        lines = [f"{name}: {value}\r\n" for name, value in self._cors(request).items()]
        return "".join(lines).encode("latin-1", "replace")


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
