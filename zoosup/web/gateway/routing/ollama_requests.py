"""Requests of Ollama's API on their way: answered here, or turned into OpenAI's words and handed to their model.

From there on they are requests like all others: what a key is for, queues, zoo.yaml's changes of bodies and the log
hold for them too. Refuses to know how either API puts things (`gateway.ollama`).
"""

import time
from functools import partial

from zoosup.runtime.api.listing import Served
from zoosup.web.gateway.errors import DeniedError
from zoosup.web.gateway.http1.heads.request_head import Request
from zoosup.web.gateway.http1.response import Response
from zoosup.web.gateway.http1.server_connection import ServerConnection
from zoosup.web.gateway.ollama import api, documents
from zoosup.web.gateway.ollama.exchange import OllamaExchange
from zoosup.web.gateway.ollama.requests import Asked, asked
from zoosup.web.gateway.proxy import rendering
from zoosup.web.gateway.routing.allowed import cards_for
from zoosup.web.gateway.routing.hop_requests import HopRequests
from zoosup.web.gateway.routing.routes import check_task, shown


class OllamaRequests(HopRequests):
    """Those of one gateway."""

    def _ollama(self, client: ServerConnection, request: Request) -> None:
        head = request.head
        if head.encoded and request.size:
            raise rendering.encoded(head.text(b"content-encoding"))
        form = api.form_of(head.route.name)
        if form is None:
            client.answer(self._told_ollama(request), request)
            return
        read = partial(asked, form, request.body())
        self._work(client, request, request.size, read, partial(self._ask_for_ollama, client, request))

    def _told_ollama(self, request: Request) -> Response:
        name = request.head.route.name
        if (said := api.plain(name)) is not None:
            return said
        if name in {"show", "pull"}:
            return self._told_of_one(request, name)
        cards = cards_for(request.head.caller, self._context.known)
        if name == "tags":
            return rendering.document_answer(documents.tags(cards, aliases=self._state.rules.list_aliases))
        if name == "ps":
            return rendering.document_answer(documents.running(cards, time.time()))
        target = shown(request.head.target.partition(b"?")[0])
        raise DeniedError(404, "unknown_url", f"{target} is none of what is spoken here of Ollama's API")

    def _told_of_one(self, request: Request, name: str) -> Response:
        if request.size > self._state.rules.in_line:
            raise DeniedError.too_large(self._state.rules.in_line)
        model, stream = api.one(request.body())
        known = self._known_as(model)
        if name == "show":
            return rendering.document_answer(documents.show(self._card(request.head, known)))
        if self._context.leasing.find(known) is None:
            raise api.pulls_none(model)
        return api.pulled(stream)

    def _known_as(self, name: str) -> str:
        find = self._context.leasing.find
        return api.known_as(name, lambda each: find(each) is not None)

    def _ask_for_ollama(self, client: ServerConnection, request: Request, said: Asked) -> None:
        name = self._name_by(request.head, self._known_as(said.model))
        served = self._known(request.head, name)
        if served.task is not None:
            check_task(request.head.route, served.model, served.task)
        if said.unloads:
            api.must_go(served.model, self._context.known.cards())
        here = partial(self._ask_here, client, request, said, name, served)
        if self._stays(request.head, served.model, looks=said.unloads):
            here()
        else:
            self._pass_on(client, request, served.model, here, name=name, looks=said.unloads)

    def _ask_here(
        self, client: ServerConnection, request: Request, said: Asked, name: str, served: Served
    ) -> None:
        exchange = OllamaExchange(self._context, self._pools, client, request, served.model, said)
        begin = partial(self._begin, client, exchange, looks=said.unloads)
        if said.body is not None:
            request.head, request.target = request.head.for_json(), said.target
            request.parts, request.events = [said.named(name)], said.stream
        if said.body is not None and served.changes is not None:
            self._change(client, request, served.changes, begin)
        else:
            begin()
