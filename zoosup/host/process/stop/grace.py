"""The time that a run has to end by itself: when SIGKILL is due, and what a stop command may spend of it.

In seconds of `time.monotonic()`. Refuses to know who is asked, and how.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

LEAST_GRACE = 2.0
"""Seconds for the signal after a stop command that used up the grace; the kubelet's rule for preStop."""

StopCommand = Callable[[], Coroutine[Any, Any, None]]
"""Runs the ladder's command in the run's surroundings; cancelling it ends the command."""


class Grace:
    """One run's, which begins now."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._kill_at = time.monotonic() + seconds
        self._latest = float("inf")  # what `hasten` allows
        self._command_bound: asyncio.Timeout | None = None

    @property
    def ends_at(self) -> float:
        """When SIGKILL is due."""
        return min(self._kill_at, self._latest)

    @property
    def left(self) -> float:
        """Seconds until then."""
        return max(0.0, self.ends_at - time.monotonic())

    def hasten(self, seconds: float) -> None:
        """Let SIGKILL come at most so many seconds from now; also ends a stop command by then."""
        self._latest = min(self._latest, time.monotonic() + seconds)
        if self._command_bound is not None:
            self._command_bound.reschedule(self.ends_at)

    async def spend(self, command: StopCommand) -> None:
        """Run the command within the grace; the signal after it has a little time in any case."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self.ends_at) as self._command_bound:
                await command()
        self._command_bound = None
        self._kill_at = max(self._kill_at, time.monotonic() + min(LEAST_GRACE, self._seconds))
