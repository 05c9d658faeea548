"""Looks at the process table for which nobody waits: so that who belongs to a run is known when it is asked.

Knows when a look is worth its price. Refuses to know what is looked for: that is the scanner's.
"""

import asyncio
import time
from contextlib import suppress

from zoosup.host.process.table.scanner import ProcessScanner

_EARLY_LOOKS = (0.05, 0.25, 1.0)
"""Seconds after a spawn: a child that leaves its session and clears its environment has to be seen while its
parent lives."""

_SAME_LOOK = 0.02  # runs spawned together share their early looks


class BackgroundLooks:
    """One at a time."""

    def __init__(self, scanner: ProcessScanner) -> None:
        self._scanner = scanner
        self._look: asyncio.Task[None] | None = None
        self._since = float("-inf")  # the look that is wanted may be no older
        self._closed = False

    def after_a_spawn(self) -> None:
        """See a new run's children before they hide."""
        for delay in _EARLY_LOOKS:
            asyncio.get_running_loop().call_later(delay, self.soon, _SAME_LOOK)

    def soon(self, age: float) -> None:
        """Look in the background, unless the last look, or the one under way, is no older than `age` seconds."""
        self._since = max(self._since, time.monotonic() - age)
        if not self._closed and (self._look is None or self._look.done()):
            self._look = asyncio.create_task(self._try())

    def close(self) -> tuple[asyncio.Task[None], ...]:
        """Look no more; the look that is under way, to be cancelled and waited for."""
        self._closed = True
        return () if self._look is None else (self._look,)

    async def _try(self) -> None:
        since = float("-inf")
        while since < self._since:  # somebody may have asked for a newer one meanwhile
            since = self._since
            with suppress(OSError):  # the next look will tell
                await self._scanner.look(since)
