"""Whether requests are traced, as OpenTelemetry's own variables say, and what sends their spans to the collector.

Refuses to know what a span says.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from zoosup import __version__
from zoosup.host.system.threads import in_own_thread
from zoosup.runtime.events.journal import Journal
from zoosup.web.gateway.telemetry.access_log.record import Record

MISSING = "traces take OpenTelemetry, which is not installed: pip install 'zoosup[otel]'"

LAST = 1.0
"""Seconds that the end of the gateway waits for the last spans to be sent."""

_TRACES, _ALL = "OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"
_SPOKEN = "http/protobuf"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tracing:
    """`record` makes that of one request, from its `Route.template`, its headers, and what every `Record` takes.

    `shutdown` sends what is left, and may take long.
    """

    record: Callable[..., Record]
    shutdown: Callable[[], None]

    async def close(self) -> None:
        """Let the last spans be sent, but not for long."""
        with contextlib.suppress(TimeoutError, RuntimeError):  # RuntimeError: no thread is allowed
            async with asyncio.timeout(LAST):
                await in_own_thread(self.shutdown)


def tracing_for(environ: Mapping[str, str], journal: Journal) -> Tracing | None:
    """What the variables ask for; None, and a warning, where that can't be had. The SDK reads the process's own."""
    if not is_asked_for(environ):
        return None
    spoken = _setting(environ, "PROTOCOL") or _SPOKEN
    if spoken != _SPOKEN:
        _log.warning("traces are off: OTEL_EXPORTER_OTLP_PROTOCOL is %r, expected %s", spoken, _SPOKEN)
        return None
    try:
        return _tracing(journal)
    except ImportError:
        _log.warning("%s", MISSING)
    except Exception as error:  # noqa: BLE001 - a slip in a variable of theirs is to cost no model anything
        _log.warning("traces are off: OpenTelemetry could not be set up: %s", error)
    return None


def is_asked_for(environ: Mapping[str, str]) -> bool:
    """Whether a collector is named, and nothing turns traces off."""
    off = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    none = environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none"
    return bool(_setting(environ, "ENDPOINT")) and not (off or none)


def _setting(environ: Mapping[str, str], name: str) -> str:
    """What is said of traces alone, else of all that is exported."""
    return environ.get(_TRACES + name) or environ.get(_ALL + name) or ""


def _tracing(journal: Journal) -> Tracing:
    # An extra, and slow to import.
    from zoosup.web.gateway.telemetry.tracing.exporter import provider  # noqa: PLC0415
    from zoosup.web.gateway.telemetry.tracing.spans import records_by  # noqa: PLC0415

    made = provider()
    return Tracing(records_by(made.get_tracer("zoosup", __version__), journal), made.shutdown)
