"""One request of Ollama's API and its answer: an exchange whose answer is put into other words on its way.

A stream is translated as it comes, so that a client that reads slowly holds back the model; another answer when it is
complete. Refuses to know either API: what is said in which words is pure, and stands in the files beside this one.
"""

import time

from zoosup.core.state.refusal import Code, Refusal
from zoosup.runtime.api.leasing import Lease
from zoosup.spec.model.gateway import LoadingStyle
from zoosup.web.gateway.context.context import Context
from zoosup.web.gateway.http1.client_connection import ClientConnection
from zoosup.web.gateway.http1.heads import response_head
from zoosup.web.gateway.http1.heads.request_head import Request
from zoosup.web.gateway.http1.pool import ConnectionPools
from zoosup.web.gateway.http1.response import Response
from zoosup.web.gateway.http1.server_connection import ServerConnection
from zoosup.web.gateway.ollama import answers
from zoosup.web.gateway.ollama.answers import AnswerError, Figures, Line, Stream
from zoosup.web.gateway.ollama.events import EventError
from zoosup.web.gateway.ollama.requests import Asked, Form
from zoosup.web.gateway.ollama.vectors import embeddings
from zoosup.web.gateway.proxy.exchange import Exchange
from zoosup.web.gateway.proxy.keepalive_comments import KeepaliveComments, Words
from zoosup.web.gateway.proxy.rendering import JSON
from zoosup.web.gateway.telemetry.usage import Tokens
from zoosup.web.wire import as_json

_OK = 200

LONGEST = 64 * 1024 * 1024
"""Bytes of an answer that is no stream: it is kept until it is complete."""


class OllamaExchange(Exchange):
    """A sink too: for the answer's body, as it comes from the model's server without its chunks."""

    __slots__ = ("_asked", "_came", "_collected", "_figures", "_length", "_line", "_status", "_stream")

    def __init__(  # noqa: PLR0913, PLR0917 - an exchange's, and what was asked
        self,
        context: Context,
        pools: ConnectionPools,
        client: ServerConnection,
        request: Request,
        model: str,
        asked: Asked,
    ) -> None:
        super().__init__(context, pools, client, request, model)
        self._asked = asked
        self._line = Line(asked.form, asked.model)
        self._came = time.monotonic()
        self._figures = Figures(self._came, self._came)
        self._stream: Stream | None = None  # None: the answer is kept until it is complete
        self._collected: list[bytes] = []
        self._status = self._length = 0

    # Asking

    def _words(self) -> Words | None:
        quiet = self._context.state.rules.loading is LoadingStyle.OFF
        return None if quiet or not (self._request.events and self._request.head.modern) else self._spoken()

    def _spoken(self) -> Words:
        aloud = self._context.state.rules.loading is LoadingStyle.REASONING

        def waiting(why: str) -> bytes:
            return self._line.waiting(time.time(), why, aloud=aloud)

        return Words(waiting, lambda _, body: _error(body), head=response_head.LINES)

    def _send(self, lease: Lease) -> None:
        if self._asked.stay is not None:
            lease.stay(self._asked.stay)
        if self._asked.body is None:
            self._say_unasked("unload" if self._asked.unloads else "load")
        else:
            super()._send(lease)

    def _start(self, upstream: ClientConnection) -> None:
        self._upstream = upstream
        self._started_at = time.monotonic()
        if self._request.record is not None:
            self._request.more_lines = self._own_lines + self._request.record.asked(self._model)
        self._figures = Figures(self._came, self._started_at)
        self._stream = None
        self._collected, self._length = [], 0
        upstream.sink = self
        upstream.decode()
        self._start_as_it_is(upstream)

    # The answer

    def on_head(self, head: bytes, rest: bytes) -> None:
        """The model's head, and what of the body came with it."""
        request, upstream = self._request, self._upstream
        assert upstream is not None  # noqa: S101 - it is whom we hear this from
        self._status = upstream.status
        request.let_go(self._context.state)
        self._context.counters.first_bytes[self._model].observe(time.monotonic() - self._started_at)
        if request.record is not None:
            request.record.headed(self._status)
        if self._asked.stream and self._status == _OK and response_head.is_events(head):
            self._stream = Stream(self._line, self._figures)
            self._begin_to_speak()
        if self._comments is not None:
            self._head = head
            self._context.counters.answered(self._model, request.head.caller.name, self._status)
            self._told(_OK)
            self._comments.answered(self._status, streams=True)
        if rest:
            self.write(rest)

    def _begin_to_speak(self) -> None:
        """The answer's own head, unless the client has had it while it waited."""
        request, state = self._request, self._context.state
        if self._comments is not None:
            return
        self._keep = request.head.keep_alive and request.head.modern and not state.closing
        sink = request.through(self._client.transport)
        self._comments = KeepaliveComments(sink, self._context.limits.comment, self._spoken())
        self._comments.open(request, keep=self._keep)

    def write(self, data: bytes, /) -> None:
        """The next piece of the model's body."""
        if self._stream is None:
            self._collect(data)
            return
        try:
            lines = self._stream.feed(data, time.monotonic(), time.time())
        except (AnswerError, EventError) as error:
            self._fail(str(error))
        else:
            self._pass_on(lines)

    def _collect(self, data: bytes) -> None:
        self._length += len(data)
        if self._length > LONGEST:
            self._fail(f"its answer is longer than the {LONGEST} bytes that are translated")
        else:
            self._collected.append(data)

    def _pass_on(self, lines: bytes) -> None:
        if lines and self._comments is not None:
            self._comments.write(lines)

    def on_complete(self) -> None:
        """The answer is complete."""
        try:
            last = self._last()
        except (AnswerError, EventError) as error:
            self._fail(str(error))
            return
        if self._request.meter is not None:
            self._request.meter.tell(Tokens(self._figures.prompt, self._figures.completion))
        if self._comments is None:
            self._upstream = None
            self._count()
            self._say(last, self._status)
        else:
            self._pass_on(last)
            super().on_complete()

    def _last(self) -> bytes:
        """What is left to be said, or all of it where nothing was said yet."""
        now, at, body = time.monotonic(), time.time(), b"".join(self._collected)
        if self._stream is not None:
            return self._stream.end(now, at)
        if self._status != _OK:
            return _error(body) if self._comments is None else body
        if self._asked.form in {Form.EMBED, Form.EMBEDDINGS}:
            return embeddings(self._asked.form, self._asked.model, self._figures, body, now)
        return answers.whole(self._line, self._figures, body, now, at)

    # Without the model's server

    def _say(self, document: bytes, status: int = _OK) -> None:
        """Answer as a whole."""
        self._end()
        self._client.answer(Response(status, (("Content-Type", JSON),), document), self._request, self._model)

    def _say_unasked(self, reason: str) -> None:
        self._say(answers.unasked(self._line, time.time(), reason))

    def _refuse(self, why: Refusal) -> None:
        if self._asked.unloads and why.code is Code.MODEL_NOT_LOADED:
            self._say_unasked("unload")  # it holds nothing that could be given back
        else:
            super()._refuse(why)


def _error(body: bytes) -> bytes:
    """The model's own refusal."""
    try:
        said: object = answers.document(body)
    except AnswerError:
        said = body.decode("utf-8", "replace").strip()
    return as_json({"error": answers.error_text(said)})
