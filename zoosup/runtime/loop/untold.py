"""Turns that are not told of yet: what they have begun gets under way first, and what follows at once is told with it.

To tell of a turn takes milliseconds of the interpreter, in which no thread gets on: not the one that looks whether a
crash has left anybody, and not the one that writes the next run's record. Refuses to know what is told.
"""

from zoosup.runtime.clock import Clock
from zoosup.runtime.state.inbox import Inbox

UNDER_WAY = 0.01
"""Seconds that what a turn has begun gets."""

LONGEST = 0.1
"""Seconds after which it is told of though one turn follows the other."""


class Untold:
    """Remembers since when nothing was told."""

    def __init__(self, inbox: Inbox, clock: Clock) -> None:
        self._inbox = inbox
        self._clock = clock
        self._since: float | None = None

    def told(self) -> None:
        """Of all that has been so far."""
        self._since = None

    async def is_overtaken(self, wake_at: float | None) -> bool:
        """Whether the next turn, due at `wake_at` or with the next message, comes before this one need be told of."""
        now = self._clock.now()
        self._since = now if self._since is None else self._since
        if now - self._since >= LONGEST:
            return False
        due = UNDER_WAY if wake_at is None else wake_at - now
        return await self._inbox.stirs(min(UNDER_WAY, due)) or due < UNDER_WAY
