"""The spawn of a booked run: its record and its log, then its process.

What zoosup itself is short of is no crash of the model's: the run keeps its booking, and is tried again. Refuses to
know what follows for the model.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from zoosup.core.state.facts import Fact, ProbedUnready
from zoosup.core.state.runs import Run
from zoosup.host.ports.host import Processes, SpawnError
from zoosup.host.system.shortage import OUR_WANT
from zoosup.runtime.clock import Clock
from zoosup.runtime.operations.start.child_env import launch_of
from zoosup.runtime.operations.start.output import Outputs
from zoosup.runtime.persistence.record_writer import RecordWriter

AGAIN = 1.0
"""Seconds after which a spawn is tried again for which zoosup itself was short of something."""

_log = logging.getLogger(__name__)


class Spawner:
    """`learned` takes why a spawn has to wait; `prepared` gives a run the words that only a start knows."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a spawn takes
        self,
        processes: Processes,
        record_writer: RecordWriter,
        outputs: Outputs,
        clock: Clock,
        environ: Mapping[str, str],
        learned: Callable[[str, Fact], None],
        prepared: Callable[[str, Run], Awaitable[Run]],
    ) -> None:
        self._processes = processes
        self._record_writer = record_writer
        self._outputs = outputs
        self._clock = clock
        self._environ = environ
        self._learned = learned
        self._prepared = prepared

    async def spawn(self, model: str, run: Run, is_leaving: Callable[[], bool]) -> int | None:
        """The pid; None where the run was told to leave before it could be had. SpawnError, OSError."""
        while not is_leaving():
            try:
                return await self._spawn(model, run)
            except (SpawnError, OSError) as error:
                if not (error.ours if isinstance(error, SpawnError) else error.errno in OUR_WANT):
                    raise
                _log.warning("%s is tried again: %s", model, error)
                why = f"zoosup is short of something, it is tried again: {error}"
                self._learned(model, ProbedUnready(run.id, why, self._clock.now()))
            await asyncio.sleep(AGAIN)
        return None

    async def _spawn(self, model: str, run: Run) -> int:
        # All before the process, and none waits for another's disk.
        _, log, prepared = await asyncio.gather(
            self._record_writer.write_intent(model, run),
            self._outputs.begin(model, run.id),
            self._prepared(model, run),
        )
        return await self._processes.spawn(launch_of(model, prepared, self._environ, log))
