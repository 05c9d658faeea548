"""Tells the init system what the snapshot says: that zoosup is up, in one line how it goes, and that the loop turns.

Knows when each word of the protocol is due. Refuses to know the protocol itself (`host.system.sd_notify`), and to be of
any weight: without an init system it says the same to nobody.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from zoosup.host.system.sd_notify import InitSystem
from zoosup.runtime.events.publisher import Publisher
from zoosup.runtime.publish.words import REASONS

EVERY = 10.0
"""Seconds between two words at most; a watchdog may ask for more."""

PATIENCE = 60.0
"""Seconds that are asked for each time while a start or a stop takes longer than the unit foresees."""

STALLED_AFTER = 10.0
"""Seconds without a turn of the loop after which its watchdog goes hungry; a turn takes milliseconds."""

_MOST_NAMED = 3


@contextlib.asynccontextmanager
async def taking_over(init: InitSystem) -> AsyncIterator[None]:
    """Hold the init system's patience while the body finds and ends the runs of the zoosup before."""
    init.status("taking over the models of the last zoosup")
    task = asyncio.create_task(_asking_for_time(init))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _asking_for_time(init: InitSystem) -> None:
    while True:
        init.extend_timeout(PATIENCE)
        await asyncio.sleep(EVERY)


class InitStatus:
    """To be made when adoption is done and the listeners listen. `heartbeat` is seconds since the loop's last turn."""

    def __init__(self, init: InitSystem, publisher: Publisher, heartbeat: Callable[[], float]) -> None:
        self._init = init
        self._publisher = publisher
        self._heartbeat = heartbeat
        self._stopping = False

    async def announce(self) -> None:
        """READY with the first snapshot, the line of status with each, STOPPING when the end begins."""
        version = await self._publisher.newer(0)
        self._init.ready()
        while True:
            self._init.status(headline(self._publisher.snapshot))
            if self._publisher.snapshot["phase"] == "stopping" and not self._stopping:
                self._stopping = True
                self._init.stopping()
                self._init.extend_timeout(PATIENCE)
            version = await self._publisher.newer(version)

    async def pulse(self) -> None:
        """Feed the watchdog, and hold its patience during a long stop, for as long as the loop really turns."""
        every = min(self._init.watchdog_every or EVERY, EVERY)
        while True:
            if self._heartbeat() <= STALLED_AFTER:
                self._init.watchdog()
                if self._stopping:
                    self._init.extend_timeout(PATIENCE)
            await asyncio.sleep(every)

    async def reload(self, look: Callable[[], Awaitable[object]]) -> None:
        """What SIGHUP asks for: RELOADING, a look at the file, READY again, whatever came of it."""
        if self._stopping:
            return
        self._init.reloading()
        try:
            await look()
        finally:
            if not self._stopping:
                self._init.ready()


def headline(snapshot: Mapping[str, Any]) -> str:
    """The snapshot in one line: "3 of 4 models ready; qwen: waits for memory"."""
    models: Mapping[str, Mapping[str, Any]] = snapshot["models"]
    if snapshot["phase"] == "stopping":
        left = sum(model["run_id"] is not None for model in models.values())
        return f"stopping: {_models(left)} left"
    wanted = {name: model for name, model in models.items() if model["active"]}
    waiting = [f"{name}: {_why(model)}" for name, model in wanted.items() if model["phase"] != "ready"]
    ready = (
        f"{len(wanted) - len(waiting)} of {_models(len(wanted))} ready" if wanted else "no model is to run"
    )
    parts = [ready, *waiting[:_MOST_NAMED]]
    if len(waiting) > _MOST_NAMED:
        parts.append(f"{len(waiting) - _MOST_NAMED} more not ready")
    if snapshot["config"]["error"]:
        parts.append(f"the file is refused, generation {snapshot['config']['generation']} stays in force")
    return "; ".join(parts)


def _models(count: int) -> str:
    return f"{count} model{'s' * (count != 1)}"


def _why(model: Mapping[str, Any]) -> str:
    """The words for its reason; the phase of a model that has none."""
    return REASONS.get(model["reason"], model["phase"])
