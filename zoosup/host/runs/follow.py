"""What goes on beside a container for as long as it runs: its id is learned, its log copied, its end awaited.

Each is a task of its tie, and ends with it. Refuses to know what follows from any of it.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from zoosup.host.container.api_engine import ApiEngine
from zoosup.host.container.engine import EngineRefusedError, EngineUnreachableError
from zoosup.host.container.log_copier import LogCopier
from zoosup.host.process.processes import Processes
from zoosup.host.runs.tie import Tie, TieFiles

_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 1.0
_AGAIN = 2.0
"""Seconds after which an engine that didn't answer is asked again."""

_log = logging.getLogger(__name__)


class Following:
    """`ended` is told of the end of a container whose processes can't be seen."""

    def __init__(self, processes: Processes, files: TieFiles, ended: Callable[[Tie], None]) -> None:
        self._processes = processes
        self._files = files
        self._ended = ended

    def learn_id(self, tie: Tie, cidfile: Path) -> None:
        """Wait for the client to write it, if it isn't known, and for its engine to know the container's init."""
        tie.tasks.append(asyncio.create_task(self._learn_id(tie, cidfile)))

    async def known(self, ties: Iterable[Tie], within: float) -> None:
        """Wait until the init of each container with a client is known, or for so many seconds."""
        learning = [task for tie in ties if tie.led_by_client for task in tie.tasks]
        if learning:
            await asyncio.wait(learning, timeout=within)

    def copy_log(self, tie: Tie, engine: ApiEngine) -> None:
        """Its output goes on to the run's log."""
        copier = LogCopier(engine, tie.container_id, tie.launch.log)
        tie.tasks.append(asyncio.create_task(copier.run()))

    def await_end(self, tie: Tie, engine: ApiEngine) -> None:
        """By the engine alone."""
        tie.tasks.append(asyncio.create_task(self._await_end(tie, engine)))

    async def settle(self, tie: Tie, within: float) -> None:
        """Let what was printed last be copied; then everything ends."""
        if tie.tasks:
            await asyncio.wait(tie.tasks, timeout=within)
        await self.stop(tie)

    async def stop(self, tie: Tie) -> None:
        """End it all."""
        tasks, tie.tasks = tie.tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _learn_id(self, tie: Tie, cidfile: Path) -> None:
        pause = _FIRST_PAUSE
        while not tie.container_id:
            if tie.exit is not None:
                return
            tie.container_id = self._files.written_id(cidfile)
            if not tie.container_id:
                await asyncio.sleep(pause)
                pause = min(pause * 1.2, _LONGEST_PAUSE)
        self._processes.contain(tie.run_id, tie.ids)
        await self._learn_pid(tie)

    async def _learn_pid(self, tie: Tie) -> None:
        """The id is there before the container is started."""
        pause = _FIRST_PAUSE
        while tie.exit is None:
            with suppress(EngineUnreachableError, EngineRefusedError):
                state = await tie.engine.inspect(tie.container_id)
                if state is None or state.pid is not None:
                    self._processes.contain(tie.run_id, tie.ids, state.pid if state is not None else None)
                    return
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    async def _await_end(self, tie: Tie, engine: ApiEngine) -> None:
        """Unknown is not gone: an engine that doesn't answer is asked until it does."""
        while True:
            with suppress(EngineUnreachableError, EngineRefusedError):
                state = await engine.inspect(tie.container_id)
                if state is None or not state.running:
                    self._ended(tie)
                    return
                await engine.wait(tie.container_id)
                continue
            await asyncio.sleep(_AGAIN)
