"""A model as it was started, read from a record that another version of zoosup may have written.

The file is read strictly, a record is not: what this version does not know is left out, part by part, and said.
Refuses to know what any field means.
"""

import logging
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from zoosup.spec.model.model import ModelSpec

_ROUNDS = 100
"""Parts left out at most, one after another; each makes the document smaller, so that this ends sooner."""

_log = logging.getLogger(__name__)


def read_spec(data: Any) -> ModelSpec:
    """The model as far as it can be read; ValidationError where not even that makes one."""
    for _ in range(_ROUNDS):
        try:
            return ModelSpec.model_validate(data)
        except ValidationError as error:
            without = _without(data, error)
            if without is None:
                raise
            data = without
    return ModelSpec.model_validate(data)


def _without(data: Any, error: ValidationError) -> Any:
    """The same without what the errors are about: unknown keys, else the whole of a field; None where it lacks one."""
    found = error.errors(include_url=False, include_input=False)
    unknown = [each["loc"] for each in found if each["type"] == "extra_forbidden"]
    for path in unknown or [each["loc"][:1] for each in found]:
        smaller = _removed(data, path)
        if smaller is not None:
            _log.warning("a record has %s, which this version can't read", ".".join(map(str, path)))
            return smaller
    return None


def _removed(data: Any, path: Iterable[str | int]) -> Any:
    """A copy without the last key of the path; None if it has none. Steps that are no keys name alternatives."""
    keys = list(path)
    while keys and isinstance(data, dict) and keys[0] not in data:
        del keys[0]
    if not keys or not isinstance(data, dict):
        return None
    key, rest = keys[0], keys[1:]
    if not rest:
        return {name: value for name, value in data.items() if name != key}
    smaller = _removed(data[key], rest)
    return None if smaller is None else {**data, key: smaller}
