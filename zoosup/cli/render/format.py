"""Figures as people read them: sizes, times, and the colours of phases.

Pure. Times are wall seconds since the epoch, and `now` is that of the snapshot, not of this host's clock: the two
may differ.
"""

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
_TRIVIAL = frozenset({"", "NotWanted"})


def requests(model: Mapping[str, Any]) -> str:
    """How many requests it answers and how many wait for it; nothing when nobody asks."""
    answered, waiting = model.get("inflight", 0), model.get("waiting", 0)
    parts = [f"{answered} being answered"] * bool(answered) + [f"{waiting} waiting for it"] * bool(waiting)
    return ", ".join(parts) and f"requests: {', '.join(parts)}"


def role(model: Mapping[str, Any]) -> str:
    """What the file says of when it runs."""
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
    """How the last run ended, in two words: `Error 3`, `Signaled SEGV`; "" when none has."""
    end = model["last_exit"]
    if end is None:
        return ""
    detail = end["signal"] or end["code"] or ""
    return f"{end['reason']} {str(detail).removeprefix('SIG')}".rstrip()


def why(model: Mapping[str, Any]) -> str:
    """The reason and message of a model that is not simply off or ready; "" when there is nothing to say."""
    reason = "" if model["reason"] in _TRIVIAL else model["reason"]
    return clean(
        ": ".join(part for part in (reason, model["message"]) if part and (reason or model["active"]))
    )


def kept(config: Mapping[str, Any]) -> str:
    """What is in force while the file on disk is refused."""
    generation = config["generation"]
    return f"generation {generation} stays in force" if generation else "nothing is in force until it is good"


def is_refused(model: Mapping[str, Any]) -> bool:
    """Whether waiting for it is of no use; an older supervisor only says which have failed."""
    return bool(model.get("refused", model["phase"] == "failed"))


def is_bad(condition: Mapping[str, Any]) -> bool:
    """Whether a condition is one to act on: most are good when they are so, a few when they are not."""
    so_is_bad = condition["type"] in {"TerminationStuck", "MemoryPressure"}
    return not is_moving(condition) and bool(condition["status"]) == so_is_bad


def is_moving(condition: Mapping[str, Any]) -> bool:
    """Whether it is on its way: a switch that goes on is neither good nor bad yet."""
    return bool(condition["reason"] == "InProgress")


def sign(condition: Mapping[str, Any]) -> tuple[str, str]:
    """A mark for a condition, and its colour."""
    if is_moving(condition):
        return "→ ", "cyan"
    return ("✗ ", "yellow") if is_bad(condition) else ("✓ ", "green")


def progress(snapshot: Mapping[str, Any]) -> tuple[str, str]:
    """In two words whether all is as the file says, will be so by itself, or needs somebody; and its colour."""
    if snapshot["converged"]:
        return "converged", "green"
    wanted = [m for m in snapshot["models"].values() if m["active"] or m["override"] == "start"]
    broken = any(c["type"] in {"GatewayListening", "StateWritable"} for c in snapshot["conditions"])
    hopeless = broken or snapshot["config"]["error"] or any(is_refused(model) for model in wanted)
    return ("needs attention", "bold red") if hopeless else ("at work", "yellow")
