"""The probes of servers elsewhere: one task a server, begun, changed and ended as the file says.

What they hear stands in `state.external`, for people and for /v1/models; nothing follows from it. Refuses to know
how a server is asked.
"""

import logging
from collections.abc import Callable
from functools import partial

from zoosup.core.state.phases import Phase
from zoosup.host.ports.probes import Prober, ProbeResult, RemoteEndpoint
from zoosup.runtime.operations.tasks import Lasting, LastingTasks
from zoosup.runtime.state.external import ExternalServer, asks_alike
from zoosup.runtime.state.zoo import Zoo
from zoosup.spec.model.external import ExternalModelSpec

_log = logging.getLogger(__name__)


class ExternalProbes:
    """Keeps the right ones running; `wake` has what they heard published."""

    def __init__(self, prober: Prober, zoo: Zoo, wake: Callable[[], None]) -> None:
        self._prober = prober
        self._zoo = zoo
        self._wake = wake
        self._tasks = LastingTasks[str, ExternalModelSpec](alike=asks_alike)

    def follow(self) -> None:
        """Ask exactly the servers that the file has; a changed question begins anew, everything else goes on."""
        self._tasks.follow(
            {
                name: Lasting(server.spec, f"the probe of {name}", partial(self._ask, server))
                for name, server in self._zoo.externals.items()
            }
        )

    async def close(self) -> None:
        """End every probe."""
        await self._tasks.close()

    async def _ask(self, server: ExternalServer) -> None:
        upstream, ready = server.upstream, server.spec.ready
        assert upstream.url is not None  # noqa: S101 - or it would be none
        endpoint = RemoteEndpoint(upstream.url, upstream.headers, upstream.ca_file)
        async for verdict in self._prober.elsewhere(endpoint, ready):
            self._note(server.name, verdict)

    def _note(self, name: str, verdict: ProbeResult) -> None:
        server = self._zoo.externals.get(name)
        if server is None:
            return
        if verdict.ok is None:
            _log.warning("a probe could not be made, which says nothing of %s: %s", name, verdict.message)
            return
        phase, before = Phase.READY if verdict.ok else Phase.UNREADY, server.phase
        server.message = "" if verdict.ok else verdict.message
        server.phase = phase
        if phase is not before:
            data = {"from": before, "to": phase}
            self._zoo.journal.add("Phase", name, phase, server.message or verdict.message, data)
        self._wake()
