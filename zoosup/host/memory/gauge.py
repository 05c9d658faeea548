"""RAM and GPU memory as one gauge: all pools of the host.

Knows that a GPU without memory of its own has no more than there is of RAM. Knows no adapter: it is handed them.
"""

from dataclasses import replace
from typing import Protocol

from zoosup.host.ports.host import Gauge, PoolReading


class GpuPools(Protocol):
    """The pools of the host's GPUs."""

    def read(self) -> tuple[PoolReading, ...]:
        """All of them, as last heard; never raises."""


class HostGauge:
    """Reads RAM first, then every GPU."""

    def __init__(self, ram: Gauge, cards: GpuPools) -> None:
        self._ram = ram
        self._cards = cards

    def read(self) -> tuple[PoolReading, ...]:
        """All pools, now; never raises."""
        ram = self._ram.read()
        return ram + within_ram(ram, self._cards.read())

    def oom_kills(self) -> int | None:
        """How often the kernel has killed for want of memory since boot; None where it doesn't say."""
        return self._ram.oom_kills()

    def stalled(self) -> float | None:
        """The share of the last second in which everything waited for memory; None where nobody says."""
        return self._ram.stalled()


def within_ram(ram: tuple[PoolReading, ...], cards: tuple[PoolReading, ...]) -> tuple[PoolReading, ...]:
    """The GPUs' pools, bounded by RAM where they are unified with it."""
    if not ram or not any(card.unified for card in cards):
        return cards
    return tuple(_within(ram[0], card) if card.unified else card for card in cards)


def _within(ram: PoolReading, card: PoolReading) -> PoolReading:
    """One that tells no bound has RAM's. `at` stays the card's: a figure is as old as its older half."""
    free = ram.available if card.total == 0 else card.available
    known = card.available is not None and free is not None and ram.available is not None
    available = min(free, ram.available) if known and free is not None and ram.available is not None else None
    return replace(card, total=card.total or ram.total, available=available)
