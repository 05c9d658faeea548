"""The controller as something that is waited for: a thin shell around `core.fleet.controller`.

Knows a clock and the loop. Refuses to decide anything.
"""

import asyncio
import contextlib
from collections.abc import Callable

from zoosup.core.fleet.controller import Controller
from zoosup.core.fleet.words import Answer, Choice, HostReport

TICK = 0.25
"""Seconds between looks at whose lease is over."""


class ControllerServer:
    """One life of the controller, on the loop on which it is made; `run` has to be kept going beside."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now` is a clock that never goes back."""
        self._now = now
        self._controller = Controller(now())
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Tick, for ever."""
        while True:
            self._tick(self._controller.version)
            await asyncio.sleep(TICK)

    async def poll(self, report: HostReport, version: int, within: float) -> Answer:
        """See `FleetTransport`; answers by itself once `within` is over, for who asked may have gone."""
        before = self._controller.version
        self._controller.hear(report, self._now())
        self._tick(before)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while not self._controller.changed(version):
                    await self._changed.wait()
        return self._controller.answer(report.node, version, self._now())

    def choose(self, model: str, node: str) -> Choice:
        """See `FleetTransport`."""
        return self._controller.choose(model, node, self._now())

    def drain(self, node: str, *, on: bool) -> str:
        """See `FleetTransport`."""
        before = self._controller.version
        why = self._controller.drain(node, on)
        self._tick(before)
        return why

    def _tick(self, before: int) -> None:
        """Decide what is due; whoever polls is woken by all that is new since that version."""
        self._controller.tick(self._now())
        if self._controller.version != before:
            self._changed.set()
            self._changed = asyncio.Event()
