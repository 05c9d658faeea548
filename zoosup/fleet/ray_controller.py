"""The controller as a Ray actor: kept by Ray, on the head, whatever becomes of the links that speak with it.

Words cross as JSON, so that links of another release are understood. Imports Ray only where it is called.
"""

import asyncio
import time

from zoosup import __version__
from zoosup.core.fleet import wire
from zoosup.core.fleet.words import HostReport
from zoosup.fleet.controller import ControllerServer

NAME = "zoosup-controller"
PROTOCOL = 1
"""Raised where links and controllers of before could not understand each other."""

AT_ONCE = 1000
"""Calls that may be waiting: a poll and a report of each host, and what dead links have left behind."""


class RayController:
    """What links call; each call ends by itself."""

    def __init__(self) -> None:
        self._server: ControllerServer | None = None
        self._running: asyncio.Task[None] | None = None

    async def version(self) -> str:
        """Of the zoosup whose code this is."""
        return __version__

    async def poll(self, report: bytes, version: int, within: float) -> bytes:
        """See `FleetTransport`."""
        said = wire.from_json(HostReport, report)
        return wire.to_json(await self._begun().poll(said, version, within))

    async def choose(self, model: str, node: str) -> bytes:
        """See `FleetTransport`."""
        return wire.to_json(self._begun().choose(model, node))

    async def drain(self, node: str, on: bool) -> str:
        """See `FleetTransport`."""
        return self._begun().drain(node, on=on)

    def _begun(self) -> ControllerServer:
        if self._server is None:  # not in the constructor, which has no loop yet
            self._server = ControllerServer(time.monotonic)
            self._running = asyncio.get_running_loop().create_task(self._server.run())
        return self._server


def actor_name() -> str:
    """By which name it is found."""
    return f"{NAME}-{PROTOCOL}"
