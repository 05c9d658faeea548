"""Conditions in the shape of `GET /status`, each with the time since when it has been as it is. Decides on none."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from zoosup.core.state.observed import Condition
from zoosup.runtime.publish import words


@dataclass(slots=True)
class ConditionTimes:
    """Since when each condition has been as it is (wall time): data that only the one who publishes can know."""

    wall: Callable[[], float]
    _known: dict[tuple[str | None, str], tuple[bool, str, float]] = field(default_factory=dict)

    def stamp(self, conditions: tuple[Condition, ...]) -> dict[str | None, list[dict[str, Any]]]:
        """The conditions by model (None: the zoo's own), each with its `since`; those not named are forgotten."""
        known: dict[tuple[str | None, str], tuple[bool, str, float]] = {}
        stamped = dict[str | None, list[dict[str, Any]]]()
        for condition in conditions:
            key = condition.model, condition.type
            old = self._known.get(key)
            fresh = old is None or old[:2] != (condition.status, condition.reason)
            since = self.wall() if fresh or old is None else old[2]
            known[key] = (condition.status, condition.reason, since)
            stamped.setdefault(condition.model, []).append(condition_data(condition) | {"since": since})
        self._known = known
        return stamped


def condition_data(condition: Condition) -> dict[str, Any]:
    """One condition, without the model it is about."""
    return {
        "type": condition.type,
        "status": condition.status,
        "reason": str(condition.reason),
        "message": condition.message,
        "words": words.of_condition(condition.type, condition.reason),
        "problem": condition.problem,
    }
