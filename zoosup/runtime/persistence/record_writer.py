"""Keeps the records of runs in step with the runs: before a spawn, once it is known, at each turn that matters.

Knows when a record has to be written; what is in one stands in `run_records`, where it lies is the host's. A disk that
refuses is said once and stops no model: runs can still be found again by their mark.
"""

import asyncio
import logging
import math
from collections.abc import Coroutine

from zoosup.core.state.observed import NO_DEMAND, Demand
from zoosup.core.state.runs import Run
from zoosup.host.ports.host import Host
from zoosup.runtime.clock import Clock
from zoosup.runtime.persistence import run_records
from zoosup.runtime.state.zoo import Zoo

AGAIN = 1.0
"""Seconds after which a disk that refused is asked again."""

LAST_WRITES = 3.0
"""Seconds that a disk gets for what is being written when zoosup ends."""

USE_STEP = 5.0
"""Seconds by which the last use of a model moves on in its record."""

_log = logging.getLogger(__name__)

_REFUSED: tuple[object, ...] = ()  # says less than any run does, so that what it stands for is tried again


class RecordWriter:
    """Writes a run's record when it says something new, and takes it away once the run is gone."""

    def __init__(self, host: Host, clock: Clock) -> None:
        self._host = host
        self._clock = clock
        self._written: dict[str, tuple[object, ...]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._refused_at = float("-inf")
        self.trouble = ""
        """Why the last record could not be written; empty when it could."""

    async def write_intent(self, model: str, run: Run) -> None:
        """Return once it is on disk that this run is about to be."""
        await self._write(model, run)

    def follow(self, zoo: Zoo) -> None:
        """Write down whatever has changed since the last turn, and forget runs that are gone."""
        live = {run.id: (model.name, run) for model, run in zoo.live()}
        for run_id, (model, run) in live.items():
            demand = zoo.demand.get(model, NO_DEMAND)
            used = self._last_used(demand)
            if (
                self._written.get(run_id) != self._summary(run, used, demand.stay)
                and run.pid is not None
                and self._is_due(run_id)
            ):
                self._soon(self._write(model, run, used, demand.stay))
        for run_id in [r for r in self._written if r not in live and self._is_due(r)]:
            del self._written[run_id]
            self._soon(self._remove(run_id))

    async def close(self) -> None:
        """Wait for what is being written, as far as the disk answers in bounded time."""
        if not self._tasks:
            return
        _, hanging = await asyncio.wait(self._tasks, timeout=LAST_WRITES)
        if hanging:
            _log.error("the state directory does not answer: %d records were not saved", len(hanging))
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)

    def _last_used(self, demand: Demand) -> float | None:
        """Rounded up, so that not each request is a write, and no model ends early for it."""
        at = self._clock.now() if demand.busy else demand.last_used
        return None if at is None else math.ceil(at / USE_STEP) * USE_STEP

    def _summary(self, run: Run, used: float | None, stay: float | None) -> tuple[object, ...]:
        leaving = run.leaving.cause if run.leaving is not None else None
        stage = run.sleep.stage if run.sleep is not None else None
        identity = self._host.processes.identity(run.id)
        return run.pid, run.reserved, run.ready_at is not None, stage, leaving, identity, used, stay

    def _is_due(self, run_id: str) -> bool:
        refused = self._written.get(run_id) == _REFUSED
        return not refused or self._clock.now() - self._refused_at >= AGAIN

    def _soon(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _write(
        self, model: str, run: Run, used: float | None = None, stay: float | None = None
    ) -> None:
        self._written[run.id] = self._summary(run, used, stay)
        identity = self._host.processes.identity(run.id)
        try:
            record = run_records.write(model, run, self._clock, identity, used, stay)
            await self._host.records.write(run.id, record)
        except OSError as error:
            self._refuse(run.id, f"the record of {model} can't be written: {error}")
        else:
            self._recovered()

    async def _remove(self, run_id: str) -> None:
        try:
            await self._host.records.remove(run_id)
        except OSError as error:
            self._refuse(run_id, f"the record of run {run_id} can't be removed: {error}")
        else:
            self._recovered()

    def _refuse(self, run_id: str, trouble: str) -> None:
        self._written[run_id] = _REFUSED
        self._refused_at = self._clock.now()
        if not self.trouble:
            _log.error("%s", trouble)
        self.trouble = trouble

    def _recovered(self) -> None:
        if _REFUSED not in self._written.values():
            self.trouble = ""
