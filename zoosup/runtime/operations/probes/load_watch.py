"""Looks at runs that load, once a second: how much they have read, and what they say of it themselves.

One task a run, for as long as it loads; at rest there is none. Refuses to know how far a load is
(`core.lifecycle.load_progress`).
"""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial

from zoosup.core.lifecycle.load_progress import said_in
from zoosup.core.state.facts import LoadSeen
from zoosup.core.state.observed import Model
from zoosup.core.state.phases import Phase
from zoosup.core.state.runs import Run
from zoosup.host.ports.host import Logs, Processes
from zoosup.runtime.clock import Clock
from zoosup.runtime.operations.tasks import Lasting, LastingTasks
from zoosup.runtime.state.inbox import FactLearned, Message

EVERY = 1.0
"""Seconds between two looks."""

LINES = 5
"""Lines at the end of its output among which a server's words on its load stand."""


class LoadWatch:
    """Keeps the looks going; what they show is posted."""

    def __init__(
        self, processes: Processes, logs: Logs, clock: Clock, post: Callable[[Message], None]
    ) -> None:
        self._processes = processes
        self._logs = logs
        self._clock = clock
        self._post = post
        self._tasks = LastingTasks[str, None]()

    def follow(self, live: Iterable[tuple[Model, Run]]) -> None:
        """Look at exactly those that load."""
        self._tasks.follow(
            {
                run.id: Lasting(
                    None, f"the look at the load of {model.name}", partial(self._look, model.name, run.id)
                )
                for model, run in live
                if model.phase is Phase.STARTING and run.pid is not None and run.sleep is None
            }
        )

    async def close(self) -> None:
        """End every look."""
        await self._tasks.close()

    async def _look(self, model: str, run_id: str) -> None:
        while True:
            read = await self._processes.bytes_read(run_id)
            said = said_in(await self._logs.tail(model, LINES))
            self._post(FactLearned(model, LoadSeen(run_id, self._clock.now(), read, said)))
            await asyncio.sleep(EVERY)
