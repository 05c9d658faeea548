"""What a link asks of whatever carries the fleet's words. Knows no carrier."""

from typing import Protocol

from zoosup.core.fleet.words import Answer, Choice, HostReport
from zoosup.errors import ZoosupError


class FleetError(ZoosupError):
    """The fleet can't be reached, or not any more: a code for programs, and words for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class FleetTransport(Protocol):
    """The way to the controller. Everything raises FleetError where there is none; then it is of no more use."""

    async def poll(self, report: HostReport, version: int, within: float) -> Answer:
        """Bring a report, and wait for what is new since `version`, at most `within` seconds."""

    async def choose(self, model: str, node: str) -> Choice:
        """Where a model is to run that a request at `node` asks for."""

    async def drain(self, node: str, *, on: bool) -> str:
        """Have a host get empty and stay so, or no longer; "" or why that can't be."""
