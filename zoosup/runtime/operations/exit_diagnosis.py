"""What a run died of, as far as others can tell: the kernel that killed it, whoever has its port, its own last words.

Asks the host and decides nothing: what an exit is called after a fault of ours stands in `core.lifecycle.exits`.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from zoosup.core.state.phases import Cause, ExitReason, Reason
from zoosup.core.state.runs import Exit, Run
from zoosup.host.ports.host import Host

LOG_LINES = 40
"""Lines of a dead model's output that go with the event of its death."""

LINE = 1000
"""Characters of each of them: a bar of progress, or a dump, is one line of megabytes, and every event of it is kept."""

PATIENCE = 5.0
"""Seconds that each question about a dead run may take: a disk that hangs must not keep its memory booked."""


class ExitDiagnosis:
    """Told of each run before it begins and once it is gone, for it compares how many the kernel has killed."""

    def __init__(self, host: Host, environ: Mapping[str, str]) -> None:
        self._host = host
        self._environ = environ
        self._oom_kills: dict[str, int | None] = {}
        self._oom_kills_at_first = host.gauge.oom_kills()  # as good as can be had for adopted runs

    def begin(self, run_id: str) -> None:
        """The run is about to be spawned."""
        self._oom_kills[run_id] = self._host.gauge.oom_kills()

    def forget(self, run_id: str) -> None:
        """The run is gone."""
        self._oom_kills.pop(run_id, None)

    async def explained(self, model: str, run: Run, cause: Cause, end: Exit) -> Exit:
        """The exit with the last words of the model, and with its port's holder where that is what killed it."""
        end = replace(end, log=await self._last_words(model))
        if cause is Cause.CRASHED and end.signal == "SIGKILL" and self._kernel_has_killed(run):
            return replace(
                end, reason=ExitReason.OOM_KILLED, message="killed by the kernel for want of memory"
            )
        if cause is not Cause.CRASHED or run.ready_at is not None or end.reason is ExitReason.COMPLETED:
            return end
        reason, message = await self._amiss(run)
        if reason is not Reason.PORT:
            return end
        return replace(end, reason=ExitReason.PORT_IN_USE, message=message)

    async def _last_words(self, model: str) -> tuple[str, ...]:
        with suppress(OSError):  # a TimeoutError too: a log that can't be read keeps no run from being gone
            async with asyncio.timeout(PATIENCE):
                return tuple(map(_shown, await self._host.logs.tail(model, LOG_LINES)))
        return ()

    async def _amiss(self, run: Run) -> tuple[Reason | None, str]:
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                return await self._host.inspector.amiss(run.spec, self._environ, run.port) or (None, "")
        return None, ""

    def _kernel_has_killed(self, run: Run) -> bool:
        """Nobody of ours sent SIGKILL, and the kernel has killed somebody since: not proof, but near enough to say."""
        before, now = self._oom_kills.get(run.id, self._oom_kills_at_first), self._host.gauge.oom_kills()
        return before is not None and now is not None and now > before


def _shown(line: str) -> str:
    """A line as a terminal leaves it: what was written over is gone, and of a long one the end is told."""
    last = line.rstrip("\r").rpartition("\r")[2]
    return last if len(last) <= LINE else f"…{last[1 - LINE :]}"
