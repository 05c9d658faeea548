"""Requests for a model none of whose hosts can be reached just now: they wait, as for a model that is not ready yet.

A zoosup that is restarted or upgraded is back soon, and its models have gone on meanwhile. Refuses to know which host
is whose turn.
"""

import asyncio
from collections.abc import Callable

from zoosup.runtime.leasing.host_lease import HostTicket
from zoosup.runtime.leasing.queue_limit import is_full
from zoosup.spec.model.zoo import ZooSpec

LOOK = 0.1
"""Seconds between looks at who may be asked now."""

DECIDES = 1.0
"""Seconds from the end of a host's lease in which all hear where else its models begin."""


class HostQueue:
    """All that wait. `ask_again` finds each a host, refuses it, or gives it back by `add`, to be asked for later."""

    def __init__(self, ask_again: Callable[[HostTicket], None]) -> None:
        self._ask_again = ask_again
        self._waiting: list[HostTicket] = []
        self._looking: asyncio.Task[None] | None = None

    def is_full(self, spec: ZooSpec, model: str) -> bool:
        """Whether one more that waits for a model is one too many."""
        own = sum(ticket.model == model for ticket in self._waiting)
        return is_full(spec, len(self._waiting), own)

    def add(self, ticket: HostTicket) -> None:
        """Wait: the last in the queue."""
        self._waiting.append(ticket)
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(LOOK)
                waiting, self._waiting = self._waiting, []
                for ticket in waiting:
                    if ticket.holder is not None:
                        self._ask_again(ticket)
        finally:
            self._looking = None
