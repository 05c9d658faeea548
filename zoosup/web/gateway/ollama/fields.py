"""Fields of a JSON object that a client has sent, by the type that is expected. Refuses to know what they mean."""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from zoosup.web.gateway.errors import DeniedError

_T = TypeVar("_T")
_NAMES = {str: "a string", bool: "true or false", list: "a list", dict: "an object"}

LONGEST = 64 * 1024 * 1024
"""Bytes of a body that is translated: unlike one that passes as it is, it is built in memory."""


def read(body: bytes) -> dict[str, Any]:
    """Read a body; DeniedError with 400 where it is no JSON object, with 413 where it is too long."""
    if len(body) > LONGEST:
        message = (
            f"the body is longer than the {LONGEST} bytes that are translated for /api/; /v1/ takes more"
        )
        raise DeniedError(413, "body_too_large", message)
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise DeniedError(400, "invalid_json", f"the body is not a JSON object: {error}") from None
    if not isinstance(value, dict):
        raise DeniedError(400, "invalid_json", "the body is not a JSON object")
    return value


def field(body: Mapping[str, Any], name: str, kind: type[_T], where: str = "") -> _T:
    """What a field says, and nothing (an empty value) where it is absent or null; DeniedError with 400 else."""
    value = body.get(name)
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise wrong(where + name, _NAMES[kind])
    return value


def objects(body: Mapping[str, Any], name: str, where: str = "") -> list[dict[str, Any]]:
    """The same of a list of objects."""
    found = field(body, name, list, where)
    for number, each in enumerate(found):
        if not isinstance(each, dict):
            raise wrong(f"{where}{name}[{number}]", "an object")
    return found


def wrong(name: str, expected: str) -> DeniedError:
    """A field that is not what it should be."""
    return DeniedError(400, "invalid_type", f"{name}: expected {expected}", param=name)
