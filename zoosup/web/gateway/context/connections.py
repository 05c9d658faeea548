"""Who is there: clients' connections, and requests that wait for their model. Lets time pass for all of them.

Refuses to know what either does with its time.
"""

from typing import Protocol

from zoosup.core.state.refusal import Refusal


class Connection(Protocol):
    """One client's."""

    @property
    def is_new(self) -> bool:
        """Whether it has not asked for anything yet."""

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""

    @property
    def is_tunnel(self) -> bool:
        """Whether another protocol than HTTP is spoken."""

    def tick(self, now: float) -> None:
        """End it where it has taken too long; seconds of the loop's clock."""

    def forget(self) -> None:
        """Rules have changed: whatever its next request looks like, it is looked at."""

    def dismiss(self) -> None:
        """The gateway closes: end it if nothing is under way any more."""

    def cut(self, refusal: Refusal) -> None:
        """The gateway's patience is over: say so where something can still be said."""

    def abort(self) -> None:
        """End it, whatever is under way."""


class Waiting(Protocol):
    """One request that waits."""

    def tick(self, now: float) -> None:
        """Tell its client something, when it is time to."""


class Connections:
    """Those of one gateway."""

    def __init__(self) -> None:
        self.clients: set[Connection] = set()
        self.waiting: set[Waiting] = set()

    def tick(self, now: float) -> None:
        """Let time pass: those who wait are told something, those who take too long are ended."""
        for request in tuple(self.waiting):
            request.tick(now)
        for client in tuple(self.clients):
            client.tick(now)
