"""This host as one of a fleet.

What the link to the fleet comes for and brings, and what faces may ask of all hosts.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # a host by itself imports nothing of a fleet
    from zoosup.core.fleet.words import Choice


class FleetMember(Protocol):
    """This host as one of a fleet: what the link comes for and brings, and what faces may ask."""

    async def report(self, after: int, asked: int) -> Mapping[str, Any]:
        """The report that follows on the one with the number `after`, as soon as it is due; {} without a fleet.

        `asked`: the highest id of a question that has been seen.
        """

    def hear(self, told: Mapping[str, Any]) -> None:
        """Take in what the fleet says; ValueError, TypeError or KeyError where that can't be read."""

    def trouble(self, reason: str, message: str) -> None:
        """Remember why the fleet does not answer, as a code and in words, until it does."""

    async def watch(self) -> None:
        """Have a turn taken when the fleet falls silent, for ever."""

    async def choose(self, model: str) -> "Choice":
        """Which host is to run a model that a request asks for; ZoosupError where the fleet does not answer."""

    def known(self) -> Mapping[str, Any]:
        """All that this host knows of all hosts, how old it is, and what is amiss: the answer to `GET /fleet`."""

    async def drain(self, node: str, *, on: bool) -> Mapping[str, Any]:
        """Have a host get empty and stay so, or no longer; "" is this one. ZoosupError where nobody answers."""
