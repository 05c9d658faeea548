"""What hosts have refused though there was room by the fleet's sums: they are passed over for it for a while.

A host refuses what it is told to run, and says nothing of it once it isn't told any more: without a memory it would be
told again at once. That is forgotten with another file, and after a time that doubles with each refusal. Times are
seconds.
"""

from collections.abc import Mapping

from zoosup.core.fleet.words import HostReport

FIRST = 60.0
LONGEST = 3600.0


class Refused:
    """The refusals of all hosts that are remembered, by host and model: why, until when, and for how long."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, str], tuple[str, float, float]] = {}
        self._forgiven: dict[tuple[str, str], float] = {}

    def hear(self, report: HostReport, placements: Mapping[str, tuple[str, ...]], now: float) -> None:
        """Remember what a host refuses of that which it is to run; what is ready there was never refused."""
        for name, model in report.models.items():
            key = report.node, name
            if model.ready:
                self._said.pop(key, None)
                self._forgiven.pop(key, None)
            elif model.refused is not None and not model.held and report.node in placements.get(name, ()):
                self.add(report.node, name, model.refused, now)

    def add(self, node: str, model: str, why: str, now: float) -> bool:
        """Remember that a host does not take a model; whether that is news."""
        key = node, model
        if key in self._said:
            return False
        time = min(LONGEST, 2 * self._forgiven[key]) if key in self._forgiven else FIRST
        self._said[key] = why, now + time, time
        return True

    def of(self, node: str) -> dict[str, str]:
        """What one host has refused, and why."""
        return {name: why for (where, name), (why, _, _) in self._said.items() if where == node}

    def forgive(self, now: float) -> bool:
        """Forget those whose time is over; whether there were any."""
        over = {key: time for key, (_, until, time) in self._said.items() if until <= now}
        for key, time in over.items():
            del self._said[key]
            self._forgiven[key] = time
        return bool(over)

    def clear(self) -> None:
        """Forget all: the file is another."""
        self._said.clear()
        self._forgiven.clear()
