"""Bugs of our own that met one model: said once, shown as a condition, and kept from the turns of the others.

Refuses to mend anything: the next turn looks at everything afresh.
"""

import logging
from collections.abc import Mapping

from zoosup.core.scheduler.cycle import internal_error
from zoosup.core.state.actions import Action, Drain, Kill, Start, Stop, Wake
from zoosup.core.state.observed import Condition

_log = logging.getLogger(__name__)


class Faults:
    """Those that last."""

    def __init__(self) -> None:
        self._planned: frozenset[str] = frozenset()
        self._said: dict[str, str] = {}
        self._acting: dict[str, tuple[type[Action], Exception]] = {}

    def planned(self, faults: Mapping[str, Exception]) -> None:
        """What the newest plan has met; it tells of these in conditions of its own."""
        for model, error in faults.items():
            self._say(model, error, "in its plan")
        self._planned = frozenset(faults)

    def met(self, action: Action, error: Exception) -> None:
        """An action could not be carried out; that lasts until one like it could."""
        self._say(action.model, error, "in an action on it")
        self._acting[action.model] = type(action), error

    def carried_out(self, action: Action) -> None:
        """An action went well."""
        known = self._acting.get(action.model)
        if known is not None and known[0] is type(action):
            del self._acting[action.model]
        if isinstance(action, Start | Wake | Drain | Stop | Kill):
            self._said.pop(action.model, None)  # it has got on since

    @property
    def any(self) -> bool:
        """Whether there are any: what they have met is tried again."""
        return bool(self._planned or self._acting)

    def conditions(self) -> tuple[Condition, ...]:
        """Those that no plan tells."""
        acting = {model: error for model, (_, error) in self._acting.items() if model not in self._planned}
        return tuple(internal_error(model, error) for model, error in acting.items())

    def _say(self, model: str, error: Exception, where: str) -> None:
        """Once: one that comes and goes, as between looks at the model's files, is the same."""
        if self._said.get(model) != repr(error):
            self._said[model] = repr(error)
            _log.error("internal error: %s, %s; the others go on", model, where, exc_info=error)
