"""How each kind of number in zoo.yaml is read: counts, sizes, durations, ports, GPUs.

Strict, and says what was expected. Text is read in `readers`.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

from pydantic import ValidationInfo

from zoosup.spec.model.values.readers import expected, wrong
from zoosup.spec.syntax import units

MAX_SIZE = 2**63 - 1


MAX_PORT = 65535


MAX_COUNT = 1_000_000


MAX_FACTOR = 100


MAX_GPUS = 64


GPU_PATTERN = r"^(?:[0-9]{1,3}(?::[0-9]{1,3})?|(?:amd|intel|apple)[0-9]{1,3}|(?:GPU|MIG)-[A-Za-z0-9/-]+)$"


GPU_EXPECTED = (
    "an index (0; 0:1 of a MIG device; amd0; intel0) or a UUID such as GPU-8f6f…: see zoosup doctor"
)


GPUS_EXPECTED = "auto, none, a number of GPUs, or a list of indexes and UUIDs"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def factor(value: Any) -> float:
    """Read a number of 1 to 100."""
    if _is_number(value) and 1 <= value <= MAX_FACTOR:
        return float(value)
    raise expected(f"a number of 1 to {MAX_FACTOR}")


def count(value: Any) -> int:
    """Read a whole number above 0."""
    return _whole(value, 1)


def count_or_none(value: Any) -> int:
    """Read a whole number of 0 or more."""
    return _whole(value, 0)


def _whole(value: Any, least: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= MAX_COUNT:
        return value
    raise expected(f"a whole number of {least} to {MAX_COUNT}")


def port(value: Any) -> int | Literal["auto"]:
    """Read a TCP port or auto."""
    if value == "auto":
        return "auto"
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_PORT:
        return value
    raise expected(f"1 to {MAX_PORT} or auto")


def _measure(value: Any, info: ValidationInfo, parse: Callable[[str], float], what: str) -> Any:
    """Read text with a unit; a plain number only where no person wrote it."""
    if info.context is None and _is_number(value):
        return value
    try:
        return parse(value if isinstance(value, str) else "")
    except ValueError:
        raise expected(what) from None


def size(value: Any, info: ValidationInfo, what: str = units.SIZE_EXPECTED) -> int:
    """Read a size; bytes."""
    result = _measure(value, info, units.parse_size, what)
    if not (isinstance(result, int) and 0 <= result <= MAX_SIZE):
        raise expected(f"{what}, at most {units.describe_size(MAX_SIZE)}")
    return result


def size_or_auto(value: Any, info: ValidationInfo) -> int | Literal["auto"]:
    """Read a size in bytes, or auto."""
    return "auto" if value == "auto" else size(value, info, f"{units.SIZE_EXPECTED}, or auto")


def duration(value: Any, info: ValidationInfo) -> float:
    """Read a duration; seconds, 0 or more."""
    result = float(_measure(value, info, units.parse_duration, units.DURATION_EXPECTED))
    if result < 0:
        raise expected(units.DURATION_EXPECTED)
    return result


def positive_duration(
    value: Any, info: ValidationInfo, what: str = f"{units.DURATION_EXPECTED}, above 0s"
) -> float:
    """Read a duration; seconds, above 0."""
    result = float(_measure(value, info, units.parse_duration, what))
    if result <= 0:
        raise expected(what)
    return result


def interval(value: Any, info: ValidationInfo) -> float | Literal["adaptive"]:
    """Read a duration in seconds, above 0, or adaptive."""
    if value == "adaptive":
        return "adaptive"
    return positive_duration(value, info, f"{units.DURATION_EXPECTED}, above 0s, or adaptive")


def gpu(value: Any) -> str:
    """Read which GPU is meant; an index may be a number."""
    name = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(name, str) or re.fullmatch(GPU_PATTERN, name) is None:
        raise wrong(f"{value!r} names no GPU", GPU_EXPECTED)
    return name


def gpus(value: Any) -> int | str | tuple[str, ...]:
    """Read which GPUs a model may have: auto, none, how many, or which."""
    if isinstance(value, str) and value in {"auto", "none"}:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_GPUS:
        return value
    if not isinstance(value, list | tuple) or not value:
        raise expected(GPUS_EXPECTED)
    named = tuple(gpu(item) for item in value)
    if len(set(named)) < len(named):
        raise wrong("names a GPU twice", "each GPU once")
    return named


def size_by_gpu(value: Any, info: ValidationInfo) -> int | dict[str, int]:
    """Read a size, or a mapping of GPUs to sizes; bytes."""
    if not isinstance(value, Mapping):
        return size(value, info, f"{units.SIZE_EXPECTED}, or a mapping of GPUs to sizes")
    if not value:
        raise wrong("names no GPU", "a size, or a mapping of GPUs to sizes")
    return {gpu(key): size(amount, info) for key, amount in value.items()}


def size_by_gpu_or_auto(value: Any, info: ValidationInfo) -> int | dict[str, int] | Literal["auto"]:
    """Read a size, a mapping of GPUs to sizes, or auto; bytes."""
    return "auto" if isinstance(value, str) and value == "auto" else size_by_gpu(value, info)
