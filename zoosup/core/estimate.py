"""How much memory a model needs, pool by pool, and where the figure is from.

Knows only what zoo.yaml says; what was learned or derived from weights comes to the same `Need`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from zoosup.spec.models import ModelSpec

UNKNOWN_RAM = 8 * 2**30
"""Bytes assumed for a model that declares nothing: the default of the design zoosup came from."""


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes by pool id. `certain` is False for a guess: such a model starts alone."""

    amounts: Mapping[str, int]
    source: str
    certain: bool


def need(spec: ModelSpec) -> Need:
    """What the model must be able to hold before it is started."""
    if spec.memory == "auto":
        return Need({"ram": UNKNOWN_RAM}, "default", certain=False)
    return Need({"ram": spec.memory.ram}, "declared", certain=True)
