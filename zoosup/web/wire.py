"""Requests and answers as data: what a query asks for, and the bytes an answer is made of.

Pure: knows neither aiohttp nor the clock, and nothing of who is asked.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zoosup.errors import UsageError

DEFAULT_LINES = 100
MAX_LINES = 10_000
"""Log lines in one answer; more are in the file."""

SSE_HEARTBEAT = b": heartbeat\n\n"
"""A comment: proxies and clients see that the connection lives, event handlers see nothing."""

_YES = {"1", "true", "yes", ""}
_NO = {"0", "false", "no"}


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which events: those after number `since`, of `model` alone if given, the newest `limit` of them if given."""

    since: int = 0
    model: str | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class LogQuery:
    """How much of a log: the last `lines`, of the run before if `previous`, then what comes if `follow`."""

    lines: int = DEFAULT_LINES
    previous: bool = False
    follow: bool = False


def event_query(query: Mapping[str, str], last_event_id: str | None, newest: int) -> EventQuery:
    """Read `since`, `model` and `limit`; UsageError names the one that is wrong.

    A `Last-Event-ID` (server-sent events) goes before `since`. One above `newest` is from before a restart, which
    counts from 1 again: the client has then seen nothing.
    """
    _refuse_unknown(query, {"since", "model", "limit"})
    since = _integer(query, "since", 0)
    if last_event_id is not None and last_event_id.isdecimal():
        since = int(last_event_id) if int(last_event_id) <= newest else 0
    limit = _integer(query, "limit", -1)
    return EventQuery(since, query.get("model"), limit if limit >= 0 else None)


def log_query(query: Mapping[str, str]) -> LogQuery:
    """Read `lines`, `previous` and `follow`; UsageError names the one that is wrong."""
    _refuse_unknown(query, {"lines", "previous", "follow"})
    lines = min(_integer(query, "lines", DEFAULT_LINES), MAX_LINES)
    asked = LogQuery(lines, _flag(query, "previous"), _flag(query, "follow"))
    if asked.previous and asked.follow:
        raise UsageError("previous and follow: the run before has ended, expected one of them")
    return asked


def names_query(query: Mapping[str, str]) -> tuple[str, ...] | None:
    """Read `models=a,b`; None when it is not there."""
    _refuse_unknown(query, {"models"})
    if "models" not in query:
        return None
    return tuple(name for name in query["models"].split(",") if name)


def health_query(query: Mapping[str, str]) -> bool:
    """Read `health`: whether a status is to come with what `/healthz` says of it. What else is asked is ignored."""
    return _flag(query, "health")


def since_query(query: Mapping[str, str]) -> int:
    """Read `since`, in seconds since the epoch; 0 when it is not there."""
    _refuse_unknown(query, {"since"})
    return _integer(query, "since", 0)


def as_json(value: Any) -> bytes:
    """One JSON document and a line end, the names in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"


def sse(seq: int, data: Mapping[str, Any]) -> bytes:
    """Frame one event for an `EventSource`; `seq` comes back as `Last-Event-ID` after a break."""
    return b"id: %d\ndata: %s\n" % (seq, as_json(data))


def error_body(message: str, kind: str, code: str) -> bytes:
    """What every refusal looks like."""
    return as_json({"error": {"message": message, "type": kind, "code": code}})


def _refuse_unknown(query: Mapping[str, str], known: set[str]) -> None:
    if others := sorted(set(query) - known):
        raise UsageError(f"{others[0]}: no such parameter, expected {', '.join(sorted(known))}")


def _integer(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):  # noqa: PLR2004 - fits in 64 bits
        raise UsageError(f"{name}: got {text[:40]!r}, expected a whole number of 0 or more")
    return int(text)


def _flag(query: Mapping[str, str], name: str) -> bool:
    text = query.get(name, "0").lower()
    if text not in _YES | _NO:
        raise UsageError(f"{name}: got {text[:40]!r}, expected 1 or 0")
    return text in _YES
