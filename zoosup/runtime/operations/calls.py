"""Requests that a run is sent one after the other, and what was wrong with the first answer that was not well."""

import logging
from collections.abc import Callable, Iterable

from zoosup.host.ports.probes import Endpoint, Prober
from zoosup.spec.model.process.calls import CallSpec
from zoosup.spec.syntax.templates import render

_log = logging.getLogger(__name__)


async def send_all(
    prober: Prober, endpoint: Endpoint, calls: Iterable[CallSpec], within: float, now: Callable[[], float]
) -> str:
    """Send them within so many seconds in all; "" when all is well. What comes after a bad answer is not sent."""
    end = now() + within
    for call in calls:
        if trouble := await _send(prober, endpoint, call, end - now()):
            return trouble
    return ""


async def _send(prober: Prober, endpoint: Endpoint, call: CallSpec, within: float) -> str:
    try:
        request = render(call.http, {"PORT": str(endpoint.port)})
        verdict = await prober.drain(endpoint, request, within, call.body)
    except Exception as error:  # noqa: BLE001
        # Nobody else would take it up again, and a run may not hang between sleeping and waking.
        _log.exception("internal error: %s could not be sent", call.http)
        return f"internal error: {error}"
    return "" if verdict.ok else f"{call.http}: {verdict.message}"
