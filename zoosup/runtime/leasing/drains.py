"""Runs that are to end: whether anybody uses one, the wait until nobody does, and what those are told who still do.

Knows who uses which run. Refuses to know why it ends, and who gets a lease.
"""

import asyncio
from collections.abc import Mapping

from zoosup.core.state.phases import Cause
from zoosup.runtime.leasing import refusals
from zoosup.runtime.leasing.model_queue import GrantedLease, LookingLease, ModelQueue
from zoosup.runtime.leasing.notify import notify
from zoosup.runtime.state.zoo import Zoo


class Drains:
    """The clients of runs, in the queues of all models; `waits`: by run, for whom it is waited until nobody uses it."""

    def __init__(self, zoo: Zoo, queues: Mapping[str, ModelQueue]) -> None:
        self._zoo = zoo
        self._queues = queues
        self.waits: dict[str, asyncio.Event] = {}

    def uses(self, run_id: str) -> bool:
        """Whether any client uses the run."""
        return any(queue.uses(run_id) for queue in self._queues.values())

    async def wait_idle(self, run_id: str, within: float) -> bool:
        """Wait until nobody uses the run any more, at most `within` seconds; whether it is so."""
        if not self.uses(run_id):
            return True
        event = self.waits.setdefault(run_id, asyncio.Event())
        try:
            async with asyncio.timeout(within):
                await event.wait()
        except TimeoutError:
            return False
        finally:
            self.waits.pop(run_id, None)
        return True

    def left(self, run_id: str) -> None:
        """The last client of the run has given it back."""
        idle = self.waits.get(run_id)
        if idle is not None:
            idle.set()

    def cut(self, run_id: str, cause: Cause, message: str) -> None:
        """The run is being ended: whoever still uses it is told, to tell its client."""
        for queue in self._queues.values():
            known = self._zoo.models.get(queue.model)
            load_time = None if known is None else known.load_time
            refusal = refusals.of_cause(cause, f"{queue.model}: {message}", load_time)
            held: list[GrantedLease | LookingLease] = [*queue.leases, *queue.looks]
            for lease in [each for each in held if each.run_id == run_id]:
                notify(lease.holder.cut, refusal)
