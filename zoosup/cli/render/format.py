"""Figures as people read them: sizes, times, and the colours of phases.

Pure. Times are wall seconds since the epoch, and `now` is that of the snapshot, not of this host's clock: the two
may differ.
"""

import math
from collections.abc import Mapping
from typing import Any

from zoosup.cli.render.layout import clean
from zoosup.spec.syntax.units import describe_size

NONE = "-"

PHASE_STYLES: Mapping[str, str] = {
    "ready": "green",
    "unready": "bold yellow",
    "starting": "cyan",
    "pending": "yellow",
    "parking": "magenta",
    "parked": "blue",
    "draining": "magenta",
    "stopping": "magenta",
    "backoff": "bold red",
    "failed": "bold red",
    "stopped": "dim",
}

_STEPS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def requests(model: Mapping[str, Any]) -> str:
    """How many requests it answers and how many wait for it; nothing when nobody asks."""
    answered, waiting = model.get("inflight", 0), model.get("waiting", 0)
    parts = [f"{answered} being answered"] * bool(answered) + [f"{waiting} waiting for it"] * bool(waiting)
    return ", ".join(parts) and f"requests: {', '.join(parts)}"


def role(model: Mapping[str, Any]) -> str:
    """What the file says of when it runs."""
    if model.get("external"):
        return "elsewhere"
    words = ["active"] * bool(model["active"]) + ["on demand"] * bool(model.get("on_demand"))
    return ", ".join(words) or "not active"


def size(amount: float | None) -> str:
    """Bytes for people; unknown is never 0."""
    return "unknown" if amount is None else describe_size(int(amount))


def pair(part: float | None, whole: float | None) -> str:
    """`1.5 of 2 GiB`: two sizes, the unit once where it is the same."""
    first, second = size(part), size(whole)
    number, _, unit = first.partition(" ")
    return f"{number} of {second}" if second.endswith(f" {unit}") else f"{first} of {second}"


def span(seconds: float) -> str:
    """A time in its two largest units: `59s`, `1m05s`, `3h02m`, `12d04h`."""
    left = max(0, int(seconds))
    for at, (length, unit) in enumerate(_STEPS[:-1]):
        if left >= length:
            smaller, its_unit = _STEPS[at + 1]
            return f"{left // length}{unit}{left % length // smaller:02}{its_unit}"
    return f"{left}s"


def ago(at: float, now: float) -> str:
    """How long something has been."""
    return f"{span(now - at)} ago"


def last_exit(model: Mapping[str, Any]) -> str:
    """How the last run ended, in a few words; "" when none has."""
    end = model["last_exit"]
    return str(end.get("words") or end["reason"]) if end else ""


def why(model: Mapping[str, Any]) -> str:
    """Why a model is not simply off or ready, in the status' words; an older supervisor has the message alone."""
    return clean(model.get("why", model["message"]))


def condition(each: Mapping[str, Any], now: float) -> str:
    """What a condition is about, for how long, and its message."""
    return f"{each.get('words') or each['reason']}, {ago(each['since'], now)}: {each['message']}"


def kept(config: Mapping[str, Any]) -> str:
    """What is in force while the file on disk is refused."""
    generation = config["generation"]
    return f"generation {generation} stays in force" if generation else "nothing is in force until it is good"


def load(model: Mapping[str, Any], now: float) -> tuple[float | None, str]:
    """How far a load is, as a share (None: nothing is known of it), and in words; "" of one that does not load.

    An older supervisor says only how long the last one took: a scale, not a promise, so that it never says it is done.
    """
    if model["phase"] != "starting" or not model["started_at"]:
        return None, ""
    taken, before = max(0.0, now - model["started_at"]), model.get("load_time")
    if known := model.get("progress"):
        return known["share"], f"loading for {span(taken)}: {known['words']}"
    if not before:
        return None, f"loading for {span(taken)}; no earlier load to compare with"
    return min(0.97, taken / before), f"loading for {span(taken)} of about {span(math.ceil(before))}"


def warm(model: Mapping[str, Any]) -> str:
    """What of its weights waits in memory for its start; "" where nobody has read them ahead."""
    known = model.get("warm")
    if not known:
        return ""
    amount = size(known["there"]) if known["size"] is None else pair(known["there"], known["size"])
    return f"{amount} in memory, " + ("being read ahead" if known["reading"] else "read ahead")


def is_refused(model: Mapping[str, Any]) -> bool:
    """Whether waiting for it is of no use; an older supervisor only says which have failed."""
    return bool(model.get("refused", model["phase"] == "failed"))


def is_bad(condition: Mapping[str, Any]) -> bool:
    """Whether a condition is one to act on; an older supervisor leaves that to the reader."""
    return bool(condition.get("problem", not condition["status"])) and not is_moving(condition)


def is_moving(condition: Mapping[str, Any]) -> bool:
    """Whether it is on its way: a switch that goes on is neither good nor bad yet."""
    return bool(condition["reason"] == "InProgress")


def sign(condition: Mapping[str, Any]) -> tuple[str, str]:
    """A mark for a condition, and its colour."""
    if is_moving(condition):
        return "→ ", "cyan"
    return ("✗ ", "yellow") if is_bad(condition) else ("✓ ", "green")


TONES: Mapping[str, str] = {"ok": "green", "move": "yellow", "warn": "bold yellow", "bad": "bold red"}
"""The colour of a verdict by its tone."""


def progress(snapshot: Mapping[str, Any]) -> tuple[str, str]:
    """In a few words whether all is as the file says, will be so by itself, or needs somebody; and its colour."""
    health = snapshot.get("health", {})
    if "verdict" in health:
        return health["verdict"], TONES.get(health["tone"], "")
    return ("all is well", "green") if snapshot["converged"] else ("at work", "yellow")  # an older supervisor
