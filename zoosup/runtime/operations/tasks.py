"""The tasks of operations: begun, kept from each other's faults, and given up together. Knows no operation.

Some are done once; others last, and are done again and again for as long as they are wanted.
"""

import asyncio
import logging
import operator
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

AGAIN = 1.0
"""Seconds after which lasting work that has ended, by a fault of ours as a rule, is begun again."""

_Key = TypeVar("_Key")
_Rule = TypeVar("_Rule")
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


@dataclass(frozen=True, slots=True)
class Lasting(Generic[_Rule]):
    """Work that is wanted: by which rule, and what it is, for people."""

    rule: _Rule
    what: str
    work: Callable[[], Coroutine[Any, Any, None]]


class LastingTasks(Generic[_Key, _Rule]):
    """One task for each key that is wanted. `alike`: whether work by one rule will do for another."""

    def __init__(self, alike: Callable[[_Rule, _Rule], bool] = operator.eq) -> None:
        self._alike = alike
        self._tasks: dict[_Key, tuple[_Rule, asyncio.Task[None]]] = {}

    def follow(self, wanted: Mapping[_Key, Lasting[_Rule]]) -> None:
        """Do exactly this; a changed rule begins anew, everything else goes on."""
        for key, (rule, task) in list(self._tasks.items()):
            if key not in wanted or not self._alike(rule, wanted[key].rule):
                task.cancel()
                del self._tasks[key]
        for key, each in wanted.items():
            if key not in self._tasks:
                self._tasks[key] = (each.rule, asyncio.create_task(_again_and_again(each)))

    async def close(self) -> None:
        """End it all."""
        tasks = [task for _, task in self._tasks.values()]
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _again_and_again(lasting: Lasting[Any]) -> None:
    while True:
        try:
            await lasting.work()
        except Exception:  # noqa: BLE001 - a fault of ours says nothing of what the work is about
            _log.exception("internal error: %s failed", lasting.what)
        await asyncio.sleep(AGAIN)
