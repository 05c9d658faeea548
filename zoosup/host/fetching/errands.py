"""What a start needs brought first, an image or weights: one try at a time, how far it is, a pause after a failure.

Whoever needs it asks again and again, and is told in words how it stands. Refuses to know what is brought.
"""

import asyncio
import math
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

FIRST_PAUSE = 10.0
LONGEST_PAUSE = 300.0

Tell = Callable[[str], None]
"""Takes how far it has come, for people; of any thread."""

Work = Callable[[Tell], Coroutine[None, None, None]]
"""Brings it; ErrandError where it can't be had now."""


class ErrandError(Exception):
    """It can't be had now; the text says why."""


@dataclass(slots=True)
class _Errand:
    task: asyncio.Task[None] | None = None
    progress: str = ""
    deadline: asyncio.TimerHandle | None = None  # at which it is given up
    done_at: float = -math.inf
    failure: str = ""
    failures: int = 0
    again_at: float = -math.inf


class Errands:
    """By key. `unasked`: seconds after which one that nobody has asked for again is given up; None: it goes on."""

    def __init__(self, now: Callable[[], float] = time.monotonic, unasked: float | None = None) -> None:
        self._now = now
        self._unasked = unasked
        self._errands: dict[object, _Errand] = {}

    def is_under_way(self, key: object) -> bool:
        """Whether it is being brought."""
        errand = self._errands.get(key)
        return errand is not None and errand.task is not None and not errand.task.done()

    def since_done(self, key: object) -> float:
        """Seconds since it was last brought; infinite where it never was."""
        errand = self._errands.get(key)
        return math.inf if errand is None else self._now() - errand.done_at

    def ask(self, key: object, what: str, work: Work) -> str:
        """Have it brought, unless it is or has just failed; how it stands, for people."""
        errand = self._errands.setdefault(key, _Errand())
        if not self.is_under_way(key):
            if self._now() < errand.again_at:
                left = errand.again_at - self._now()
                return f"{what} failed, again in {left:.0f} s: {errand.failure}"
            errand.progress = "beginning"
            errand.task = asyncio.create_task(self._carry_out(errand, work))
        self._give_up_later(errand)
        return f"{what}: {errand.progress}"

    async def close(self) -> None:
        """Give up what is under way."""
        tasks = [errand.task for errand in self._errands.values() if errand.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _give_up_later(self, errand: _Errand) -> None:
        if errand.deadline is not None:
            errand.deadline.cancel()
        if errand.task is not None and self._unasked is not None:
            errand.deadline = asyncio.get_running_loop().call_later(self._unasked, errand.task.cancel)

    async def _carry_out(self, errand: _Errand, work: Work) -> None:
        def tell(progress: str) -> None:
            errand.progress = progress

        try:
            await work(tell)
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever waits is told, and nothing is tried in haste
            errand.failure, errand.failures = str(error) or type(error).__name__, errand.failures + 1
            errand.again_at = self._now() + min(FIRST_PAUSE * 2 ** (errand.failures - 1), LONGEST_PAUSE)
        else:
            errand.done_at, errand.failures = self._now(), 0
