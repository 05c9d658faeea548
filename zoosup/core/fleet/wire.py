"""The fleet's words as what JSON has, and back: between hosts, between releases, and in what a host keeps.

Unknown keys are passed over and missing ones have their defaults, so that an older zoosup reads a newer one and a newer
one an older. Refuses to know who speaks to whom, and what a word means.
"""

from typing import Any, TypeVar

import msgspec

_W = TypeVar("_W")


class WireError(ValueError):
    """What came is none of the fleet's words; the text says where and why."""


def to_wire(word: object) -> dict[str, Any]:
    """Give a word as dicts, lists, text and numbers."""
    found: dict[str, Any] = msgspec.to_builtins(word)
    return found


def from_wire(kind: type[_W], data: object) -> _W:
    """Read a word back. Raises WireError for whatever is none, and nothing else."""
    try:
        return msgspec.convert(data, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise WireError(f"no {kind.__name__}: {error}") from None


def to_json(word: object) -> bytes:
    """Give a word as JSON."""
    return msgspec.json.encode(word)


def from_json(kind: type[_W], data: bytes | str) -> _W:
    """Read a word from JSON. Raises WireError for whatever is none, and nothing else."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise WireError(f"no {kind.__name__}: {error}") from None
