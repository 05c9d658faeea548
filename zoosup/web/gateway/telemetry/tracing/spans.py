"""The record of a request whose steps are spans: the request, its wait, starts that it waited for, each answer.

Names and attributes are OpenTelemetry's semantic conventions, where they have one. Refuses to know where spans go.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from zoosup.runtime.events.journal import Journal
from zoosup.web.gateway.telemetry.access_log.record import Ending, Record
from zoosup.web.gateway.telemetry.tracing.starts import Start, starts
from zoosup.web.gateway.telemetry.usage import NOTHING_SAID

_METHODS = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"}
)
_FIELDS = ("traceparent", "tracestate")
_NOWHERE = Context()
_CLIENT_FAULT, _SERVER_FAULT = 400, 500
_LOST = "upstream_error"  # an answer that another took the place of
_NS = 1_000_000_000

MODEL = "gen_ai.request.model"
STATUS = "http.response.status_code"
ERROR = "error.type"

_propagator = TraceContextTextMapPropagator()


def records_by(tracer: Tracer, journal: Journal) -> Callable[..., Record]:
    """What makes the records; for its arguments see `Tracing.record`."""
    return partial(TracedRecord, tracer, journal)


class TracedRecord(Record):
    """One request's. Its span begins with it and ends with it; what lies between is told as it happens."""

    __slots__ = ("_answer", "_came", "_inside", "_journal", "_seen", "_span", "_tracer")

    def __init__(
        self,
        tracer: Tracer,
        journal: Journal,
        template: str,
        headers: Mapping[bytes, bytes],
        *given: Any,
        counts_tokens: bool,
    ) -> None:
        super().__init__(*given, counts_tokens=counts_tokens)
        self._came = time.time_ns()
        self._tracer, self._journal = tracer, journal
        self._seen = journal.last  # what happens after this one is news to this request
        self._answer: Span | None = None
        attributes = self._attributes(template)
        name, parent = self._name(template), _parent(headers)
        self._span = tracer.start_span(name, parent, SpanKind.SERVER, attributes, start_time=self._came)
        self._inside = set_span_in_context(self._span, _NOWHERE)

    def _name(self, template: str) -> str:
        method = self.method if self.method in _METHODS else "HTTP"
        return f"{method} {template}" if template else method

    def _method(self) -> str:
        return self.method if self.method in _METHODS else "_OTHER"

    def _attributes(self, template: str) -> dict[str, str]:
        found = {
            "http.request.method": self._method(),
            "http.route": template,
            "url.path": self.path,
            "url.scheme": "http",
            "client.address": self.peer,
            "zoosup.request_id": self.request_id,
            "zoosup.key": self.key,
        }
        return {name: value for name, value in found.items() if value}

    def wait_over(self, model: str, seconds: float) -> None:
        """It has waited for its model: a span, with one in it for each start that it waited for."""
        super().wait_over(model, seconds)
        ended = time.time_ns()
        began = max(self._came, ended - int(seconds * _NS))
        wait = self._tracer.start_span("wait", self._inside, attributes={MODEL: model}, start_time=began)
        events = self._journal.since(self._seen, model)
        self._seen = self._journal.last
        for start in starts(events, began, ended):
            self._note_start(model, start, set_span_in_context(wait, _NOWHERE))
        wait.end(ended)

    def _note_start(self, model: str, start: Start, inside: Context) -> None:
        span = self._tracer.start_span(
            "start", inside, attributes={MODEL: model, **start.attributes}, start_time=start.began
        )
        if start.error:
            span.set_status(Status(StatusCode.ERROR, start.error))
        span.end(start.ended)

    def asked(self, model: str) -> bytes:
        """A model's server is asked: a span, and the server's own trace goes on from it."""
        self._end_answer(_LOST)
        attributes = {MODEL: model, "http.request.method": self._method()}
        self._answer = self._tracer.start_span("answer", self._inside, SpanKind.CLIENT, attributes)
        return _lines(self._answer)

    def headed(self, status: int) -> None:
        """The head of its answer has come."""
        span = self._answer
        if span is None:
            return
        span.add_event("first byte")
        span.set_attribute(STATUS, status)
        if status >= _CLIENT_FAULT:
            _fail(span, str(status))

    def end(self, ended: Ending, code: str = "") -> None:
        """It is over, and so are its spans."""
        if self.ended is not None:
            return
        super().end(ended, code)
        error = code or ("cancelled" if ended is Ending.CANCELLED else "")
        self._end_answer(error)
        span = self._span
        if self.model:
            span.set_attribute(MODEL, self.model)
        if self.status:
            span.set_attribute(STATUS, self.status)
        if ended is Ending.CUT or self.status >= _SERVER_FAULT:
            _fail(span, error or str(self.status))
        elif (
            error
        ):  # by the conventions a client's fault is none of the server's, and has no status of its own
            span.set_attribute(ERROR, error)
        span.end()

    def _end_answer(self, error: str) -> None:
        span, self._answer = self._answer, None
        if span is None:
            return
        took = self.tokens() if self.ended is not None else NOTHING_SAID
        if took.prompt is not None:
            span.set_attribute("gen_ai.usage.input_tokens", took.prompt)
        if took.completion is not None:
            span.set_attribute("gen_ai.usage.output_tokens", took.completion)
        if error:
            _fail(span, error)
        span.end()


def _fail(span: Span, error: str) -> None:
    span.set_attribute(ERROR, error)
    span.set_status(StatusCode.ERROR)


def _parent(headers: Mapping[bytes, bytes]) -> Context:
    """Whose trace the client goes on with; a new one where it says none, or none that can be read."""
    if b"traceparent" not in headers:
        return _NOWHERE
    carrier = {name: headers.get(name.encode(), b"").decode("latin-1") for name in _FIELDS}
    return _propagator.extract(carrier, _NOWHERE)


def _lines(span: Span) -> bytes:
    """The same for a model's server, as lines of a head."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, set_span_in_context(span, _NOWHERE))
    return "".join(f"{name}: {value}\r\n" for name, value in carrier.items()).encode("latin-1")
