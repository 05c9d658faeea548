"""Asks a model server whether it is ready, whether it lives, and tells it to drain.

Brings together the question (`checks`), its rhythm (`cadence`), the proof that it is the model that answers
(`port_owner`), and where it listens instead (`listen_addresses`). Refuses to know what a verdict leads to: it kills
nothing and starts nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any

import aiohttp

from zoosup.host.ports.probes import Endpoint, ProbeResult, RemoteEndpoint
from zoosup.host.probes.cadence import Ask, liveness_changes, readiness_changes, remote_changes
from zoosup.host.probes.checks import REFUSED, ask_exec, ask_http, ask_tcp, exchange
from zoosup.host.probes.listen_addresses import described, listening_on
from zoosup.host.probes.port_owner import ownership
from zoosup.host.probes.remote import ask_remote_http, ask_remote_tcp
from zoosup.host.system.threads import DaemonThreads
from zoosup.host.system.tls import Authorities
from zoosup.spec.model.external import RemoteReadySpec
from zoosup.spec.model.process.lifetime import LiveSpec, ReadySpec
from zoosup.spec.syntax.addresses import join_address

RECHECK = 0.5
"""Seconds for which a stranger found on a port is believed to be still there: finding one walks all processes."""


ELSEWHERE = 3.0
"""Seconds for which nothing has listened before it is said where the model's processes listen instead."""

ELSEWHERE_AGAIN = 5.0
"""Seconds for which that is believed: it walks the descriptors of all of them."""


class HttpProber:
    """Probes over HTTP, by TCP connect and by program. Made anywhere, used in one event loop, closed at the end.

    Every HTTP question gets a connection of its own: a stranger may have taken the port since the last one, and a
    kept connection would occupy a worker of servers that have one thread for each.
    """

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._authorities = Authorities()
        self._threads = DaemonThreads("zoosup-probes", ready=8)

    def readiness(
        self, endpoint: Endpoint, ready: ReadySpec, env: Mapping[str, str]
    ) -> AsyncIterator[ProbeResult]:
        """Poll fast until ready, slowly afterwards; an OK counts only from a process of the model."""
        return readiness_changes(self._question(endpoint, ready, env), ready.interval)

    def liveness(
        self, endpoint: Endpoint, live: LiveSpec, env: Mapping[str, str]
    ) -> AsyncIterator[ProbeResult]:
        """Ask every period; yield ok=False once `failures` in a row have failed, ok=True when one succeeds."""
        return liveness_changes(self._question(endpoint, live, env), live.period, live.failures)

    def elsewhere(self, endpoint: RemoteEndpoint, ready: RemoteReadySpec) -> AsyncIterator[ProbeResult]:
        """Ask a server elsewhere, with its own key; see `ports.probes.Prober`."""

        async def ask(_was_ok: bool) -> ProbeResult:
            if ready.tcp:
                return await ask_remote_tcp(endpoint, ready.timeout)
            path = ready.http or "/v1/models"
            return await ask_remote_http(self._client(), self._authorities, endpoint, path, ready.timeout)

        return remote_changes(ask, ready.interval)

    async def drain(
        self, endpoint: Endpoint, call: str, within: float, body: Mapping[str, Any] | None = None
    ) -> ProbeResult:
        """Send "POST /drain", with a body as JSON where there is one; any 2xx within so many seconds is ok."""
        method, _, path = call.partition(" ")
        verdict, status = await ask_http(endpoint, method, path, within, body)
        if 200 <= status < 300:  # noqa: PLR2004 - success, RFC 9110
            return ProbeResult(True, f"{call} answered {status}")
        return verdict

    async def exchange(
        self, endpoint: Endpoint, method: str, path: str, body: bytes | None, within: float
    ) -> tuple[int, bytes]:
        """Send a request, of JSON where it has a body; OSError, TimeoutError among it, where no answer came."""
        return await exchange(self._client(), endpoint, method, path, body, within)

    async def close(self) -> None:
        """Close the HTTP client; iterators are closed by those who have them."""
        if self._session is not None:
            await self._session.close()
        self._threads.shutdown()

    def _question(self, endpoint: Endpoint, probe: ReadySpec | LiveSpec, env: Mapping[str, str]) -> Ask:
        """What to ask, as a function of whether the last answer was good."""
        owner, elsewhere = _Owner(endpoint, self._threads), _Elsewhere(endpoint, self._threads, _soon(probe))

        async def ask(was_ok: bool) -> ProbeResult:
            if probe.exec is not None:
                return await ask_exec(probe.exec, env, probe.timeout, self._threads)
            if probe.tcp:
                verdict = await ask_tcp(endpoint, probe.timeout)
            else:
                path = probe.http or "/health"
                verdict, _ = await ask_http(endpoint, "GET", path, probe.timeout)
            if not verdict.ok:
                return await elsewhere.explain(verdict)
            return verdict if was_ok else await owner.confirm(verdict)

        return ask

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True, limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                headers={"User-Agent": "zoosup", "Accept-Encoding": "identity"},
                auto_decompress=False,
            )
        return self._session


def _soon(probe: ReadySpec | LiveSpec) -> float:
    """Seconds of refusals after which people want to know more: before the deadline in any case."""
    return min(ELSEWHERE, probe.deadline / 2) if isinstance(probe, ReadySpec) else ELSEWHERE


class _Elsewhere:
    """Where the model's processes listen, while nothing listens where they are asked."""

    def __init__(self, endpoint: Endpoint, threads: DaemonThreads, after: float) -> None:
        self._endpoint = endpoint
        self._threads = threads
        self._after = after
        self._refused_since: float | None = None
        self._looked = float("-inf")
        self._message = ""

    async def explain(self, verdict: ProbeResult) -> ProbeResult:
        """The verdict itself, or a refusal that names the addresses."""
        if verdict.message != REFUSED or self._endpoint.contained:
            self._refused_since = None
            return verdict
        now = asyncio.get_running_loop().time()
        if self._refused_since is None:
            self._refused_since, self._message = now, ""
        if now - self._refused_since < self._after:
            return verdict
        if now - self._looked >= ELSEWHERE_AGAIN:
            self._looked, self._message = now, await self._look()
        return ProbeResult(False, self._message) if self._message else verdict

    async def _look(self) -> str:
        found = await self._threads.run(partial(listening_on, self._endpoint.members()))
        if not found:
            return ""
        at = join_address(self._endpoint.host, self._endpoint.port)
        return f"nothing listens on {at}; its processes listen on {described(found)}"


class _Owner:
    """The proof that a good answer came from the model itself: its processes hold the listening socket."""

    def __init__(self, endpoint: Endpoint, threads: DaemonThreads) -> None:
        self._endpoint = endpoint
        self._threads = threads
        self._stranger: tuple[frozenset[int], float, ProbeResult] | None = None

    async def confirm(self, verdict: ProbeResult) -> ProbeResult:
        """The verdict itself, or a bad one that names the stranger on the port."""
        endpoint = self._endpoint
        if endpoint.contained:
            return verdict
        members = endpoint.members()
        now = asyncio.get_running_loop().time()
        if self._stranger and self._stranger[0] == members and now - self._stranger[1] < RECHECK:
            return self._stranger[2]
        owned = await self._threads.run(partial(ownership, endpoint.host, endpoint.port, members))
        if owned.ours is not False:
            # None, it can't be told, counts as ours: nobody else was seen on a port that we had found free, and
            # a model that runs as another user (sudo, setuid) would never be ready otherwise.
            return verdict
        message = f"port {endpoint.port} is answered by {owned.holder}, which is not this model"
        self._stranger = (members, now, ProbeResult(False, message))
        return self._stranger[2]
