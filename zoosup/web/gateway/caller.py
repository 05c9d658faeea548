"""Whose key a client has presented, as data: its name in the file, and what it may be used for.

Refuses to know the key.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """`name` is "" where the key has none; `models` are names that clients may use, None: all."""

    name: str = ""
    models: tuple[str, ...] | None = None


ANYBODY = Caller()
