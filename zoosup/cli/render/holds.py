"""Holds in words: what each has, what of it is in use, until when, and what one that waits is waiting for.

Pure.
"""

from collections.abc import Mapping
from typing import Any

from zoosup.cli.render.format import size, span
from zoosup.cli.render.layout import clean

Hold = Mapping[str, Any]


def holds_of(snapshot: Mapping[str, Any]) -> Mapping[str, Hold]:
    """All of them by id; an older supervisor knows none."""
    found: Mapping[str, Hold] = snapshot.get("holds", {})
    return found


def in_words(hold: Hold, now: float) -> str:
    """One hold, without its id."""
    parts = [f"{hold['state']}: {_what(hold)}"]
    if hold["state"] != "held":
        parts.append(hold["message"])
    if hold["until"] is not None:
        parts.append(f"{span(hold['until'] - now)} left")
    if who := " ".join(filter(None, (f"pid {hold['pid']}" if hold["pid"] else "", clean(hold["command"])))):
        parts.append(who)
    return "; ".join(parts)


def _what(hold: Hold) -> str:
    """What it has; before that, what it asks for."""
    if hold["state"] == "held":
        return ", ".join(_in_use(pool, each) for pool, each in hold["memory"].items())
    where = "a GPU" if hold["gpu"] is None else f"GPU {hold['gpu']}"
    asked = {"RAM": hold["ram"], where: hold["vram"]}
    return " and ".join(f"{size(amount)} of {what}" for what, amount in asked.items() if amount)


def _in_use(pool: str, each: Mapping[str, int]) -> str:
    used = f" ({size(each['held'])} in use)" * bool(each["held"])
    return f"{size(each['reserved'])} of {pool}{used}"
