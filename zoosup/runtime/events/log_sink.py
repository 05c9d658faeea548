"""The journal as log lines: for people on a terminal, or one JSON object a line for programs.

Knows how an event reads; refuses to know where lines go and which of them are wanted.
"""

import json
import logging
import re
from typing import Any

from zoosup.runtime.events.journal import Event

LOGGER = logging.getLogger("zoosup")

_LEVELS = {"Refused": logging.ERROR, "Stuck": logging.ERROR}
_NO_NEWS = re.compile(r"\s*$|(See|Run) 'docker .*--help'")  # docker's last line says where there is help


def log_event(event: Event) -> None:
    """Log one event; what went wrong at a level that says so."""
    level = _LEVELS.get(event.type, logging.INFO)
    if event.type == "Journal" and event.reason != "Recovered":
        level = logging.ERROR
    if event.type == "Gone" and event.reason in {"Crashed", "StartupDeadline", "LivenessFailed"}:
        level = logging.WARNING
    LOGGER.log(level, "%s", sentence(event), extra={"event": event.as_dict()})


def sentence(event: Event) -> str:
    """The event in one line."""
    subject = f"{event.model}: " if event.model is not None else ""
    message = f": {event.message}" if event.message else ""
    if event.type == "Phase":
        return f"{subject}{event.data['from']} -> {event.data['to']}{message}"
    if event.type == "Gone":
        last = _last_words(event)
        return f"{subject}gone ({event.reason}){message}{last}"
    if event.model is None and event.message:
        return event.message
    return f"{subject}{_words(event.type)}{message}"


def _words(name: str) -> str:
    """CoolDown -> cool down."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def _last_words(event: Event) -> str:
    end = event.data.get("exit") or {}
    if event.reason not in {"Crashed", "StartupDeadline", "LivenessFailed"} or not end.get("log"):
        return ""
    said = [line for line in end["log"] if not _NO_NEWS.match(line)]
    return f"; it last wrote: {said[-1]}" if said else ""


class JsonLines(logging.Formatter):
    """One JSON object a line: time (seconds since the epoch), level, logger, message, and the event if it is one.

    A line of the access log that is an object stands under `access`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Render one record."""
        line: dict[str, Any] = {
            "time": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        event = getattr(record, "event", None)
        if event is not None:
            line["event"] = event
        access = getattr(record, "access", None)
        if access is not None:
            line["access"] = access
        return json.dumps(line, default=str)


class TextLines(logging.Formatter):
    """Lines for people: time of day with the date in front, level, message.

    A line of the access log that is an object is nothing else, for whoever reads it is a program.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%Y-%m-%d %H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """Render one record."""
        access = getattr(record, "access", None)
        if access is None:
            return super().format(record)
        return json.dumps({"time": round(record.created, 3), **access})
