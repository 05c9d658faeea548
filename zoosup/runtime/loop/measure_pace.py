"""When to ask what the models hold: often while one of them loads or memory is short, seldom at rest.

Refuses to ask: it says only that it is time.
"""

from zoosup.core.estimation.learned import HEALTHY
from zoosup.core.memory.ledger import NOISE
from zoosup.core.scheduler.plan import Plan
from zoosup.core.state.holds import RoomHold
from zoosup.core.state.observed import Model
from zoosup.core.state.phases import Phase, Reason
from zoosup.core.state.runs import Run, Sleep, SleepStage
from zoosup.host.ports.host import PoolReading
from zoosup.runtime.state.memory.pools import have_moved
from zoosup.runtime.state.zoo import Zoo

LOADING = 1.0
"""Seconds between looks at what each run holds while one of them is loading, or memory is short."""

AWAITED = 0.1
"""The same while a start waits to know who has given back what has come free."""

SETTLED = 10.0
"""The same when none is."""

RESTING = 60.0
"""The same when, besides, as much memory is free as at the last look, and nobody has become healthy since."""

WARMING = 5.0
"""Seconds after its readiness in which a model still counts as loading: what it holds has not been seen yet."""


class MeasurePace:
    """Remembers when it was last time."""

    def __init__(self, zoo: Zoo) -> None:
        self._zoo = zoo
        self._measured_at = self._told_at = float("-inf")
        self._seen: tuple[PoolReading, ...] = ()  # when they were asked
        self._is_calm = False  # until the next turn: time alone makes none load

    def turned(self) -> None:
        """A turn has been taken: the runs may be others."""
        self._is_calm = False

    def is_due(self, early: float = 0.0, *, awaited: bool = False) -> bool:
        """Whether it is time; `early`: seconds before it that are near enough; `awaited`: a start waits for it."""
        waited = self._zoo.clock.now() - self._measured_at + early
        least = AWAITED if awaited else LOADING
        if waited < least or not (self._zoo.live() or self._holds_in_use()):
            return False
        stale = waited >= RESTING or (waited >= SETTLED and (self._has_moved() or self._teaches()))
        return awaited or stale or self._is_stirred()

    def is_awaited(self, decided: Plan) -> bool:
        """Whether somebody waits for memory to be back while more comes free, which the models may have held."""
        if not self._has_risen():
            return False  # nobody waits for so little
        verdicts = [*decided.verdicts.values(), *decided.holds.values()]
        return any(v.reason is Reason.COOL_DOWN for v in verdicts)

    def tells_news_only(self) -> bool:
        """Whether a look that shows what the last one did says nothing.

        The first of a run that has become healthy teaches all the same, and so does each of one that falls asleep.
        """
        now = self._zoo.clock.now()
        dozing = any(run.sleep is not None and _is_dozing(run.sleep, now) for _, run in self._zoo.live())
        news = not (self._teaches() or dozing or self._zoo.memory.nearly_short or self._holds_in_use())
        self._told_at = self._told_at if news else now
        return news

    def _teaches(self) -> bool:
        """Whether a run has become healthy since all was told."""
        now, before = self._zoo.clock.now(), self._told_at
        return any(run.ready_for(before) < HEALTHY <= run.ready_for(now) for _, run in self._zoo.live())

    def _is_stirred(self) -> bool:
        """Whether one of them loads or memory is short, so that what they hold may soon be something else."""
        if self._zoo.memory.nearly_short or self._holds_in_use():
            return True
        if not self._is_calm:
            now = self._zoo.clock.now()
            self._is_calm = not any(_is_loading(model, run, now) for model, run in self._zoo.live())
        return not self._is_calm

    def _has_moved(self) -> bool:
        """Whether so much else is free than at the last look that one of the models may hold it, or have held it."""
        return self._has_risen() or have_moved(self._seen, self._zoo.memory.readings, NOISE)

    def _has_risen(self) -> bool:
        """Whether so much has come free since the last look, though somebody else may have taken it."""
        return max(self._zoo.memory.rises.known().values(), default=0) > NOISE

    def _holds_in_use(self) -> list[RoomHold]:
        return [hold for hold in self._zoo.holds.by_id.values() if hold.booked and hold.owner]

    def restart(self) -> None:
        """They are asked now."""
        self._measured_at, self._seen = self._zoo.clock.now(), self._zoo.memory.readings


def _is_loading(model: Model, run: Run, now: float) -> bool:
    if run.sleep is not None and _is_dozing(run.sleep, now):
        return True
    return model.phase is Phase.STARTING or (run.ready_at is not None and now - run.ready_at < WARMING)


def _is_dozing(sleep: Sleep, now: float) -> bool:
    """Whether what it holds asleep is not known yet, or soon no longer."""
    return sleep.stage is not SleepStage.ASLEEP or now - sleep.since < WARMING
