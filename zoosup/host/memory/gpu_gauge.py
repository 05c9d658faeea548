"""GPU memory as a gauge: one thread asks a driver, everybody else reads its last answer.

Knows how old an answer may be. A driver can hang for minutes (a GPU that fell off the bus, a driver that is being
exchanged), so that nobody but the thread ever waits for it: what it said last is marked stale, and is no longer
believed after a while. A GPU that was seen once and is gone stays a pool, one that can't be read. Refuses to know who
is asked, and what is promised to whom.
"""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

from zoosup.host.memory.gpu_types import Gpu, GpuLook, GpusUnavailableError
from zoosup.host.ports.host import PoolReading

PERIOD = 1.0
"""Seconds between looks when nobody asks for more."""

SPACING = 0.05
"""The least time between looks: a reader who finds the last one older than this has another one made."""

AGAIN = 5.0
"""Seconds until a library that failed is tried again."""

ABSENT = 60.0
"""Seconds until it is looked for again where there is none."""

STALE = 3.0
"""Seconds after which an answer is called stale: several looks must have failed to end."""

UNBELIEVED = 10.0
"""Seconds after which nothing is built on it any longer."""

_log = logging.getLogger(__name__)


class Source(Protocol):
    """Who is asked: a driver, or a test's own."""

    def look(self) -> GpuLook:
        """All cards; GpusUnavailableError when there is nothing to ask. May hang."""

    def close(self) -> None:
        """End the session."""


@dataclass(slots=True)
class _Seen:
    """What the thread knows; replaced as a whole, so that no reader ever sees half of it."""

    at: float = float("-inf")
    cards: dict[str, Gpu] = field(default_factory=dict)
    unified: tuple[str, ...] = ()
    trouble: str = ""
    absent: bool = False


class GpuGauge:
    """The pools of those GPUs that one source knows. `start` begins to ask; until the first answer there are none."""

    def __init__(
        self,
        source: Source,
        name: str = "NVML",
        clock: Callable[[], float] = time.monotonic,
        spacing: float = SPACING,
    ) -> None:
        self._source = source
        self._name = name
        self._clock = clock
        self._spacing = spacing
        self._seen = _Seen()
        self._renewed = float("-inf")
        self._asked = threading.Event()
        self._answered = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to ask. The thread is a daemon: one that hangs in the driver must not keep zoosup from ending."""
        self._thread = threading.Thread(target=self._run, name=f"zoosup-{self._name.lower()}", daemon=True)
        self._thread.start()

    def wait(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for the first answer; whether there is one. Not for the loop."""
        return self._answered.wait(timeout)

    def close(self) -> None:
        """Let the thread go, once what it asks has been answered."""
        self._closing.set()
        self._asked.set()

    @property
    def unified(self) -> tuple[str, ...]:
        """Names of GPUs that are no pools, since their memory is the host's RAM and nothing more is known of them."""
        return self._seen.unified

    @property
    def trouble(self) -> str:
        """Why there are no pools, or not all; empty when all is well."""
        return self._seen.trouble if self._answered.is_set() else f"{self._name} has not answered yet"

    def read(self) -> tuple[PoolReading, ...]:
        """The last answer, at once; one that is not quite fresh has the next one made. Never raises."""
        seen = self._seen
        age = self._clock() - seen.at
        if seen.absent:
            self._look_for_it(age)
        elif age > self._spacing:
            self._asked.set()
        return tuple(_reading(card, seen.at, age) for card in seen.cards.values())

    def _look_for_it(self, age: float) -> None:
        """Where there is nothing to ask no thread waits; now and then one looks whether there is."""
        idle = self._thread is not None and not self._thread.is_alive() and not self._closing.is_set()
        if idle and age > ABSENT:
            with suppress(RuntimeError):  # no thread is to be had now
                self.start()

    def _run(self) -> None:
        while not self._closing.is_set():
            pause = self._look()
            self._answered.set()
            if self._seen.absent:
                break
            if not self._closing.wait(pause):
                self._asked.wait(PERIOD)
                self._asked.clear()
        self._source.close()

    def _look(self) -> float:
        """Ask once; the least seconds until the next time."""
        begun, before = self._clock(), self._seen
        try:
            look = self._source.look()
        except GpusUnavailableError as error:
            cards = {uuid: _lost(card, str(error)) for uuid, card in before.cards.items()}
            self._note(_Seen(begun, cards, before.unified, str(error), absent=not cards))
            return AGAIN
        except Exception as error:  # noqa: BLE001
            # A bug of ours, or a binding that has changed: what was seen grows stale, and the models run on.
            self._note(_Seen(before.at, before.cards, before.unified, f"internal error: {error!r}"))
            return AGAIN
        cards = _merged(before.cards, look)
        self._note(_Seen(begun, cards, look.unified, look.trouble or _vanished(cards)))
        if self._seen.trouble and begun - self._renewed >= AGAIN:
            self._renewed = begun
            self._source.close()
        return self._spacing

    def _note(self, seen: _Seen) -> None:
        """Say once what has changed about what there is."""
        before, self._seen = self._seen, seen
        if seen.trouble and seen.trouble != before.trouble:
            blind = any(card.available is None for card in seen.cards.values())
            what = "GPUs can't be read" if blind else "GPUs in trouble" if seen.cards else "no pools for GPUs"
            _log.log(logging.WARNING if seen.cards else logging.INFO, "%s: %s", what, seen.trouble)
        if before.trouble and not seen.trouble:
            _log.info("%s answers again", self._name)
        if seen.unified and not before.unified:
            _log.info("%s: its memory is the host's RAM", ", ".join(seen.unified))


def _merged(known: dict[str, Gpu], look: GpuLook) -> dict[str, Gpu]:
    """What was found, then what has vanished: still a pool, of which nothing is known."""
    found = {card.uuid: card for card in look.cards}
    readable = {
        u: c if c.available is not None else _lost(known.get(u, c), c.trouble) for u, c in found.items()
    }
    gone = {u: _lost(c, look.trouble or "it has vanished") for u, c in known.items() if u not in found}
    return readable | gone


def _vanished(cards: dict[str, Gpu]) -> str:
    return "; ".join(f"{card.name}: {card.trouble}" for card in cards.values() if card.available is None)


def _lost(card: Gpu, why: str) -> Gpu:
    return replace(card, available=None, processes=None, trouble=why)


def _reading(card: Gpu, at: float, age: float) -> PoolReading:
    available, processes = card.available, card.processes
    source = f"{card.source}: {card.trouble}" if card.trouble else card.source
    if age > STALE:
        source += f", silent for {age:.0f} s"
    if age > UNBELIEVED:
        available = processes = None
    return PoolReading(
        id=f"vram:{card.uuid}",
        kind="vram",
        name=card.name,
        total=card.total,
        available=available,
        source=source,
        index=card.index,
        at=at,
        processes=processes,
        device=card.device,
        make=card.make,
        pci=card.pci,
        render_node=card.render_node,
        unified=card.unified,
    )
