"""What the runtime asks of the host about how a server is, as a Protocol: whether it is ready, whether it lives.

Durations are seconds. Knows no adapter.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from zoosup.spec.model.external import BaseUrl, RemoteReadySpec
from zoosup.spec.model.process.lifetime import LiveSpec, ReadySpec


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a run listens, and which pids may answer there. `members` is asked anew at each check of ownership."""

    host: str
    port: int
    members: Callable[[], frozenset[int]]
    contained: bool = False  # the listener lives in a container, so that its pid proves nothing


@dataclass(frozen=True, slots=True)
class RemoteEndpoint:
    """A server elsewhere, with what it is sent besides; `ca_file` has whose certificates count, None: the system's."""

    url: BaseUrl
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    ca_file: str | None = None


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One probe's answer. `ok` None: the prober itself was at fault, which changes nothing."""

    ok: bool | None
    message: str


class Prober(Protocol):
    """Asks a run how it is. Each iterator runs until it is closed and yields changes only, the first answer too."""

    def readiness(
        self, endpoint: Endpoint, ready: ReadySpec, env: Mapping[str, str]
    ) -> AsyncIterator[ProbeResult]:
        """Poll fast until ready (10 ms, then 2-5 % of the time waited, at most 500 ms), slowly afterwards."""

    def liveness(
        self, endpoint: Endpoint, live: LiveSpec, env: Mapping[str, str]
    ) -> AsyncIterator[ProbeResult]:
        """Yield ok=False once `failures` probes in a row have failed, ok=True when one succeeds again."""

    def elsewhere(self, endpoint: RemoteEndpoint, ready: RemoteReadySpec) -> AsyncIterator[ProbeResult]:
        """Ask a server elsewhere: every 10 s while it answers, else from every second on to every 10 s."""

    async def exchange(
        self, endpoint: Endpoint, method: str, path: str, body: bytes | None, within: float
    ) -> tuple[int, bytes]:
        """One request and the beginning of its answer: status, at most 64 KiB of body; OSError where none came."""

    async def drain(
        self, endpoint: Endpoint, call: str, within: float, body: Mapping[str, Any] | None = None
    ) -> ProbeResult:
        """Carry out `stop.before` ("POST /drain"), given up after `within` seconds; `body` is sent as JSON."""
