"""Where the link comes, and where faces ask the fleet: reports and questions out, answers in.

A report goes out where there is news, and else often enough that the host is not taken for lost. An answer is taken in
at once; the single writer is woken only for what concerns it. Refuses to know what carries them.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from zoosup.core.fleet import wire
from zoosup.core.fleet.words import Answer, Choice
from zoosup.runtime.events.publisher import Publisher
from zoosup.runtime.fleet.questions import Questions
from zoosup.runtime.fleet.report import report
from zoosup.runtime.publish.fleet_status import whole_fleet
from zoosup.runtime.state.membership import Membership, Trouble
from zoosup.runtime.state.zoo import Zoo

APART = 0.25
"""Seconds between two reports at least: a change of phases comes with others."""

BEATS = 5
"""Reports in `lost_after`, though there is no news: four may be lost on their way."""

LONGEST_BEAT = 2.0
"""Seconds between two reports at most: what the fleet knows of free memory is no older."""

PATIENCE = 10.0
"""Seconds that a question waits for its answer."""

LOOK = 0.5
"""Seconds between looks at whether the fleet still answers."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """The last report: its number, what it was made of, and when."""

    sequence: int = 0
    version: int = -1
    at: float = float("-inf")


class Member:
    """One host's way to the fleet and back, for as long as zoosup lives."""

    def __init__(self, zoo: Zoo, publisher: Publisher, wake: Callable[[], None]) -> None:
        """`wake` has the single writer take a turn."""
        self._zoo = zoo
        self._publisher = publisher
        self._wake = wake
        self._life = secrets.token_hex(6)
        self._sent = _Sent()
        self._questions = Questions()

    # for the link

    async def report(self, after: int, asked: int) -> Mapping[str, Any]:
        """The report after that with the number `after`, once it is due, and all questions that are open.

        A question with an id above `asked` is not kept waiting. {} where there is no fleet any more.
        """
        if after == self._sent.sequence and after:
            await self._until_due(asked)
        here = self._zoo.fleet
        if here is None:
            return {}
        self._sent = _Sent(self._sent.sequence + 1, self._publisher.version, self._zoo.clock.now())
        said = report(self._zoo, here, self._life, self._sent.sequence)
        return {"report": wire.to_wire(said), "questions": [asdict(each) for each in self._questions.open]}

    def hear(self, told: Mapping[str, Any]) -> None:
        """Take in what the link brings: an answer to a report or to a question, or trouble; see `FleetMember`."""
        here = self._zoo.fleet
        if here is None:
            return
        if "answer" in told:
            if here.hear(wire.from_wire(Answer, told["answer"])):
                self._wake()
        elif "question" in told:
            self._questions.answer(int(told["question"]), told["told"])
        else:
            self.trouble(str(told["trouble"]["reason"]), str(told["trouble"]["message"]))

    def trouble(self, reason: str, message: str) -> None:
        """Remember why the fleet does not answer, until it does."""
        here = self._zoo.fleet
        if here is not None and here.note_trouble(Trouble(reason, message)):
            self._wake()

    # for faces

    async def choose(self, model: str, within: float = PATIENCE) -> Choice:
        """Which host is to run a model that a request asks for; ZoosupError where the fleet does not answer."""
        told = await self._questions.ask(within, "choose", model=model, node=self._here.node)
        return wire.from_wire(Choice, told)

    def known(self) -> Mapping[str, Any]:
        """All that this host knows of all hosts; see `FleetMember`."""
        return whole_fleet(self._here)

    async def drain(self, node: str, *, on: bool, within: float = PATIENCE) -> Mapping[str, Any]:
        """Have a host get empty and stay so, or no longer; "" is this one. ZoosupError where nobody answers."""
        return await self._questions.ask(within, "drain", node=node or self._here.node, on=on)

    async def watch(self) -> None:
        """Have a turn taken when the fleet falls silent, or time decides what it has not; for ever."""
        known: object = None
        while True:
            here = self._zoo.fleet
            seen = None if here is None else _state(here)
            if seen != known:
                known = seen
                self._wake()
            await asyncio.sleep(LOOK)

    @property
    def _here(self) -> Membership:
        here = self._zoo.fleet
        if here is None:
            raise RuntimeError("internal error: asked of a fleet where there is none")
        return here

    async def _until_due(self, asked: int) -> None:
        here = self._zoo.fleet
        beat = LONGEST_BEAT if here is None else min(LONGEST_BEAT, here.spec.lost_after / BEATS)
        now = self._zoo.clock.now
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, self._sent.at + beat - now())):
                await self._news(asked)

    async def _news(self, asked: int) -> None:
        """Wait for a question, or for a snapshot that says something new; not at once for that."""
        question = asyncio.ensure_future(self._questions.asked_after(asked))
        snapshot = asyncio.ensure_future(self._snapshot())
        try:
            await asyncio.wait({question, snapshot}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            question.cancel()
            snapshot.cancel()

    async def _snapshot(self) -> None:
        await self._publisher.newer(self._sent.version)
        await asyncio.sleep(max(0.0, self._sent.at + APART - self._zoo.clock.now()))


def _state(here: Membership) -> object:
    return here.connected, here.trouble, here.undecided_until
