"""What this host asks the fleet, and waits for: each question has one answer, or ends because none came in time.

Knows neither what is asked nor how it gets there.
"""

import asyncio
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zoosup.errors import ZoosupError


@dataclass(frozen=True, slots=True)
class Question:
    """`verb` is choose (a host for `model`) or drain (`node` is to get empty, or no longer: `on`)."""

    id: int
    verb: str
    model: str = ""
    node: str = ""
    on: bool = True


class FleetSilentError(ZoosupError):
    """Nobody has answered for the fleet in time."""


class Questions:
    """Those that are still open, in the order in which they were asked."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._open: dict[int, tuple[Question, asyncio.Future[Mapping[str, Any]]]] = {}
        self._asked = asyncio.Event()

    @property
    def open(self) -> tuple[Question, ...]:
        """All that wait for an answer."""
        return tuple(question for question, _ in self._open.values())

    async def ask(self, within: float, verb: str, **about: Any) -> Mapping[str, Any]:
        """The fleet's answer as data; FleetSilentError after `within` seconds, ZoosupError where it refuses."""
        question = Question(next(self._ids), verb, **about)
        answer: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._open[question.id] = question, answer
        self._asked.set()
        try:
            async with asyncio.timeout(within):
                return await answer
        except TimeoutError:
            raise FleetSilentError(f"the fleet has not answered for {within:g} s") from None
        finally:
            del self._open[question.id]

    async def asked_after(self, last: int) -> None:
        """Return once there is a question with a higher id."""
        while not any(each > last for each in self._open):
            self._asked.clear()
            await self._asked.wait()

    def answer(self, question: int, told: Mapping[str, Any]) -> None:
        """Hand an answer over; one that nobody waits for any more is dropped. `error`: why there is none."""
        _, waiting = self._open.get(question, (None, None))
        if waiting is None or waiting.done():
            return
        if error := told.get("error"):
            waiting.set_exception(ZoosupError(str(error)))
        else:
            waiting.set_result(told)
