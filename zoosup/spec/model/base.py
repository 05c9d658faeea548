"""What every part of zoo.yaml is: frozen, strict about keys, silent about values, with a change class at each field.

Refuses to know any part or field.
"""

from enum import StrEnum
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

CHANGE_KEY = "x-zoosup-change"

KEYS_CHANGE_KEY = "x-zoosup-change-of-keys"
"""Of a field that may be a mapping: the class of its keys, where that is another than that of its values."""


class ChangeClass(StrEnum):
    """What an edit of a field costs: a new process, nothing but its application, or nothing at all."""

    RESTART = "restart"
    LIVE = "live"
    NONE = "none"


class SpecPart(BaseModel):
    """The base of all parts."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    also: ClassVar[tuple[str, ...]] = ()
    """Keys that the file may have here and the model hasn't."""

    apart: ClassVar[tuple[str, ...]] = ()
    """Fields of the model that are no keys of the file."""


def _field(change: ChangeClass, description: str, **options: Any) -> Any:
    return Field(description=description, json_schema_extra={CHANGE_KEY: change.value}, **options)


def on_restart(description: str, **options: Any) -> Any:
    """Describe a field whose change replaces the process."""
    return _field(ChangeClass.RESTART, description, **options)


def at_once(description: str, **options: Any) -> Any:
    """Describe a field whose change is applied without touching the process."""
    return _field(ChangeClass.LIVE, description, **options)


def at_once_but_keys(description: str) -> Any:
    """Describe a mapping, or a list of what has a `key`, whose values are applied live and whose keys replace it."""
    extra: dict[str, Any] = {
        CHANGE_KEY: ChangeClass.LIVE.value,
        KEYS_CHANGE_KEY: ChangeClass.RESTART.value,
    }
    return Field(description=description, json_schema_extra=extra)


def no_effect(description: str, **options: Any) -> Any:
    """Describe a field that nothing depends on."""
    return _field(ChangeClass.NONE, description, **options)
