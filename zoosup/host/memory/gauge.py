"""RAM and GPU memory as one gauge: all pools of the host.

Knows which hosts have one memory for both. Knows no adapter: it is handed them.
"""

import platform
import sys
from dataclasses import replace
from typing import Protocol

from zoosup.host.ports import Gauge, PoolReading


class GpuGauges(Protocol):
    """A gauge of GPUs that also knows of those without memory of their own."""

    @property
    def unified(self) -> tuple[str, ...]:
        """Their names."""

    def read(self) -> tuple[PoolReading, ...]:
        """The pools of the others."""


class HostGauge:
    """Reads RAM first, then every GPU."""

    def __init__(self, ram: Gauge, cards: GpuGauges) -> None:
        self._ram = ram
        self._cards = cards
        self._by_platform = sys.platform == "darwin" and platform.machine() == "arm64"

    def read(self) -> tuple[PoolReading, ...]:
        """All pools, now; never raises."""
        ram, cards = self._ram.read(), self._cards.read()
        if self._by_platform or self._cards.unified:
            ram = tuple(replace(reading, unified=True) for reading in ram)
        return ram + cards

    def oom_kills(self) -> int | None:
        """How often the kernel has killed for want of memory since boot; None where it doesn't say."""
        return self._ram.oom_kills()

    def stalled(self) -> float | None:
        """The share of the last second in which everything waited for memory; None where nobody says."""
        return self._ram.stalled()
