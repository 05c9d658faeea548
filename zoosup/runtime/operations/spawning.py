"""The spawn of a booked run: its record, its log, its process, in this order.

What zoosup itself is short of is no crash of the model's: the run keeps its booking, and is tried again. Refuses to
know what follows for the model.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping

from zoosup.core.state.facts import Fact, ProbedUnready
from zoosup.core.state.runs import Run
from zoosup.host.ports import Processes, SpawnError
from zoosup.host.shortage import OUR_WANT
from zoosup.runtime.clock import Clock
from zoosup.runtime.operations.child_env import launch_of
from zoosup.runtime.operations.output import Outputs
from zoosup.runtime.persistence.record_writer import RecordWriter

AGAIN = 1.0
"""Seconds after which a spawn is tried again for which zoosup itself was short of something."""

_log = logging.getLogger(__name__)


class Spawner:
    """`learned` takes why a spawn has to wait."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a spawn takes
        self,
        processes: Processes,
        record_writer: RecordWriter,
        outputs: Outputs,
        clock: Clock,
        environ: Mapping[str, str],
        learned: Callable[[str, Fact], None],
    ) -> None:
        self._processes = processes
        self._record_writer = record_writer
        self._outputs = outputs
        self._clock = clock
        self._environ = environ
        self._learned = learned

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
        await self._record_writer.write_intent(model, run)
        launch = launch_of(model, run, self._environ, await self._outputs.begin(model, run.id))
        return await self._processes.spawn(launch)
