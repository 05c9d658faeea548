"""Looks at a supervisor again and again, for those who show it on a screen.

Knows what is asked for, and when: the plan only while something is under way. Refuses to know how it is drawn.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from zoosup.cli.client import Client
from zoosup.cli.render.format import is_refused
from zoosup.cli.render.screen import Seen
from zoosup.errors import UnreachableError, ZoosupError

INTERVAL = 0.5
"""Seconds between two looks."""

_PLAN_EVERY = 2.0
"""Seconds between two plans: one looks at files, and costs more than a look."""

_EVENTS = 100


class Watcher:
    """What was seen last, and how a newer look is had."""

    def __init__(self, asked: Client) -> None:
        self._asked = asked
        self._seen: Seen | None = None
        self._planned_at = -_PLAN_EVERY
        self._plan: Any = None

    def look(self) -> Seen:
        """Look now; where there is no answer, what was seen last with the trouble. ZoosupError at the first look."""
        try:
            snapshot = self._asked.get("status", health=1)
            events = self._asked.get("events", limit=_EVENTS)["events"]
            self._seen = Seen(snapshot, events, self._next(snapshot))
        except ZoosupError as error:
            if self._seen is None:
                raise
            return Seen(self._seen.snapshot, self._seen.events, None, str(error))
        return self._seen

    def looks(self) -> Iterator[Seen]:
        """Look for ever."""
        while True:
            yield self.look()
            time.sleep(INTERVAL)

    def _next(self, snapshot: Any) -> Any:
        if not any(map(_moves, snapshot["models"].values())):
            return None
        if time.monotonic() - self._planned_at >= _PLAN_EVERY:
            self._planned_at = time.monotonic()
            try:
                self._plan = self._asked.post("plan")
            except UnreachableError:
                raise
            except ZoosupError:  # the file on disk is refused: the status says so
                self._plan = None
        return self._plan


def _moves(model: Mapping[str, Any]) -> bool:
    """Whether something goes on with it by itself."""
    waits = model["phase"] == "pending" and not is_refused(model)
    return waits or model["phase"] in {"starting", "draining", "stopping", "parking"}
