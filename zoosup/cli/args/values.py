"""Values of options as they are typed: counts, times, where events begin.

Raises argparse's own error, which says what was got and what was expected. Knows no command.
"""

import argparse
import contextlib
import time
from dataclasses import dataclass
from datetime import datetime


def count(text: str) -> int:
    """A whole number of 0 or more."""
    if not (text.isascii() and text.isdecimal() and len(text) < 10):  # noqa: PLR2004 - no sane count is longer
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a whole number of 0 or more")
    return int(text)


def name(text: str) -> str:
    """The name of something: a script's variable that is not set must not stand for none, which is all or this one."""
    if not text:
        raise argparse.ArgumentTypeError("got '', expected a name")
    return text


@dataclass(frozen=True)
class Since:
    """Where events begin: after number `seq`, or at wall time `at`; both 0: wherever."""

    seq: int = 0
    at: float = 0.0


def since(text: str) -> Since:
    """An event's number, a time ago, or a time."""
    if text.isdecimal():
        return Since(seq=int(text))
    with contextlib.suppress(argparse.ArgumentTypeError):
        return Since(at=time.time() - duration(text))
    with contextlib.suppress(ValueError):
        return Since(at=datetime.fromisoformat(text).timestamp())
    raise argparse.ArgumentTypeError(
        f"got {text!r}, expected an event's number, a time ago such as 30m, or a time such as 2026-11-23T18:00"
    )


def size(text: str) -> str:
    """A size with its unit, as it was typed."""
    from zoosup.spec.syntax.units import parse_size  # noqa: PLC0415 - only where a size is typed

    try:
        parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected {error}") from None
    return text


def time_span(text: str) -> str:
    """A time with its unit, as it was typed."""
    duration(text)
    return text


def duration(text: str) -> float:
    """Seconds, of a time with its unit."""
    from zoosup.spec.syntax.units import parse_duration  # noqa: PLC0415 - only where a duration is typed

    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected {error}") from None
