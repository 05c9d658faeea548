"""An event loop whose time is a number: waiting costs nothing, and a wait that nothing can ever end is an error."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import TypeVar

_T = TypeVar("_T")


class _NoDescriptors(selectors.SelectSelector):
    """Nothing from outside ever happens, so that whoever would wait for it moves the clock instead."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everybody waits and nothing is left that could happen")
        self.loop.seconds += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """`seconds` is the time; it moves only when nobody has anything to do."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        selector = _NoDescriptors()
        selector.loop = self
        super().__init__(selector)
        self._clock_resolution = 1e-7

    def time(self) -> float:
        return self.seconds


def run(work: Coroutine[object, object, _T]) -> _T:
    """Run to the end in a loop of its own; what is still under way then is cancelled and closed."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
