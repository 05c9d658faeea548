"""Keeps in the page cache the weights of those that are likely to be asked for next, one read after another.

Told of each turn; begins, gives up and reports. Refuses to know who is likely and how much room there is
(`core.scheduler.prewarm`), and how files are read (`host.weights`).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from zoosup.core.scheduler.prewarm import is_short, likely_to_warm, style
from zoosup.core.state.observed import Observed
from zoosup.host.ports.host import Warmed, Warmer, Warming
from zoosup.runtime.state.zoo import WarmWeights
from zoosup.spec.model.gateway import PrewarmStyle
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.zoo import ZooSpec

AGAIN = 600.0
"""Seconds after which weights are read again: what others have pushed out comes back, what is there costs nothing."""

MORE = 1.25
"""Times what there was room for: then there is room for so much more that it is read on."""

AFTER_PRESSURE = 60.0
"""Seconds for which nothing is read once memory was short."""

SHORT = "given up: memory is short"

Report = Callable[[str, Warmed], None]


@dataclass(slots=True)
class _Read:
    """One model's weights: being read, or read at `begun`. `cancelled` before its end; `short`: for want of memory."""

    spec: ModelSpec
    limit: int
    warming: Warming
    begun: float
    cancelled: bool = False
    short: bool = False
    told: bool = False


class LikelyPrewarmer:
    """Follows the turns; `report` hears what each read came to."""

    def __init__(self, warmer: Warmer, report: Report) -> None:
        self._warmer = warmer
        self._tell = report
        self._reads: dict[str, _Read] = {}
        self._not_before = float("-inf")

    @property
    def reading(self) -> bool:
        """Whether anything is being read, or was and has not been told."""
        return any(not read.told for read in self._reads.values())

    def warm(self) -> Iterator[tuple[str, WarmWeights]]:
        """What is known to be in memory, by model."""
        for name, read in self._reads.items():
            yield name, WarmWeights(read.warming.there, read.warming.done is None)

    def follow(self, spec: ZooSpec, observed: Observed, likeliest: Iterable[str]) -> None:
        """Read on, or begin with the next, or give up what there is no more room or reason for."""
        if style(spec) is not PrewarmStyle.LIKELY:
            self.close()
            return
        self._report()
        rests = observed.now < self._not_before
        chosen = {} if rests else {e.model: e.limit for e in likely_to_warm(spec, observed, likeliest)}
        for name, read in list(self._reads.items()):
            limit = chosen.get(name, 0)
            if read.told and _is_over(name, read, spec, observed, limit):
                del self._reads[name]
            elif not read.told and (
                name not in chosen or read.warming.there > limit or _other(spec, name, read)
            ):
                self._give_up(read, observed)
        untouched = next((name for name in chosen if name not in self._reads), None)
        if untouched is not None and not self.reading:
            self._begin(untouched, chosen[untouched], spec, observed)

    def close(self) -> None:
        """End what goes on; nobody hears of it any more."""
        for read in self._reads.values():
            read.warming.cancel()
        self._reads.clear()

    def _begin(self, name: str, limit: int, spec: ZooSpec, observed: Observed) -> None:
        wanted = spec.models[name]
        warming = self._warmer.warm(wanted, limit, observed.models[name].located)
        self._reads[name] = _Read(wanted, limit, warming, observed.now)

    def _give_up(self, read: _Read, observed: Observed) -> None:
        read.cancelled, read.short = True, is_short(observed)
        if read.short:
            self._not_before = observed.now + AFTER_PRESSURE
        read.warming.cancel()

    def _report(self) -> None:
        """One that was cancelled is news only where memory was short: else another goes on where it ended."""
        for name, read in [item for item in self._reads.items() if not item[1].told]:
            done = read.warming.done
            if done is None:
                continue
            read.told = True
            if read.cancelled:
                del self._reads[name]
            if read.short or not read.cancelled:
                self._tell(name, replace(done, problem=SHORT) if read.short else done)


def _is_over(name: str, read: _Read, spec: ZooSpec, observed: Observed, limit: int) -> bool:
    """It runs, it is another now, it was long ago, or there is room for much more of it."""
    model = observed.models.get(name)
    runs, old = model is None or model.run is not None, observed.now - read.begun >= AGAIN
    return runs or old or _other(spec, name, read) or limit > MORE * read.limit


def _other(spec: ZooSpec, name: str, read: _Read) -> bool:
    return spec.models.get(name) != read.spec
