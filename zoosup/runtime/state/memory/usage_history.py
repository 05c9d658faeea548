"""The lessons of every fingerprint: taken down from runs, looked up for models, kept over restarts.

Bounded: of too many fingerprints the one that taught longest ago goes. Knows how lessons turn into JSON and back;
which run teaches what, and what follows from it, is `core.estimation.learned`'s business.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from zoosup.core.estimation import learned
from zoosup.core.state.runs import Exit, Run
from zoosup.core.state.usage import Learned, RunPeaks

FINGERPRINTS = 128
"""Fingerprints that are remembered: each edit of a command makes a new one. Some 100 KB of JSON at the most."""


class UsageHistory:
    """Lessons by fingerprint, the one that was taught last at the end."""

    def __init__(self) -> None:
        self._entries: dict[str, Learned] = {}
        self._written: dict[str, Any] | None = None

    def copy(self) -> "UsageHistory":
        """A book of its own with the same lessons."""
        book = UsageHistory()
        book._entries = dict(self._entries)
        return book

    def of(self, fingerprint: str) -> Learned:
        """What is known of it; a fresh page where that is nothing."""
        return self._entries.get(fingerprint) or Learned(fingerprint)

    def watch(self, run: Run, now: float) -> bool:
        """Take down what a run that goes on has shown, once that means something; whether there was anything new."""
        lesson = learned.peaks_of(run, run.ready_for(now))
        if lesson is None or not learned.is_news(self.of(run.fingerprint), lesson):
            return False
        return self._record(run.fingerprint, lesson)

    def end(self, run: Run, now: float, end: Exit | None) -> bool:
        """Take down what a run that is gone has shown; whether there was anything new."""
        until = run.leaving.since if run.leaving is not None else now
        lesson = learned.peaks_of(run, run.ready_for(until), end)
        return lesson is not None and self._record(run.fingerprint, lesson)

    def forget_ooms(self, fingerprint: str) -> None:
        """Forget what OOMs have taught of it."""
        page = self._entries.get(fingerprint)
        if page is not None:
            self._entries[fingerprint] = learned.without_ooms(page)
            self._written = None

    def _record(self, fingerprint: str, lesson: RunPeaks) -> bool:
        before = self.of(fingerprint)
        after = learned.after(before, lesson)
        if after == before:
            return False
        self._entries.pop(fingerprint, None)
        self._entries[fingerprint] = after
        self._written = None
        while len(self._entries) > FINGERPRINTS:
            del self._entries[next(iter(self._entries))]
        return True

    def written(self) -> dict[str, Any]:
        """All of it, as JSON-ready data; the same object until something new is taken down: it is asked each turn."""
        if self._written is None:
            self._written = {
                key: {"floor": page.floor, "runs": [asdict(lesson) for lesson in page.runs]}
                for key, page in self._entries.items()
            }
        return self._written

    def read(self, kept: Mapping[str, Any]) -> Iterator[str]:
        """Take over what was written, and yield the fingerprints of what can't be read and is left out."""
        self._written = None
        for key, page in list(kept.items())[-FINGERPRINTS:]:
            try:
                runs = tuple(_lesson(each) for each in page["runs"])[-learned.RUNS :]
                self._entries[key] = Learned(key, runs, size(page["floor"]))
            except (TypeError, ValueError, KeyError, OverflowError):
                yield key


def size(value: Any) -> int:
    """A count that can only be one: a damaged file must not book a model with nothing, or with less."""
    number = int(value)
    if number < 0:
        raise ValueError(f"{number} is no size")
    return number


def _lesson(kept: Mapping[str, Any]) -> RunPeaks:
    return RunPeaks(
        run=str(kept["run"]),
        ram=size(kept["ram"]),
        mapped=None if kept["mapped"] is None else size(kept["mapped"]),
        card=None if kept["card"] is None else size(kept["card"]),
        cards=size(kept["cards"]),
        healthy=kept["healthy"] is True,
        floor=size(kept["floor"]),
    )
