"""What reaches the single writer: messages in a mailbox, taken in order at the start of its next turn.

Every message is a fact or a wish; none is an order to act at once, so that losing the wake-up that comes with it
costs only latency.
"""

import asyncio
from asyncio import Future
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from zoosup.core.state.facts import Fact
from zoosup.core.state.holds import RoomHold
from zoosup.core.state.runs import Exit
from zoosup.runtime.state.zoo import Zoo
from zoosup.spec.model.zoo import ZooSpec


@dataclass(frozen=True, slots=True)
class FactLearned:
    """A fact about a model."""

    model: str
    fact: Fact


@dataclass(frozen=True, slots=True)
class LeaderExited:
    """The host's word that a run's first process has ended, asked for or not; `at` is monotonic."""

    run_id: str
    exit: Exit
    at: float


@dataclass(frozen=True, slots=True)
class UsageMeasured:
    """What each run's tree holds, in bytes by run id, by a look that began at `since`."""

    usage: Mapping[str, int]
    since: float


@dataclass(frozen=True, slots=True)
class FileRead:
    """One look at the file: a valid spec with its text, or why there is none. `look` as in `Content`."""

    spec: ZooSpec | None
    text: str
    error: str
    answer: Future[None] | None = None
    look: int = 0
    revision: str = ""


@dataclass(frozen=True, slots=True)
class CommandGiven:
    """A person's wish about one model: start, stop or restart. Answered after the turn that took it in."""

    verb: str
    model: str
    answer: Future[None]


@dataclass(frozen=True, slots=True)
class HoldAsked:
    """A person asks for room for what is no model. Answered after the turn that took it in."""

    hold: RoomHold
    answer: Future[None]


@dataclass(frozen=True, slots=True)
class HoldEnded:
    """A person gives the room of a hold back, or no longer waits for it."""

    hold: str
    why: str
    answer: Future[None]


@dataclass(frozen=True, slots=True)
class PlanAsked:
    """What if `spec` were in force (None: the one that is)? Answered with a zoo of the asker's own."""

    spec: ZooSpec | None
    path: str
    answer: Future[Zoo]


@dataclass(frozen=True, slots=True)
class ShutdownAsked:
    """zoosup is to end. `grace` bounds, in seconds, how long each model may take; None: as long as its file says.

    `keep`: the models are to live on, for the next zoosup to adopt; `exec_anew`: that one is this process, executed
    anew.
    """

    grace: float | None
    keep: bool = False
    exec_anew: bool = False


Message = (
    FactLearned
    | LeaderExited
    | UsageMeasured
    | FileRead
    | CommandGiven
    | HoldAsked
    | HoldEnded
    | PlanAsked
    | ShutdownAsked
)


class Inbox:
    """The mailbox: anybody may leave a message, on the loop; the single writer alone waits for them and takes them."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now` is the monotonic clock."""
        self._now = now
        self._messages: deque[Message] = deque()
        self._hint = asyncio.Event()

    def post(self, message: Message) -> None:
        """Leave a message, and have a turn taken soon."""
        self.leave(message)
        self.wake()

    def leave(self, message: Message) -> None:
        """Leave a message for the next turn, whenever that comes."""
        self._messages.append(message)

    def wake(self) -> None:
        """Have a turn taken soon: something beside the messages has changed."""
        self._hint.set()

    def exited(self, run_id: str, end: Exit) -> None:
        """Leave word that a run's leader has ended."""
        self.post(LeaderExited(run_id, end, self._now()))

    @property
    def empty(self) -> bool:
        """Whether every message has been taken."""
        return not self._messages

    def take(self) -> Message | None:
        """The next message; None when there is none."""
        return self._messages.popleft() if self._messages else None

    async def wait(self, within: float) -> bool:
        """Wait to be woken, at most `within` seconds; where that is nothing, let everyone else have a word first.

        Whether somebody has woken us.
        """
        if within <= 0:
            await asyncio.sleep(0)
        else:
            try:
                async with asyncio.timeout(within):
                    await self._hint.wait()
            except TimeoutError:
                pass
        woken = self._hint.is_set()
        self._hint.clear()
        return woken
