"""What connections expect of those who work with them: who is given a request's body, and who hears of an answer.

Protocols only; `proxy` has what keeps them.
"""

from dataclasses import dataclass
from typing import Protocol

from zoosup.core.state.refusal import Refusal


class BodySink(Protocol):
    """Who answers the request under way: it is given the rest of its body, and hears of its client."""

    def data(self, piece: bytes) -> None:
        """A piece of the body of a request that is passed on as it comes."""

    def end(self) -> None:
        """That body is complete."""

    def pause(self, paused: bool) -> None:
        """The client takes its answer more slowly than it comes, or no longer does."""

    def gone(self) -> None:
        """The client has hung up."""

    def tick(self) -> None:
        """Look at the time."""

    def cut(self, refusal: Refusal) -> None:
        """It is to end now; `refusal` says why."""


class Takeover(Protocol):
    """What has taken a client's connection over, to speak another protocol."""

    def tick(self, now: float) -> None:
        """Look at the time; seconds of the loop's clock."""

    def abort(self) -> None:
        """End it at once."""


class Sink(Protocol):
    """Where the body of an answer goes."""

    def write(self, data: bytes, /) -> None:
        """Take the next piece."""


@dataclass(frozen=True, slots=True)
class Expect:
    """What kind of answer a request asks for. `bodiless`: it was HEAD; `may_switch`: it offers another protocol."""

    bodiless: bool = False
    may_switch: bool = False


BODY, NO_BODY, SWITCH = Expect(), Expect(bodiless=True), Expect(may_switch=True)


class ResponseHandler(Protocol):
    """Whom a connection to a server works for. Nothing is called after `on_complete`, `on_lost` or `on_switched`."""

    def on_head(self, head: bytes, rest: bytes) -> None:
        """The head of the final answer without its last line ends, and what of the body came with it."""

    def on_complete(self) -> None:
        """The answer has ended as it should."""

    def on_lost(self, message: str) -> None:
        """The connection is gone before the answer was complete."""

    def on_switched(self, head: bytes, early: bytes) -> None:
        """Another protocol is spoken from here on; `early` is what has come of it."""

    def on_backpressure(self, held: bool) -> None:
        """The server takes the request more slowly than it is given, or no longer does."""
