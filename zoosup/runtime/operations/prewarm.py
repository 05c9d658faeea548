"""Keeps at most one model being warmed: the one that the plan has wait for room.

Told of each turn's plan; begins, ends and reports. Has `prewarm_likely` take care of those that may be next after it.
Refuses to know who is worth it (`core.scheduler.prewarm`) and how files are read (`host.weights`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from zoosup.core.scheduler.plan import Plan
from zoosup.core.scheduler.prewarm import NextModel, next_to_warm
from zoosup.core.state.observed import Observed
from zoosup.host.ports.host import Warmed, Warmer, Warming
from zoosup.runtime.operations.prewarm_likely import LikelyPrewarmer
from zoosup.runtime.state.zoo import WarmWeights
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.zoo import ZooSpec
from zoosup.spec.syntax.units import describe_size

Report = Callable[[str, Warmed], None]


@dataclass(slots=True)
class _ReadAhead:
    """The model that was chosen, until it starts or is wanted no longer; so each wait is warmed once."""

    model: str
    spec: ModelSpec
    warming: Warming
    told: bool = False


class Prewarmer:
    """Follows the plan; `report` hears what each warming came to."""

    def __init__(self, warmer: Warmer, report: Report) -> None:
        self._warmer = warmer
        self._tell = report
        self._current: _ReadAhead | None = None
        self._likely = LikelyPrewarmer(warmer, report)

    @property
    def reading(self) -> bool:
        """Whether anybody's weights are being read because they are likely to be asked for."""
        return self._likely.reading

    def warm(self) -> Mapping[str, WarmWeights]:
        """What was read or found in memory, by model; nothing of those that run."""
        found = dict(self._likely.warm())
        if self._current is not None:
            warming = self._current.warming
            found[self._current.model] = WarmWeights(warming.there, warming.done is None)
        return found

    def follow(self, spec: ZooSpec, observed: Observed, decided: Plan, likeliest: Iterable[str] = ()) -> None:
        """Begin to warm whoever is next, and let go of a model that is next no more."""
        self._likely.follow(spec, observed, likeliest)
        found = next_to_warm(spec, observed, decided)
        self._report()
        current = self._current
        if current is not None and (
            self._is_over(current, spec, observed, decided) or _replaced(current, found)
        ):
            self._end()
        if self._current is None and found is not None:
            wanted = spec.models[found.model]
            located = observed.models[found.model].located
            self._current = _ReadAhead(found.model, wanted, self._warmer.warm(wanted, found.limit, located))

    def close(self) -> None:
        """End what goes on; nobody hears of it any more."""
        self._likely.close()
        self._end()

    def _end(self) -> None:
        if self._current is not None:
            self._current.warming.cancel()
            self._current = None

    def _report(self) -> None:
        current = self._current
        done = current.warming.done if current is not None and not current.told else None
        if current is not None and done is not None:
            current.told = True
            self._tell(current.model, done)

    @staticmethod
    def _is_over(current: _ReadAhead, spec: ZooSpec, observed: Observed, decided: Plan) -> bool:
        """It has started, and reads for itself now; or it is to be read otherwise, or not at all."""
        model = observed.models.get(current.model)
        started = model is None or model.run is not None
        return (
            started or current.model not in decided.wanted or spec.models.get(current.model) != current.spec
        )


def _replaced(current: _ReadAhead, found: NextModel | None) -> bool:
    """Whether another is next; a moment in which nobody is, as while files are looked at again, ends nothing."""
    return found is not None and found.model != current.model


def in_words(done: Warmed) -> str:
    """One sentence for the journal."""
    text = f"{describe_size(done.read)} of weights read ahead in {done.seconds:.1f} s"
    text += f", {describe_size(done.there)} were in memory" if done.there else ""
    return text + (f"; {done.problem}" if done.problem else "")
