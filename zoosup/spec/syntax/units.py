"""Sizes and durations as people write them, and back.

Knows the units of zoo.yaml; refuses to know which field a figure is for and which figures it allows.
"""

import re
from decimal import Decimal

SIZE_EXPECTED = "a size with a unit, such as 512MiB, 7GiB or 7GB"
DURATION_EXPECTED = "a duration with a unit, such as 250ms, 30s, 10m or 1h30m"

_NUMBER = r"[0-9]{1,18}(?:\.[0-9]{1,18})?"
SIZE_PATTERN = rf"^{_NUMBER}(?:[KMGT]i?B|kB|B)$"
DURATION_PATTERN = rf"^(?=.)(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}s)?(?:{_NUMBER}ms)?$"

_BYTES = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
_BINARY = ("TiB", "GiB", "MiB", "KiB")
_EXACT = ("TiB", "GiB", "MiB", "TB", "GB", "MB", "KiB")
_MILLISECONDS = {"h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}

_SIZE = re.compile(rf"({_NUMBER})({'|'.join(_BYTES)})")
_DURATION = re.compile(DURATION_PATTERN)
_PART = re.compile(rf"({_NUMBER})(ms|h|m|s)")


def parse_size(text: str) -> int:
    """Read a size; bytes, a broken byte is dropped.

    Raises ValueError whose text says what was expected, for an unknown unit or none.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(SIZE_EXPECTED)
    return int(Decimal(match[1]) * _BYTES[match[2]])


def format_size(size: int) -> str:
    """Write bytes as zoo.yaml reads them, exactly: `parse_size(format_size(n)) == n`."""
    for unit in _EXACT:
        hundredths, broken = divmod(size * 100, _BYTES[unit])
        if hundredths >= 100 and not broken:  # noqa: PLR2004 - one whole unit
            return f"{_shortest(Decimal(hundredths) / 100)}{unit}"
    return f"{size}B"


def describe_size(size: int) -> str:
    """Write bytes for people, rounded to three figures or so: `3.1 GiB`, `-512 MiB`."""
    for unit in _BINARY:
        amount = size / _BYTES[unit]
        if abs(amount) >= 1:
            return f"{_shortest(Decimal(f'{amount:.1f}'))} {unit}"
    return f"{size} B"


def parse_duration(text: str) -> float:
    """Read a duration; seconds. Units run from hours down to milliseconds, each at most once.

    Raises ValueError whose text says what was expected, for an unknown unit or none.
    """
    if _DURATION.fullmatch(text) is None:
        raise ValueError(DURATION_EXPECTED)
    parts = (Decimal(number) * _MILLISECONDS[unit] for number, unit in _PART.findall(text))
    return float(sum(parts, Decimal(0)) / 1000)


def format_duration(seconds: float) -> str:
    """Write seconds (0 or more) as zoo.yaml reads them: `parse_duration(format_duration(s)) == s`."""
    exact = Decimal(repr(seconds))
    if 0 < exact < 1:
        return f"{_shortest(exact * 1000)}ms"
    minutes, rest = divmod(exact, 60)
    hours, minutes = divmod(minutes, 60)
    parts = [
        f"{_shortest(amount)}{unit}" for amount, unit in ((hours, "h"), (minutes, "m"), (rest, "s")) if amount
    ]
    return "".join(parts) or "0s"


def _shortest(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
