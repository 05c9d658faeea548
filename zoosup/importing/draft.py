"""The zoo.yaml that comes about: what is written, with where each model came from and what has to be said of it.

Refuses to know how it is written down.
"""

from dataclasses import dataclass, field
from typing import Any

from zoosup.importing.report import Origin

_LEAST_GRACE = 30
TO_MEASURE = "measured: replace by what it holds (zoosup status shows it)"
NOT_RECKONED = "what memory it needs can't be reckoned from its command; measure it and write memory"


@dataclass(frozen=True, slots=True)
class Host:
    """What is known of the host that the file is for; bytes, None where nothing is."""

    ram: int | None = None
    vram: int | None = None
    """The largest GPU's memory."""


@dataclass(slots=True)
class Model:
    """One model: its fields as zoo.yaml has them, `words` for its command, remarks for the lines above it."""

    name: str
    at: Origin
    fields: dict[str, Any] = field(default_factory=dict)
    words: list[str] | None = None
    notes: list[str] = field(default_factory=list)
    comments: dict[str, str] = field(default_factory=dict)
    """What stands behind a field, on its line."""


@dataclass(slots=True)
class LeftOut:
    """One that is no model of the new file, with why, and what it was."""

    name: str
    at: Origin
    why: str
    was: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Draft:
    """The whole file."""

    head: list[str] = field(default_factory=list)
    active: list[str] = field(default_factory=list)
    top: dict[str, Any] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)
    models: list[Model | LeftOut] = field(default_factory=list)

    def named(self, name: str) -> Model | None:
        """The model of a name."""
        return next((each for each in self.models if isinstance(each, Model) and each.name == name), None)


def grace_of(seconds: int | None) -> str | None:
    """How long a model may take to end, where that is longer than zoosup's own; None else."""
    return f"{seconds}s" if seconds is not None and seconds > _LEAST_GRACE else None
