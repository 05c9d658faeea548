"""What the runtime may know of the gateway: what it has counted, and where it listens.

Read only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from zoosup.runtime.events.histogram import Histogram


class TokenCount(Protocol):
    """Tokens of prompts, and of answers."""

    prompt: int
    completion: int


class GatewayCounters(Protocol):
    """What the gateway has counted since it began, by model ("" for its own answers); read only."""

    connections: int
    received: int  # bytes of clients
    sent: int  # bytes of models' answers

    @property
    def requests(self) -> Mapping[tuple[str, str, int], int]:
        """Answered, by model, name of the client's key and status."""

    @property
    def refusals(self) -> Mapping[tuple[str, str], int]:
        """Refused, by model and the code that clients are told."""

    @property
    def cancelled(self) -> Mapping[str, int]:
        """Those whose client hung up."""

    @property
    def broken(self) -> Mapping[str, int]:
        """Answers that ended too early."""

    @property
    def forwarded(self) -> Mapping[tuple[str, str], int]:
        """Answered by other hosts, by model and host."""

    @property
    def waits(self) -> Mapping[str, Histogram]:
        """Time in the queue, of those that had to wait."""

    @property
    def first_bytes(self) -> Mapping[str, Histogram]:
        """Time from asking a model's server to the head of its answer."""

    @property
    def answers(self) -> Mapping[str, Histogram]:
        """Time from asking a model's server to the end of its answer."""

    @property
    def tokens(self) -> Mapping[tuple[str, str], TokenCount]:
        """As the answers say, by model and name of the client's key."""


@dataclass(frozen=True, slots=True)
class ListenStatus:
    """Where the gateway listens (None: nowhere), and why that is not as zoo.yaml has it; empty where it is."""

    address: str | None = None
    trouble: str = ""
