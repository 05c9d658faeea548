"""The tasks of operations: begun, kept from each other's faults, and given up together. Knows no operation."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

_log = logging.getLogger(__name__)

Work: TypeAlias = Callable[..., Coroutine[Any, Any, None]]
"""Work that is made where it runs: a coroutine made before, and cancelled before it began, would never be awaited."""


class OperationTasks:
    """Those under way."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, work: Work, *args: Any) -> asyncio.Task[None]:
        """Have it done; a fault of ours in it is said."""
        task = asyncio.create_task(_guarded(work, *args))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Give up whatever is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _guarded(work: Work, *args: Any) -> None:
    try:
        await work(*args)
    except Exception:  # noqa: BLE001
        # A bug of ours in one operation must not end the others; the next pass sees what is still to be done.
        _log.exception("internal error: an operation failed")
