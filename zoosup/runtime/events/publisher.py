"""The last published snapshot: what everyone outside the single writer may read.

A snapshot is one consistent pass in the shape of `GET /status`, never changed after it is published. Knows nothing
of how it is made (`snapshot`) or shown (`web`, `cli`).
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from zoosup.runtime.events.memory_history import MemoryHistory


class Publisher:
    """Holds the newest snapshot and wakes those who wait for news."""

    def __init__(self) -> None:
        self._snapshot: Mapping[str, Any] = {}
        self._version = 0
        self._newer = asyncio.Event()
        self.memory = MemoryHistory()
        """What each pool held over the last hour."""

    @property
    def snapshot(self) -> Mapping[str, Any]:
        """The newest snapshot; empty before the first pass."""
        return self._snapshot

    @property
    def version(self) -> int:
        """How many snapshots have said something new."""
        return self._version

    def publish(self, snapshot: Mapping[str, Any]) -> None:
        """Replace the snapshot, and wake the waiters unless it says what the last one did, only later."""
        news = _undated(snapshot) != _undated(self._snapshot)
        self._snapshot = snapshot
        self.memory.note(snapshot)
        if news:
            self._version += 1
            self._newer.set()
            self._newer = asyncio.Event()

    async def newer(self, version: int) -> int:
        """Wait until something new has been said since `version`; return its number."""
        while self._version <= version:
            await self._newer.wait()
        return self._version


def _undated(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """All but when it was taken."""
    return {key: value for key, value in snapshot.items() if key != "at"}
