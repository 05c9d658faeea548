"""What kinds of events there are, and how each is called for people: its message stands behind. mypy knows them all."""

from collections.abc import Mapping
from typing import Literal

EventType = Literal[
    "Admitted", "Adopted", "Applied", "Asked", "CoolDown", "Fleet", "Gone", "Hold", "Journal", "Loading", "OtherGpu",
    "Outgrown", "Phase", "Pressure", "Prewarmed", "Refused", "Sessions", "Shutdown", "Stray", "Stuck", "Switch",
]  # fmt: skip

KINDS: Mapping[str, str] = {
    "Admitted": "may start",
    "Adopted": "found alive",
    "Applied": "applied",
    "Asked": "by hand",
    "CoolDown": "memory",
    "Fleet": "fleet",
    "Gone": "ended",
    "Hold": "room for others",
    "Journal": "journal",
    "Loading": "loads",
    "OtherGpu": "on another GPU",
    "Outgrown": "holds more than was booked",
    "Phase": "phase",
    "Pressure": "memory pressure",
    "Prewarmed": "weights read ahead",
    "Refused": "refused",
    "Sessions": "sessions",
    "Shutdown": "zoosup ends",
    "Stray": "a run that nobody knows",
    "Stuck": "does not end",
    "Switch": "switch",
}


def in_words(type_: str) -> str:
    """A kind's words; of one that only another version of zoosup knows, its code."""
    return KINDS.get(type_, type_)
