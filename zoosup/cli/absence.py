"""A supervisor that is away for a while, as for an upgrade: whoever follows it waits for the next one.

Refuses to wait for one that was never there, or that does not come back.
"""

import sys
import time

from zoosup.errors import UnreachableError

LONGEST = 15.0
"""Seconds without a supervisor after which none is taken to come: a restart with its imports takes some."""

AGAIN = 0.2
"""Seconds between tries."""

SAID_AFTER = 2.0
"""Seconds until it is said: being executed anew takes less on most hosts."""

STOPPED = "the supervisor has stopped"


class Absence:
    """Begins with the first failure after the supervisor was there, and ends when it is there again."""

    def __init__(self) -> None:
        self._met = False
        self._since: float | None = None
        self._said = False

    def over(self) -> None:
        """It is there."""
        self._met, self._since, self._said = True, None, False

    def endure(self, why: UnreachableError) -> None:
        """Wait a little. UnreachableError for one that was never there, or has been away for too long."""
        if not self._met:
            raise why
        now = time.monotonic()
        since = self._since = now if self._since is None else self._since
        if now - since >= LONGEST:
            raise UnreachableError(STOPPED) from None
        if now - since >= SAID_AFTER and not self._said:
            print(f"zoosup: {STOPPED}; waiting for the next one", file=sys.stderr)
            self._said = True
        time.sleep(AGAIN)
