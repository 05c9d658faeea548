"""What has happened since zoosup began, counted: read off the events, so that nobody has to count besides.

Labels are models, pools and words of `core`; nothing here grows with time. Refuses to know names of metrics.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from zoosup.core.state.phases import Cause, Phase
from zoosup.runtime.events.histogram import Histogram

_EVICTING = frozenset({Cause.MADE_ROOM, Cause.PRESSURE})
_PROBES = {Cause.STARTUP_DEADLINE: "startup", Cause.LIVENESS_FAILED: "live"}
"""Ends that a probe has decided on, by which it was."""


class Tally:
    """Counts by model and word; durations in seconds: `starts` by model, `reclaims` by pool and outcome.

    `probe_failures` are verdicts, not single questions: not ready by its deadline, no longer ready, no longer alive.
    """

    def __init__(self) -> None:
        self.starts: dict[str, Histogram] = {}
        self.switches: dict[str, Histogram] = {}  # by outcome
        self.reclaims: dict[tuple[str, str], Histogram] = {}
        self.ends: Counter[tuple[str, str]] = Counter()  # by model and cause
        self.evictions: Counter[str] = (
            Counter()
        )  # by model: stopped or put to sleep, since others need the room
        self.probe_failures: Counter[tuple[str, str]] = Counter()  # by model and startup, ready or live

    def note(self, type_: str, model: str | None, reason: str, data: Mapping[str, Any]) -> None:
        """Count one event by what `Journal.add` is told of it."""
        match type_:
            case "Phase" if model is not None:
                self._note_phase(model, data)
            case "Gone" if model is not None:
                self._note_end(model, reason)
            case "CoolDown":
                _observe(self.reclaims, (data.get("pool", ""), reason), data)
            case "Switch":
                _observe(self.switches, reason, data)

    def _note_phase(self, model: str, data: Mapping[str, Any]) -> None:
        before, after = data.get("from"), data.get("to")
        _observe(self.starts, model, data)
        if after == Phase.FALLING_ASLEEP:
            self.evictions[model] += 1
        elif (before, after) == (Phase.READY, Phase.UNREADY):
            self.probe_failures[model, "ready"] += 1

    def _note_end(self, model: str, cause: str) -> None:
        self.ends[model, cause] += 1
        if cause in _EVICTING:
            self.evictions[model] += 1
        elif cause in _PROBES:
            self.probe_failures[model, _PROBES[Cause(cause)]] += 1


def _observe(histograms: dict[Any, Histogram], key: object, data: Mapping[str, Any]) -> None:
    """Count a duration where the event has one."""
    if (seconds := data.get("seconds")) is not None:
        histograms.setdefault(key, Histogram()).observe(seconds)
