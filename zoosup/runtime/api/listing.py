"""Which models clients may ask for, by which names, and what they may know of each.

Sizes are bytes. Refuses to know who may have one, and when.
"""

from dataclasses import dataclass
from typing import Protocol

from zoosup.core.state.phases import Phase
from zoosup.core.state.weights import FileFacts
from zoosup.spec.model.external import ExternalModelSpec
from zoosup.spec.model.model import ModelSpec, Task
from zoosup.spec.model.requests import BodyChanges
from zoosup.spec.model.served import Meaning


@dataclass(frozen=True, slots=True)
class Running:
    """What a model's run holds, in bytes, and when it goes if nobody uses it meanwhile: wall time, None: it stays."""

    ram: int
    vram: int
    until: float | None


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What clients may know of a name, for `/v1/models`. `created` is wall time; `load_time` seconds, once learned.

    `model`: whose name it is, "" where that is its own; `description` goes before its model's. `running` is told of a
    model's own name alone; `weights` are those it was last seen with.
    """

    name: str
    spec: ModelSpec | ExternalModelSpec
    phase: Phase
    active: bool
    created: float
    load_time: float | None = None
    context_length: int | None = None
    model: str = ""
    description: str = ""
    running: Running | None = None
    weights: FileFacts | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """What a name means. `task`: what it is for, None for all; `changes`: of bodies, None where none are made."""

    model: str
    task: Task | None
    changes: BodyChanges | None

    @classmethod
    def of(cls, meaning: Meaning) -> "Served":
        """What the file says of it."""
        return cls(meaning.model, meaning.task, meaning.changes or None)


class Listing(Protocol):
    """Which models clients may ask for."""

    def find(self, name: str) -> Served | None:
        """The model that is meant by a name, "" being the default's; None where there is none."""

    def cards(self) -> tuple[ModelCard, ...]:
        """All names that are listed: those of this host's models in the order of the file, then those elsewhere."""
