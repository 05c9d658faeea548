"""Reading the weights of the next model ahead: at most one model at a time, given up when it is no longer the next.

Follows the plan's word after each turn. Knows neither files nor memory.
"""

from zoosup.core.plan import Plan
from zoosup.core.prewarm import candidate
from zoosup.core.status import Observed
from zoosup.host.ports import Warmer, Warming
from zoosup.runtime.journal import Journal
from zoosup.spec.models import ZooSpec
from zoosup.spec.units import describe_size


class Prewarmer:
    """Begins and ends reading ahead."""

    def __init__(self, warmer: Warmer, journal: Journal) -> None:
        self._warmer = warmer
        self._journal = journal
        self._model = ""
        self._reading: Warming | None = None

    def follow(self, spec: ZooSpec, observed: Observed, decided: Plan) -> None:
        """Read for the model that waits for room, once each time it waits."""
        next_one = candidate(spec, observed, decided)
        if next_one is None and self._still_waits(decided):
            return  # its files are being looked at once more, or memory is short for a moment
        if next_one is not None and next_one.model == self._model:
            return
        self.close()
        if next_one is not None:
            self._model = next_one.model
            self._reading = self._warmer.warm(spec.models[next_one.model], next_one.limit)

    def _still_waits(self, decided: Plan) -> bool:
        verdict = decided.verdicts.get(self._model)
        return verdict is not None and verdict.outcome == "waits"

    def close(self) -> None:
        """Give up what is being read, and say what came of it."""
        reading, model, self._reading, self._model = self._reading, self._model, None, ""
        if reading is None:
            return
        reading.cancel()
        done = reading.done
        if done is not None and done.read:
            message = f"{describe_size(done.read)} of its weights were read ahead in {done.seconds:.1f} s"
            self._journal.add("Prewarmed", model, "ReadAhead", message, {"bytes": done.read})
