"""What reaches the single writer: data in a mailbox, taken in order at the start of its next turn.

Every message is a fact or a wish; none is an order to act at once, so that losing the wake-up that comes with it
costs only latency.
"""

from asyncio import Future
from collections.abc import Mapping
from dataclasses import dataclass

from zoosup.core.state.facts import Fact
from zoosup.runtime.state.zoo import Zoo
from zoosup.spec.model.zoo import ZooSpec


@dataclass(frozen=True, slots=True)
class Told:
    """A fact about a model."""

    model: str
    fact: Fact


@dataclass(frozen=True, slots=True)
class UsageRead:
    """What each run's tree holds, in bytes by run id."""

    usage: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class FileRead:
    """One look at the file: a valid spec with its text, or why there is none."""

    spec: ZooSpec | None
    text: str
    error: str
    answer: Future[None] | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A person's wish about one model: start, stop or restart. Answered after the turn that took it in."""

    verb: str
    model: str
    answer: Future[None]


@dataclass(frozen=True, slots=True)
class Questioned:
    """What if `spec` were in force (None: the one that is)? Answered with a zoo of the asker's own."""

    spec: ZooSpec | None
    path: str
    answer: Future[Zoo]


@dataclass(frozen=True, slots=True)
class Leave:
    """zoosup is to end. `grace` bounds, in seconds, how long each model may take; None: as long as its file says.

    `keep`: the models are to live on, for the next zoosup to adopt; `again`: that one is this process, executed anew.
    """

    grace: float | None
    keep: bool = False
    again: bool = False


Message = Told | UsageRead | FileRead | Asked | Questioned | Leave
