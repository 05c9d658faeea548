"""Keeps at most one model being warmed: the one that the plan has wait for room.

Told of each turn's plan; begins, ends and reports. Refuses to know who is worth it (`core.scheduler.prewarm`) and how
files are read (`host.weights`).
"""

from collections.abc import Callable
from dataclasses import dataclass

from zoosup.core.scheduler.plan import Plan
from zoosup.core.scheduler.prewarm import NextModel, next_to_warm
from zoosup.core.state.observed import Observed
from zoosup.host.ports import Warmed, Warmer, Warming
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.zoo import ZooSpec
from zoosup.spec.syntax.units import describe_size

Told = Callable[[str, Warmed], None]


@dataclass(slots=True)
class _Going:
    """The model that was chosen, until it starts or is wanted no longer; so each wait is warmed once."""

    model: str
    spec: ModelSpec
    warming: Warming
    told: bool = False


class Prewarming:
    """Follows the plan; `told` hears what each warming came to."""

    def __init__(self, warmer: Warmer, told: Told) -> None:
        self._warmer = warmer
        self._told = told
        self._going: _Going | None = None

    def follow(self, spec: ZooSpec, observed: Observed, decided: Plan) -> None:
        """Begin to warm whoever is next, and let go of a model that is next no more."""
        found = next_to_warm(spec, observed, decided)
        self._report()
        going = self._going
        if going is not None and (self._is_over(going, spec, observed, decided) or _replaced(going, found)):
            self.close()
        if self._going is None and found is not None:
            wanted = spec.models[found.model]
            self._going = _Going(found.model, wanted, self._warmer.warm(wanted, found.limit))

    def close(self) -> None:
        """End what goes on; nobody hears of it any more."""
        if self._going is not None:
            self._going.warming.cancel()
            self._going = None

    def _report(self) -> None:
        going = self._going
        done = going.warming.done if going is not None and not going.told else None
        if going is not None and done is not None:
            going.told = True
            self._told(going.model, done)

    @staticmethod
    def _is_over(going: _Going, spec: ZooSpec, observed: Observed, decided: Plan) -> bool:
        """It has started, and reads for itself now; or it is to be read otherwise, or not at all."""
        model = observed.models.get(going.model)
        started = model is None or model.run is not None
        return started or going.model not in decided.wanted or spec.models.get(going.model) != going.spec


def _replaced(going: _Going, found: NextModel | None) -> bool:
    """Whether another is next; a moment in which nobody is, as while files are looked at again, ends nothing."""
    return found is not None and found.model != going.model


def in_words(done: Warmed) -> str:
    """One sentence for the journal."""
    text = f"{describe_size(done.read)} of weights read ahead in {done.seconds:.1f} s"
    text += f", {describe_size(done.there)} were in memory" if done.there else ""
    return text + (f"; {done.problem}" if done.problem else "")
