"""How long a model is to stay after its last use, as Ollama's clients say it. Pure.

300, "300", "5m", "1h30m"    so many seconds, or so long in the units of Go's time.ParseDuration
0                            its memory is given back at once
-1, "-1m"                    it stays until it has to make room
"""

import re
from math import inf

from zoosup.web.gateway.ollama.fields import wrong

_YEARS = 10 * 365 * 86400
"""Seconds, beyond which nothing is meant but for ever."""

_NUMBER = r"(?:\d+\.?\d*|\.\d+)"
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(rf"({_NUMBER})({'|'.join(sorted(_UNITS, key=len, reverse=True))})")
_PLAIN = re.compile(rf"[+-]?{_NUMBER}")


def seconds(value: object) -> float | None:
    """Read it: seconds, inf for ever, None where nothing is said; DeniedError with 400 for what is no duration."""
    if value is None or value == "":
        return None
    number = _number(value)
    if number is None or number != number:  # noqa: PLR0124 - NaN
        raise wrong("keep_alive", 'seconds, or a duration such as "5m" or "1h30m"')
    return number if 0 <= number <= _YEARS else inf


def _number(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(min(max(value, -1), _YEARS + 1))
    if not isinstance(value, str) or len(value) > 64:  # noqa: PLR2004 - no duration takes so many
        return None
    if _PLAIN.fullmatch(value):
        return float(value)
    sign, text = (-1.0, value[1:]) if value.startswith("-") else (1.0, value.removeprefix("+"))
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    total = sum(float(number) * _UNITS[unit] for number, unit in parts)
    return sign * total
