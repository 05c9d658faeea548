"""Errors as HTTP, in this one place: `{"error": {"message", "type", "code"}}`, whatever went wrong.

Knows which error gets which status. Refuses to show a caller anything of an internal error but that it happened.
"""

import logging
from collections.abc import Mapping

from aiohttp import web
from aiohttp.typedefs import Handler

from zoosup.errors import InvalidFileError, NoSuchHoldError, NoSuchModelError, UsageError, ZoosupError
from zoosup.web.wire import error_body

log = logging.getLogger(__name__)

ROUTES = (
    "GET /, /livez, /readyz, /healthz, /status, /status/{model}, /events, /logs/{model}, /memory, /holds, /fleet, "
    "/metrics, /metrics/models; "
    "POST /models/{model}/start, /models/{model}/stop, /models/{model}/restart, /models/{model}/unload, "
    "/models/{model}/auto, /holds, /fleet/{node}/drain, /fleet/{node}/undrain, /reload, /plan; DELETE /holds/{id}"
)


class RefusalError(Exception):
    """A request that is refused for its own sake: with a status, a code for programs and a sentence for people."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})


_STATUS: tuple[tuple[type[ZoosupError], int, str], ...] = (
    (NoSuchModelError, 404, "model_not_found"),
    (NoSuchHoldError, 404, "hold_not_found"),
    (InvalidFileError, 422, "invalid_file"),
    (UsageError, 400, "bad_request"),
    (ZoosupError, 409, "failed"),
)
_CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}
_SERVER_FAULT = 500


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raises into a refusal; outermost, so that it sees the other middlewares' too."""
    try:
        return await handler(request)
    except RefusalError as error:
        return _refusal(error.status, error.code, str(error), error.headers)
    except ZoosupError as error:
        status, code = next((status, code) for kind, status, code in _STATUS if isinstance(error, kind))
        return _refusal(status, code, str(error))
    except web.HTTPException as error:
        return _from_aiohttp(error)
    except ConnectionError:
        raise  # the client went away; there is nobody to tell
    except Exception:
        log.exception("internal error: %s %s", request.method, request.path)
        return _refusal(_SERVER_FAULT, "internal_error", "internal error; zoosup's log has the details")


def _from_aiohttp(error: web.HTTPException) -> web.Response:
    code = _CODES.get(error.status, "refused")
    message = error.text or error.reason
    if code == "not_found":
        message = f"no such address; there are {ROUTES}"
    allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    return _refusal(error.status, code, message, allow)


def _refusal(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    kind = "server_error" if status >= _SERVER_FAULT else "invalid_request_error"
    body = error_body(message, kind, code)
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)
