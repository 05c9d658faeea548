"""What happened, a line each: in full for `zoosup events`, and short beside what is so now."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from zoosup.cli.render.layout import Line, clean, line, wrapped

_STYLES = {"Refused": "red", "Stuck": "red", "Gone": "yellow", "Applied": "cyan", "Switch": "cyan"}
_PHASE_STYLES = {"ready": "green", "failed": "red", "backoff": "red", "pending": "yellow"}


def event_line(event: Mapping[str, Any]) -> Line:
    """One event as a line: when, which model, what in words and its code, and the sentence."""
    when = datetime.fromtimestamp(event["at"]).astimezone().isoformat(sep=" ", timespec="seconds")
    reason = f" ({event['reason']})" if event["type"] != "Phase" and event["reason"] else ""
    return line(
        (when[:19], "dim"),
        "  ",
        (event["model"] or "zoo", "bold"),
        "  ",
        (f"{_short(event)}{reason}", _style(event)),
        "  ",
        clean(event["message"]),
    )


def newest(events: Sequence[Mapping[str, Any]], width: int, height: int) -> list[Line]:
    """The newest events in so many lines, the newest first; each is cut after its second line."""
    lines: list[Line] = []
    for event in reversed(events):
        when = datetime.fromtimestamp(event["at"]).astimezone().strftime("%H:%M:%S")
        lead = line((when, "dim"), "  ", (event["model"] or "zoo", "bold"), " ")
        told = ": ".join(part for part in (_short(event), event["message"]) if part)
        lines += wrapped(told, width, 0, _style(event), lead)[:2]
        if len(lines) >= height:
            break
    return lines[:height]


def _short(event: Mapping[str, Any]) -> str:
    if event["type"] != "Phase":
        return str(event.get("words") or event["type"])
    before = event["data"].get("from")
    return f"{before} → {event['reason']}" if before else str(event["reason"])


def _style(event: Mapping[str, Any]) -> str:
    return _STYLES.get(event["type"]) or _PHASE_STYLES.get(event["reason"], "")
