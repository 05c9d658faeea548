"""A collector that takes OTLP over HTTP and keeps the spans that it is sent, or one that accepts and never answers.

Refuses to import zoosup: what comes is read by OpenTelemetry's own protocol buffers.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Span:
    name: str
    trace: str
    id: str
    parent: str
    began: int
    ended: int
    attributes: Mapping[str, Any]
    events: tuple[str, ...]


@dataclass
class Collector:
    """`received` counts what has come, also where nothing is answered."""

    port: int = 0
    received: int = 0
    services: set[str] = field(default_factory=set)
    spans: list[Span] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def take(self, path: str, body: bytes) -> None:
        assert "/v1/traces" == path
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.services.add(_attributes(resource.resource)["service.name"])
            for scope in resource.scope_spans:
                self.spans += map(_span, scope.spans)

    def trace(self, trace: str) -> dict[str, Span]:
        """The spans of one trace by name, so far."""
        return {span.name: span for span in self.spans if span.trace == trace}


def _span(span: Any) -> Span:
    return Span(
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        _attributes(span),
        tuple(event.name for event in span.events),
    )


def _attributes(said: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in said.attributes}


@contextmanager
def collecting(*, answers: bool = True) -> Iterator[Collector]:
    """One that listens until the block is left."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.received += 1
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if not answers:
                collector.over.wait()
                return
            collector.take(self.path, body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its name in the library
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    collector.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield collector
    finally:
        collector.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
