"""Where the output of runs goes: a log of each, and nowhere where the disk has no room for one.

Refuses to know how a log is kept: `host.storage` does.
"""

import logging
import os
from pathlib import Path

from zoosup.core.state.observed import Condition, Model
from zoosup.core.state.phases import ConditionType
from zoosup.core.state.runs import Run
from zoosup.host.ports.host import Logs
from zoosup.host.system.shortage import OUR_WANT

TYPE = ConditionType.OUTPUT_KEPT

_log = logging.getLogger(__name__)


class Outputs:
    """The logs of runs; those that have none, and why."""

    def __init__(self, logs: Logs) -> None:
        self._logs = logs
        self._lost: dict[str, str] = {}  # by run id

    async def begin(self, model: str, run_id: str) -> Path:
        """A log for a run that is about to start. A full disk keeps no model down: it runs without one."""
        try:
            return await self._logs.begin(model)
        except OSError as error:
            if error.errno in OUR_WANT:
                raise  # no fault of the disk's: it will be tried again
            _log.error("%s runs without a log: %s", model, error)
            self._lost[run_id] = f"its output is thrown away until its next start: {error.strerror or error}"
            return Path(os.devnull)

    def forget(self, run_id: str) -> None:
        """The run is gone."""
        self._lost.pop(run_id, None)

    def conditions(self, live: list[tuple[Model, Run]]) -> tuple[Condition, ...]:
        """One for each run whose output is not kept."""
        return tuple(
            Condition(model.name, TYPE, False, "Refused", self._lost[run.id])
            for model, run in live
            if run.id in self._lost
        )
