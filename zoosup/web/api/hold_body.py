"""The body of `POST /holds`: JSON in, a request for room out, or a sentence that says what is wrong with it."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from zoosup.errors import UsageError
from zoosup.runtime.api.commands import HoldRequest
from zoosup.spec.syntax.units import parse_duration, parse_size

_LONGEST = 200
"""Characters of a command that are kept: it is for people, in a line."""


def hold_request(body: bytes) -> HoldRequest:
    """`{"ram": "8GiB", "vram": "10GiB", "gpu": "0", "for": "2h", "force": false, "pid": 4711, "command": "…"}`.

    `keep`: the process only waits for the room, and the hold outlives it. UsageError names the key that is wrong.
    """
    try:
        given = json.loads(body or b"{}")
    except ValueError as error:
        raise UsageError(f"the body is no JSON: {error}") from None
    if not isinstance(given, dict):
        raise UsageError('expected an object such as {"ram": "8GiB"}')
    if unknown := sorted(set(given) - set(_FIELDS)):
        raise UsageError(f"{unknown[0]}: no such key, expected {', '.join(_FIELDS)}")
    found = {
        name: _read(key, given[key], read) for key, (name, read) in _FIELDS.items() if _is_there(given, key)
    }
    asked = HoldRequest(**found)
    if not asked.ram and not asked.vram:
        raise UsageError("expected ram or vram: how much is to be held")
    if asked.gpu is not None and not asked.vram:
        raise UsageError("gpu: expected vram beside it: how much of that GPU is to be held")
    return asked


def _is_there(given: Mapping[str, Any], key: str) -> bool:
    return given.get(key) is not None


def _read(key: str, value: Any, read: Callable[[Any], Any]) -> Any:
    try:
        return read(value)
    except ValueError as error:
        raise UsageError(f"{key}: got {value!r}, expected {error}") from None


def _size(value: Any) -> int:
    return parse_size(_text(value))


def _duration(value: Any) -> float:
    return parse_duration(_text(value))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("text")  # noqa: TRY004 - told like every other value that can't be read
    return value[:_LONGEST]


def _pid(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise ValueError("the number of a process")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")  # noqa: TRY004 - as above
    return value


_FIELDS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "ram": ("ram", _size),
    "vram": ("vram", _size),
    "gpu": ("gpu", _text),
    "for": ("lasts", _duration),
    "force": ("forced", _flag),
    "command": ("command", _text),
    "pid": ("pid", _pid),
    "keep": ("keep", _flag),
}
