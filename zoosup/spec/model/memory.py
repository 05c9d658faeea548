"""The parts of zoo.yaml that say how memory is shared: what all may hold, what one needs, and how one makes way.

Frozen data. Knows no sum: what follows from them stands in `core.memory`.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Discriminator,
    PlainValidator,
    Tag,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    field_validator,
)

from zoosup.spec.model.base import SpecPart, at_once, at_once_but_keys
from zoosup.spec.model.values import kinds
from zoosup.spec.model.values.readers import choice, expected

Auto = Literal["auto"]


class Strategy(StrEnum):
    """In which order a switch starts the new model and stops the old one."""

    AUTO = "auto"
    OVERLAP = "overlap"
    REPLACE = "replace"


class BudgetSpec(SpecPart):
    """How much memory all models may hold together."""

    ram: Annotated[
        kinds.SizeOrAuto,
        at_once(
            "The most RAM all models may hold together. auto: the host's or container's RAM less ram_reserve."
        ),
    ] = "auto"
    ram_reserve: Annotated[
        kinds.SizeOrAuto,
        at_once("RAM always left to the rest of the host. auto: 10 %, at least 1.5 GiB and at most 8 GiB."),
    ] = "auto"
    vram: Annotated[
        kinds.SizeByGpuOrAuto,
        at_once(
            "The most memory of each GPU all models may hold together: one size for every GPU, or a mapping of "
            "indexes and UUIDs to sizes. auto: all but vram_reserve."
        ),
    ] = "auto"
    vram_reserve: Annotated[kinds.Size, at_once("Memory always left free on each GPU.")] = 512 * 2**20


class CooldownSpec(SpecPart):
    """How long to wait, after a stop, for the memory to be back; seconds."""

    min: Annotated[
        kinds.Duration, at_once("Wait at least this long after a stop, even if the memory is back sooner.")
    ] = 0.0
    max: Annotated[
        kinds.Duration,
        at_once("Wait at most this long for the memory, then go on without it.", validate_default=True),
    ] = 30.0

    @field_validator("max", mode="wrap")
    @classmethod
    def _ordered(cls, value: Any, read: ValidatorFunctionWrapHandler, info: ValidationInfo) -> float:
        return kinds.not_below(
            "min", value if value is cls.model_fields["max"].default else read(value), info
        )


class SwitchSpec(SpecPart):
    """How one active model is exchanged for another."""

    strategy: Annotated[
        Strategy,
        BeforeValidator(choice(Strategy)),
        WithJsonSchema({"enum": [word.value for word in Strategy]}),
        at_once(
            "auto: start the new model before the old one stops where memory admits both, else stop first."
        ),
    ] = Strategy.AUTO
    rollback: Annotated[
        kinds.Flag, at_once("Bring the previous model back when the newly active one can't become ready.")
    ] = True
    cooldown: Annotated[CooldownSpec, at_once("The wait for a stopped model's memory to be back.")] = (
        CooldownSpec()
    )


class MemorySpec(SpecPart):
    """What a model needs; bytes. Declared, so final: running out of it may raise it, nothing lowers it."""

    ram: Annotated[kinds.Size, at_once("The RAM the model needs at its peak.")]
    vram: Annotated[
        kinds.SizeByGpu,
        at_once_but_keys(
            "The GPU memory the model needs at its peak, all its GPUs together and shared equally between them; or a "
            "mapping of indexes and UUIDs to sizes. Sizes are applied live; other GPUs in the mapping replace the "
            "process."
        ),
    ] = 0


def _auto(value: Any) -> Auto:
    if value != "auto":
        raise expected("auto or {ram: SIZE, vram: SIZE}")
    return "auto"


def _memory_kind(value: Any) -> str:
    return "auto" if isinstance(value, str) else "memory"


MemorySpecOrAuto = Annotated[
    Annotated[MemorySpec, Tag("memory")]
    | Annotated[Auto, PlainValidator(_auto), WithJsonSchema({"const": "auto"}), Tag("auto")],
    Discriminator(_memory_kind),
]
