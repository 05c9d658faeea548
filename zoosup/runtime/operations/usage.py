"""What every run holds, asked one look at a time; one that shows what the last one did need not be told.

A look costs little beside the turn that follows on its answer. Refuses to know when one is due: `measure_pace` does.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import TypeAlias

from zoosup.host.ports.host import Host
from zoosup.runtime.clock import Clock
from zoosup.runtime.operations.tasks import OperationTasks
from zoosup.runtime.state.inbox import UsageMeasured

BOUND = 5.0
"""Seconds that a look may take; it takes milliseconds, unless the kernel hangs."""

_MIB = 1 << 20

_Held: TypeAlias = tuple[Mapping[str, tuple[int, int | None]], Mapping[str, Mapping[int, int | None]]]

_log = logging.getLogger(__name__)


class UsageLooks:
    """Those under way; `post` takes the answers."""

    def __init__(
        self, host: Host, clock: Clock, tasks: OperationTasks, post: Callable[[UsageMeasured], None]
    ) -> None:
        self._host = host
        self._clock = clock
        self._tasks = tasks
        self._post = post
        self._looking: asyncio.Task[None] | None = None
        self._told: _Held | None = None

    def begin(self, *, news_only: bool = False) -> None:
        """Look, unless a look is under way: a slow host gets no second question."""
        if self._looking is None or self._looking.done():
            self._looking = self._tasks.begin(self.look, news_only)

    async def look(self, news_only: bool = False) -> None:
        """Look to the end; `news_only`: what is the same to the MiB need not be told again."""
        since = self._clock.now()
        try:
            async with asyncio.timeout(BOUND):
                usage = await self._host.processes.usage()
        except OSError as error:  # a TimeoutError too
            # What was known stays as it was: unknown is never 0. And nobody waits for what nobody can see.
            _log.warning("what the models hold can't be measured: %s", error)
            self._told = None  # what was to be told all the same is told with the next
            self._post(UsageMeasured({}, since))
            return
        held = self._held(usage) if news_only else None
        if held is None or held != self._told:
            self._told = held
            self._post(UsageMeasured(usage, since))

    def _held(self, usage: Mapping[str, int]) -> _Held:
        """All that is noted of a look, in MiB: RAM and mapped files of each run, and the processes on each GPU."""
        mapped = self._host.processes.mapped
        runs = {run_id: (held // _MIB, _in_mib(mapped(run_id))) for run_id, held in usage.items()}
        on_gpus = {each.id: each.processes for each in self._host.gauge.read() if each.processes}
        return runs, {
            gpu: {pid: _in_mib(held) for pid, held in each.items()} for gpu, each in on_gpus.items()
        }


def _in_mib(amount: int | None) -> int | None:
    return None if amount is None else amount // _MIB
