"""What sends spans: by which name, and what is said of a collector that takes none."""

import logging
from collections.abc import Iterator, Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from zoosup.web.gateway.telemetry.tracing.exporter import THEIRS, ToldOnce, provider

GOOD, BAD = SpanExportResult.SUCCESS, SpanExportResult.FAILURE


class Scripted(SpanExporter):
    """Warns as OpenTelemetry's own does, each time."""

    def __init__(self, results: Sequence[SpanExportResult]) -> None:
        self._results = iter(results)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = next(self._results)
        if result is BAD:
            THEIRS.getChild("otlp").warning("refused")
        return result


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    loggers = [THEIRS, logging.getLogger("opentelemetry.trace")]
    levels = [each.level for each in loggers]
    yield
    for each, level in zip(loggers, levels, strict=True):
        each.setLevel(level)


def test_trouble_is_said_once_and_its_end(caplog):
    caplog.set_level(logging.INFO)
    results = [GOOD, BAD, BAD, BAD, GOOD, GOOD, BAD]
    exporter = ToldOnce(Scripted(results))
    assert results == [exporter.export(()) for _ in results]
    lost = "traces: the collector takes no spans; they are lost until it does, which will be said"
    back = "traces: the collector takes spans again"
    assert ["refused", lost, back, "refused", lost] == [each.message for each in caplog.records]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "zoosup"),
        ({"OTEL_SERVICE_NAME": "box"}, "box"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=crate,a=b"}, "crate"),
    ],
)
def test_the_service_is_named_as_the_variables_say_else_zoosup(monkeypatch, variables, expected):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    made = provider()
    assert expected == made.resource.attributes["service.name"]
    made.shutdown()
