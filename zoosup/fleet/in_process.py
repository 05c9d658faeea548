"""Hosts that are all in one process: what a fleet does, in virtual time and without a network.

As unreliable as it is told to be: calls are late or lost, the controller dies and another begins.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from zoosup.core.fleet import wire
from zoosup.core.fleet.words import Answer, Choice, HostReport
from zoosup.fleet.controller import ControllerServer
from zoosup.fleet.transport import FleetError

_T = TypeVar("_T")


class InProcessFleet:
    """A controller, and the ways to it; `delay` is how long each word takes, `cut` are hosts that don't get through."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._server: ControllerServer | None = None
        self._running: asyncio.Task[None] | None = None
        self.delay = 0.001
        self.cut: set[str] = set()

    def begin(self) -> None:
        """A controller begins, with nothing of what the one before knew."""
        self.end()
        self._server = ControllerServer(self._now)
        self._running = asyncio.create_task(self._server.run())

    def end(self) -> None:
        """It dies."""
        if self._running is not None:
            self._running.cancel()
        self._server = self._running = None

    async def reached(self, node: str) -> ControllerServer:
        """The controller, once a word has got there; FleetError where it does not."""
        await asyncio.sleep(self.delay)
        if self._server is None or node in self.cut:
            raise FleetError("HeadUnreachable", "nobody answers at the head")
        return self._server


class InProcessTransport:
    """One host's way to it."""

    def __init__(self, fleet: InProcessFleet, node: str) -> None:
        self._fleet = fleet
        self._node = node

    async def poll(self, report: HostReport, version: int, within: float) -> Answer:
        """See `FleetTransport`."""
        server = await self._fleet.reached(self._node)
        answer = await server.poll(_sent(HostReport, report), version, within)
        if await self._fleet.reached(self._node) is not server:
            raise FleetError("HeadUnreachable", "the controller has died meanwhile")
        return _sent(Answer, answer)

    async def choose(self, model: str, node: str) -> Choice:
        """See `FleetTransport`."""
        return _sent(Choice, (await self._fleet.reached(self._node)).choose(model, node))

    async def drain(self, node: str, *, on: bool) -> str:
        """See `FleetTransport`."""
        return (await self._fleet.reached(self._node)).drain(node, on=on)


def _sent(kind: type[_T], word: _T) -> _T:
    """A word as it comes out at the other end."""
    return wire.from_json(kind, wire.to_json(word))
