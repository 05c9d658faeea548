"""An answer that came whole though a stream was asked for, as events: its client has been told something before.

Pure. Refuses to know how an answer is framed, and Anthropic's streams, which are made of many events.
"""

import re
from typing import Any

from zoosup.web.gateway.proxy.rendering import error_event, json_object
from zoosup.web.gateway.route import Dialect
from zoosup.web.wire import as_json

_EVENTS = re.compile(rb"(?:\xef\xbb\xbf)?[\r\n]*(?:data|event|id|retry)?:")


def begins_events(body: bytes) -> bool:
    """Whether what begins so is a stream of events, whatever its head says."""
    return _EVENTS.match(body) is not None


def as_events(body: bytes, dialect: Dialect) -> bytes | None:
    """A whole answer as the events of a stream, to their end; None where it can't be said so."""
    document = json_object(body)
    error = error_event(document, dialect)
    if error is not None:
        return error
    if document is None or dialect is Dialect.ANTHROPIC:
        return None
    if dialect is Dialect.RESPONSES:
        event = {"type": "response.completed", "response": document, "sequence_number": 0}
        return b"event: response.completed\ndata: " + as_json(event) + b"\n"
    said = _chunk(document) if dialect is Dialect.CHAT else document
    return b"data: " + as_json(said) + b"\ndata: [DONE]\n\n"


def _chunk(completion: dict[str, Any]) -> dict[str, Any]:
    """A chat completion as the only chunk of its stream: clients look for `delta`."""
    choices = completion.get("choices")
    if not isinstance(choices, list):
        return completion
    return completion | {"object": "chat.completion.chunk", "choices": [_delta(each) for each in choices]}


def _delta(choice: Any) -> Any:
    if not (isinstance(choice, dict) and isinstance(message := choice.get("message"), dict)):
        return choice
    calls = message.get("tool_calls")
    if isinstance(calls, list):
        numbered = [{"index": at} | call if isinstance(call, dict) else call for at, call in enumerate(calls)]
        message = message | {"tool_calls": numbered}
    return {name: value for name, value in choice.items() if name != "message"} | {"delta": message}
