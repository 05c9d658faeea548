"""What sends spans to the collector: the SDK's own, by batches in a thread; trouble is said once, not with each batch.

Reads OpenTelemetry's variables in the process's own environment. Refuses to know what a span says.
"""

import logging
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from zoosup import __version__

THEIRS = logging.getLogger("opentelemetry.exporter")
"""Warns of each try to reach a collector, with the reason."""

_log = logging.getLogger(__name__)


class ToldOnce(SpanExporter):
    """Another exporter, whose own words are heard until a batch is lost, and again once one has arrived."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send them; blocks for as long as OTEL_EXPORTER_OTLP_TIMEOUT allows."""
        result = self._exporter.export(spans)
        failing = result is not SpanExportResult.SUCCESS
        if failing is not self._failing:
            self._failing = failing
            self._say()
        return result

    def _say(self) -> None:
        if self._failing:
            THEIRS.setLevel(logging.CRITICAL)
            _log.warning(
                "traces: the collector takes no spans; they are lost until it does, which will be said"
            )
        else:
            THEIRS.setLevel(logging.NOTSET)
            _log.info("traces: the collector takes spans again")

    def shutdown(self) -> None:
        """Send nothing any more."""
        self._exporter.shutdown()


def provider() -> TracerProvider:
    """What makes tracers, set up by the variables; whatever the SDK raises where one of them can't be."""
    ours = {"service.name": "zoosup", "service.version": __version__}
    resource = Resource.create({**ours, **OTELResourceDetector().detect().attributes})
    # At the exit of the program it would wait for the collector, for as long as that takes.
    made = TracerProvider(resource=resource, shutdown_on_exit=False)
    made.add_span_processor(BatchSpanProcessor(ToldOnce(OTLPSpanExporter())))
    # Each tracestate of a client that is none would be a line.
    logging.getLogger("opentelemetry.trace").setLevel(logging.ERROR)
    return made
