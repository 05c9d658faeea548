"""How much memory a model needs, pool by pool, and where the figure is from.

Knows only what zoo.yaml says; what was learned or derived from weights comes to the same `Need`. Which GPUs the part
for GPUs is booked on stands in `cards`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from zoosup.spec.models import ModelSpec

UNKNOWN_RAM = 8 * 2**30
"""Bytes assumed for a model that declares nothing: the default of the design zoosup came from."""

UNKNOWN_VRAM = 8 * 2**30
"""The same on a GPU, where it has that much."""

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""The variable that shows a process some GPUs and hides the others; a UUID means the same whatever their order."""


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes by pool id, and `vram`: the whole model's bytes on GPUs, or bytes by GPU (index or UUID).

    `certain` is False for a guess: such a model starts alone.
    """

    amounts: Mapping[str, int]
    source: str
    certain: bool
    vram: int | Mapping[str, int] = 0

    @property
    def whole_vram(self) -> int:
        """Bytes on all its GPUs together."""
        return self.vram if isinstance(self.vram, int) else sum(self.vram.values())


def need(spec: ModelSpec) -> Need:
    """What the model must be able to hold before it is started."""
    if spec.memory == "auto":
        hidden = spec.gpus == "none" or spec.env.get(VISIBLE) in {"", "-1"}
        vram = 0 if hidden else UNKNOWN_VRAM
        return Need({"ram": UNKNOWN_RAM}, "default", certain=False, vram=vram)
    return Need({"ram": spec.memory.ram}, "declared", certain=True, vram=spec.memory.vram)
