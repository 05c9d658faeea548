"""The metrics of the models' own servers, gathered in one scrape of those that run.

Asks by a look: no model is started, kept or counted as used for it. Whoever hangs, says too much or nothing of use is
left out, and costs the others `PATIENCE` at most.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

import aiohttp

from zoosup.core.state.refusal import Refusal, RefusedError
from zoosup.runtime.api.leasing import Lease, Leasing
from zoosup.web.api.metrics.relabel import Family, NoMetricsError, merged, read

PATIENCE = 3.0
"""Seconds that a server has for its whole answer; Prometheus itself waits for 10."""

MOST = 1 << 20
"""Bytes of one server's answer."""

MOST_OF_ALL = 16 << 20
"""Bytes of all of them together."""

UP = "zoosup_model_metrics_up"
_HELP = "1 for a model whose server's own metrics are among these."
_PIECE = 1 << 16


class ModelMetrics:
    """Asks the servers of all models that are named, at once."""

    def __init__(self, leasing: Leasing) -> None:
        self._leasing = leasing
        self._room = 0

    async def gather(self, models: list[str]) -> bytes:
        """What they say, in Prometheus' text format; one gathering at a time."""
        self._room = MOST_OF_ALL
        async with aiohttp.ClientSession(
            auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
        ) as session:
            said = await asyncio.gather(*(self._ask(session, model) for model in models))
        # In a thread: megabytes of text take a while.
        return await asyncio.to_thread(_merged, dict(zip(models, said, strict=True)))

    async def _ask(self, session: aiohttp.ClientSession, model: str) -> bytes | None:
        """One server's answer; None where there is none of use."""
        looker = _Looker()
        try:
            lease = self._leasing.look(model, looker)
        except RefusedError:
            return None
        try:
            with suppress(aiohttp.ClientError, OSError, TimeoutError):
                async with asyncio.timeout(PATIENCE) as limit:
                    looker.limit = limit
                    return await self._read(session, lease)
        finally:
            lease.release()
        return None

    async def _read(self, session: aiohttp.ClientSession, lease: Lease) -> bytes | None:
        headers = {"Accept": "text/plain;version=0.0.4", "Accept-Encoding": "identity"} | dict(
            lease.upstream.headers
        )
        url = f"http://{lease.host}:{lease.port}/metrics"
        said = bytearray()
        async with session.get(url, headers=headers, allow_redirects=False) as answer:
            if answer.status != 200:  # noqa: PLR2004 - llama-server without --metrics says 501
                return None
            async for piece in answer.content.iter_chunked(_PIECE):
                said += piece
                self._room -= len(piece)
                if len(said) > MOST or self._room < 0:
                    return None
        return bytes(said)


class _Looker:
    """A Holder whose run may end meanwhile: then it asks no longer."""

    client = ""
    limit: asyncio.Timeout | None = None

    def granted(self, lease: Lease) -> None:
        """A look is had at once, or not at all."""
        lease.release()

    def refused(self, refusal: Refusal) -> None:
        """Likewise."""

    def cut(self, refusal: Refusal) -> None:  # noqa: ARG002 - whatever the reason
        """Its run is being ended."""
        if self.limit is not None and not self.limit.expired():
            self.limit.reschedule(0)


def _merged(said: Mapping[str, bytes | None]) -> bytes:
    up = Family({"HELP": _HELP, "TYPE": "gauge"})
    found: list[dict[str, Family]] = [{UP: up}]
    for model, text in said.items():
        families = _families(model, text)
        found.append(families)
        up.lines += read(model, f"{UP} {int(bool(families))}")[UP].lines
    return merged(found).encode()


def _families(model: str, text: bytes | None) -> dict[str, Family]:
    """What one server has said; nothing where that can't be read."""
    with suppress(NoMetricsError):
        return read(model, (text or b"").decode("utf-8", "replace"))
    return {}
