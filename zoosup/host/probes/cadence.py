"""When to ask a model how it is, and which of its answers are news.

Knows the rhythm of readiness and liveness, and nothing of how the question is put: `ask` is told whether the last
answer was good and returns the next one. One question at a time, so that probes never pile up on a slow server.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Literal

from zoosup.host.ports.probes import ProbeResult

Ask = Callable[[bool], Awaitable[ProbeResult]]

FASTEST = 0.010
SHARE = 0.02
SLOWEST = 0.5
"""Seconds, and the share of the time waited: a start is noticed 18 ms late at the median, at 1 % of a core."""

STEADY = 10.0
"""Seconds between looks at a model that is ready (the kubelet's periodSeconds)."""

SELDOM = 30.0
"""The same at most, once it has been ready for as long without a break: its end is seen without a look."""

WATCHFUL = 1.0
"""Seconds between looks at a model that was ready and is not."""

RETELL = 1.0
"""Seconds between two verdicts that differ in their words only: a progress counter is not a hundred events."""


def starting_pause(waited: float) -> float:
    """Seconds until a model that has not been ready yet is asked again, after `waited` seconds."""
    return min(max(FASTEST, SHARE * waited), SLOWEST)


def ready_pause(ready_for: float) -> float:
    """Seconds until a model is asked again that has been ready for so many seconds."""
    return min(max(STEADY, ready_for), SELDOM)


async def readiness_changes(
    ask: Ask, interval: float | Literal["adaptive"]
) -> AsyncGenerator[ProbeResult, None]:
    """Ask until closed; yield the first verdict and every change. A number of seconds fixes the interval."""
    loop = asyncio.get_running_loop()
    began = ready_since = loop.time()
    news = _News()
    ok = was_ready = False
    while True:
        verdict = await ask(ok)
        if verdict.ok is not None:
            ready_since = loop.time() if verdict.ok and not ok else ready_since
            ok = verdict.ok
            was_ready = was_ready or ok
        if news.is_in(verdict, loop.time()):
            yield verdict
        if interval != "adaptive":
            await asyncio.sleep(interval)
        elif ok:
            await asyncio.sleep(ready_pause(loop.time() - ready_since))
        else:
            await asyncio.sleep(WATCHFUL if was_ready else starting_pause(loop.time() - began))


async def remote_changes(
    ask: Ask, interval: float | Literal["adaptive"]
) -> AsyncGenerator[ProbeResult, None]:
    """The same for a server elsewhere, which has others to serve: seldom, and more seldom the longer it is away."""
    loop = asyncio.get_running_loop()
    well_at, news, ok = loop.time(), _News(), False
    while True:
        verdict = await ask(ok)
        ok = ok if verdict.ok is None else verdict.ok
        well_at = loop.time() if ok else well_at
        if news.is_in(verdict, loop.time()):
            yield verdict
        away = SHARE * (loop.time() - well_at)
        adaptive = STEADY if ok else min(max(WATCHFUL, away), STEADY)
        await asyncio.sleep(adaptive if interval == "adaptive" else interval)


async def liveness_changes(ask: Ask, period: float, failures: int) -> AsyncGenerator[ProbeResult, None]:
    """Ask every `period` seconds until closed; yield ok=False after `failures` in a row, ok=True after one good.

    A prober's own fault neither counts nor resets the count.
    """
    told: bool | None = None
    failed = 0
    while True:
        verdict = await ask(failed == 0)
        if verdict.ok is not None:
            failed = 0 if verdict.ok else failed + 1
            if told is not verdict.ok and (verdict.ok or failed >= failures):
                told = verdict.ok
                yield verdict
        await asyncio.sleep(period)


class _News:
    """Remembers what was told last."""

    def __init__(self) -> None:
        self._told: ProbeResult | None = None
        self._at = 0.0

    def is_in(self, verdict: ProbeResult, now: float) -> bool:
        told = self._told
        same = told is not None and told.ok == verdict.ok
        if same and (told == verdict or now - self._at < RETELL):
            return False
        self._told, self._at = verdict, now
        return True
