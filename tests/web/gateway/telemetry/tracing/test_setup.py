"""When requests are traced: OpenTelemetry's own variables, and what is said where it is not there."""

import asyncio
import logging
import subprocess
import sys
import threading

import pytest

from zoosup.runtime.events.journal import Journal
from zoosup.web.gateway.telemetry.access_log.record import Record
from zoosup.web.gateway.telemetry.tracing import setup
from zoosup.web.gateway.telemetry.tracing.setup import MISSING, Tracing, is_asked_for, tracing_for

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "zoo"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1/v1/traces"}, True),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "false"}, True),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "True"}, False),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, False),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "otlp"}, True),
    ],
)
def test_the_variables_say_whether(environ, expected):
    assert expected == is_asked_for(environ)


def test_without_the_extra_one_warning_says_how_to_get_it(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    monkeypatch.delitem(sys.modules, "zoosup.web.gateway.telemetry.tracing.exporter", raising=False)
    assert tracing_for(ENDPOINT, Journal()) is None
    assert [(logging.WARNING, MISSING)] == [(each.levelno, each.message) for each in caplog.records]
    assert "pip install 'zoosup[otel]'" in MISSING


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "'grpc', expected http/protobuf"),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "1"}, "could not be set up: max_export_batch_size must be"),
    ],
)
def test_what_can_not_be_is_said_and_costs_nothing_else(monkeypatch, caplog, more, said):
    for name, value in (ENDPOINT | more).items():
        monkeypatch.setenv(name, value)
    assert tracing_for(ENDPOINT | more, Journal()) is None
    (record,) = caplog.records
    assert said in record.message


async def test_the_end_waits_for_no_collector(monkeypatch):
    monkeypatch.setattr(setup, "LAST", 0.05)
    begun, over = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        over.wait()

    async with asyncio.timeout(5):
        await Tracing(Record, hang).close()
    over.set()
    assert begun.is_set()


def test_without_the_variables_nothing_is_imported():
    code = (
        "import sys; from zoosup.runtime.events.journal import Journal; import zoosup.supervisor.assembly as a; "
        "assert a.tracing_for({}, Journal()) is None; print([m for m in sys.modules if 'opentelemetry' in m])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == said.stdout.strip()
