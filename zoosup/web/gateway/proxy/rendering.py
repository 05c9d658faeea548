"""What the gateway itself says: refusals, the list of models, and the events it adds to a stream.

Knows OpenAI's shapes, Anthropic's and Ollama's, the status of every code, and when a client's library tries again
(x-should-retry and Retry-After, as the openai and anthropic packages read them). Refuses to know who is asked and what
was sent before.
"""

import math
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from zoosup.core.estimation.servers.command_line import understand
from zoosup.core.state.refusal import Code, Refusal
from zoosup.runtime.api.listing import ModelCard
from zoosup.spec.model.model import ModelSpec
from zoosup.web.gateway.errors import DeniedError
from zoosup.web.gateway.hop import ELSEWHERE
from zoosup.web.gateway.http1.response import Response
from zoosup.web.gateway.route import Dialect
from zoosup.web.wire import as_json

JSON = "application/json"
OWNER = "zoosup"

_STATUS = {
    Code.MODEL_NOT_FOUND: 404,
    Code.MODEL_DISABLED: 409,
    Code.QUEUE_FULL: 429,
    Code.INSUFFICIENT_MEMORY: 503,
    Code.MODEL_LOADING_TIMEOUT: 503,
    Code.MODEL_BACKOFF: 503,
    Code.MODEL_FAILED: 503,
    Code.MODEL_NOT_LOADED: 503,
    Code.MODEL_NOT_HERE: 503,
    Code.MODEL_EVICTED: 503,
    Code.MODEL_STOPPED: 503,
    Code.UPSTREAM_ERROR: 502,
    Code.REQUEST_TIMEOUT: 504,
    Code.SHUTTING_DOWN: 503,
}
_NAMES_A_MODEL = frozenset(Code) - {Code.QUEUE_FULL, Code.SHUTTING_DOWN}
_OF_THIS_HOST = frozenset({Code.MODEL_DISABLED, Code.SHUTTING_DOWN})
_BUSY = 429
_SERVER_FAULT = 500
_UNAVAILABLE = 503
_ANTHROPIC_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
}


def refused(
    refusal: Refusal, dialect: Dialect = Dialect.OPENAI, *, local: bool, passed_on: bool = False
) -> Response:
    """Say why a model does not answer; `local`: the client is on this host and may read its last log lines.

    `passed_on`: another host's gateway asks, no model was asked, and where only this host has not got it the next may.
    """
    status = _status(refusal)
    param = "model" if refusal.code in _NAMES_A_MODEL else None
    body = _error(status, refusal.code, _message(refusal, local=local), param, dialect)
    elsewhere = ELSEWHERE.items() if passed_on and refusal.code in _OF_THIS_HOST else ()
    return Response(status, (("Content-Type", JSON), *_trying_again(refusal), *elsewhere), body, refusal.code)


def event(refusal: Refusal, dialect: Dialect = Dialect.OPENAI, *, local: bool) -> bytes:
    """Say the same as an event of a stream that has begun."""
    return sse_error(_message(refusal, local=local), refusal.code, dialect, _status(refusal))


def _message(refusal: Refusal, *, local: bool) -> str:
    return f"{refusal.message}\n{refusal.details}" if local and refusal.details else refusal.message


def _status(refusal: Refusal) -> int:
    """What can never be had is no 503: programs that try again by the status alone would do so for long."""
    status = _STATUS[refusal.code]
    return HTTPStatus.FAILED_DEPENDENCY if refusal.final and status == _UNAVAILABLE else status


def denied_answer(denied: DeniedError, dialect: Dialect = Dialect.OPENAI) -> Response:
    """Say why a request was refused before any model was asked."""
    body = _error(denied.status, denied.code, denied.message, denied.param, dialect)
    return Response(denied.status, (("Content-Type", JSON), *denied.headers.items()), body, denied.code)


def encoded(encoding: str) -> DeniedError:
    """Describe a body in which no model's name can be read."""
    return DeniedError(
        415,
        "unsupported_content_encoding",
        f"the body is encoded as {encoding[:80]!r} and its model can't be read; "
        "send it without Content-Encoding, or to /upstream/{model}/, where bodies pass as they are",
    )


def models_document(cards: Iterable[ModelCard], *, aliases: bool = False) -> bytes:
    """List the models as GET /v1/models does; an alias has an entry of its own only with `aliases`."""
    entries = [(card, _entry(card)) for card in cards]
    data = [
        each
        for card, entry in entries
        for each in (entry, *(entry | {"id": alias} for alias in entry["aliases"] if aliases))
    ]
    return as_json({"object": "list", "data": data})


def model_document(card: ModelCard) -> bytes:
    """Describe one model as GET /v1/models/{name} does."""
    return as_json(_entry(card))


def document_answer(body: bytes) -> Response:
    """Wrap a document of this gateway's own."""
    return Response(200, (("Content-Type", JSON),), body)


def loading_comment(why: str) -> bytes:
    """Say in a comment of an event stream what is waited for; clients' parsers skip it."""
    return f": {_one_line(why)}\n\n".encode("utf-8", "replace")


def loading_reasoning(model: str, why: str, created: int) -> bytes:
    """Say as reasoning of a chat completion what is waited for; `created` is wall time in seconds."""
    delta = {"role": "assistant", "reasoning_content": f"{_one_line(why)}\n"}
    chunk = {
        "id": "chatcmpl-zoosup-loading",
        "object": "chat.completion.chunk",
        "created": created,
        "model": model,
        "choices": [{"index": 0, "delta": delta, "finish_reason": None}],
    }
    return b"data: " + as_json(chunk) + b"\n"


def sse_error(message: str, code: str, dialect: Dialect = Dialect.OPENAI, status: int = 502) -> bytes:
    """End a stream visibly; comes after a whole event, or after two line ends where one was broken off."""
    if dialect is Dialect.OLLAMA:
        return _error(status, code, message, None, dialect)
    if dialect is Dialect.ANTHROPIC:
        return b"event: error\ndata: " + _error(status, code, message, None, dialect) + b"\n"
    if dialect is Dialect.RESPONSES:
        event = {"type": "error", "code": code, "message": message, "param": None, "sequence_number": 0}
        return b"event: error\ndata: " + as_json(event) + b"\n"
    return b"data: " + _error(status, code, message, None, dialect) + b"\n"


def own_error(body: bytes, dialect: Dialect) -> bytes | None:
    """A model's own error as an event, with all its fields: agents act on them. None where it is no JSON object."""
    return error_event(json_object(body), dialect)


def error_event(document: Mapping[str, Any] | None, dialect: Dialect) -> bytes | None:
    """The same of what it has answered, where that has been read."""
    if document is None or "error" not in document:
        return None
    named = b"" if dialect in {Dialect.OPENAI, Dialect.CHAT} else b"event: error\n"
    return named + b"data: " + as_json(document) + b"\n"


def json_object(body: bytes) -> dict[str, Any] | None:
    """What a model has answered, where that is a JSON object."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _entry(card: ModelCard) -> dict[str, Any]:
    """One model. `active`, `task`, `is_lora`, `multimodal` and `context_length` are what Eternal Zoo's clients read."""
    spec, variant = card.spec, bool(card.model)
    ours = spec if isinstance(spec, ModelSpec) else None
    server = understand(ours) if ours is not None else None
    entry = {
        "id": card.name,
        "object": "model",
        "created": int(card.created),
        "owned_by": OWNER,
        "task": spec.task.value if spec.task else None,
        "state": card.phase.value,
        "aliases": [] if variant else list(spec.aliases),
        "active": card.active,
        "on_demand": ours is not None and ours.on_demand,
        "is_lora": bool(server and server.adapters),
        "multimodal": bool(server and server.mmproj),
    }
    known = {
        "context_length": card.context_length,
        "description": card.description or (None if variant else spec.description) or None,
        "variant_of": card.model if variant and ours is not None else None,
        "external": True if ours is None else None,
    }
    return entry | {name: value for name, value in known.items() if value is not None}


def _error(status: int, code: str, message: str, param: str | None, dialect: Dialect) -> bytes:
    if dialect is Dialect.OLLAMA:
        return as_json({"error": message})
    if dialect is Dialect.ANTHROPIC:
        fault = "api_error" if status >= _SERVER_FAULT else "invalid_request_error"
        kind = _ANTHROPIC_TYPES.get(status, fault)
        return as_json({"type": "error", "error": {"type": kind, "message": message}})
    kind = "server_error" if status >= _SERVER_FAULT else "invalid_request_error"
    kind = "rate_limit_error" if status == _BUSY else kind
    return as_json({"error": {"message": message, "type": kind, "code": str(code), "param": param}})


def _trying_again(refusal: Refusal) -> Iterable[tuple[str, str]]:
    if refusal.final:
        yield "x-should-retry", "false"
    elif refusal.retry_after is not None:
        yield "Retry-After", str(max(1, math.ceil(refusal.retry_after)))
    elif _STATUS[refusal.code] == _BUSY:
        yield "Retry-After", "1"


def _one_line(text: str) -> str:
    return " ".join(text.split())
