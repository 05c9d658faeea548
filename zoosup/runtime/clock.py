"""Time as the runtime sees it, handed to whoever needs it so that tests can turn it."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """Time as the runtime sees it: `now` only ever grows, `wall` may jump and is used for stamps alone."""

    now: Callable[[], float]
    wall: Callable[[], float]
