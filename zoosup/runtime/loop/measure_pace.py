"""When to ask what the models hold: often while one of them loads or memory is short, seldom at rest.

Refuses to ask: it says only that it is time.
"""

from zoosup.core.state.observed import Model
from zoosup.core.state.phases import Phase
from zoosup.core.state.runs import Run, SleepStage
from zoosup.runtime.state.zoo import Zoo

LOADING = 1.0
"""Seconds between looks at what each run holds while one of them is loading, or memory is short."""

SETTLED = 10.0
"""The same when none is: a look at a hundred trees, and the turn that follows on it, cost some 15 ms."""

WARMING = 5.0
"""Seconds after its readiness in which a model still counts as loading: what it holds has not been seen yet."""


class MeasurePace:
    """Remembers when it was last time."""

    def __init__(self, zoo: Zoo) -> None:
        self._zoo = zoo
        self._measured_at = float("-inf")

    def is_due(self, early: float = 0.0) -> bool:
        """Whether it is time; `early`: seconds before it that are near enough."""
        now, live = self._zoo.clock.now(), self._zoo.live()
        in_use = [hold for hold in self._zoo.holds.by_id.values() if hold.booked and hold.owner]
        loading = self._zoo.memory.nearly_short or any(_is_loading(model, run, now) for model, run in live)
        every = LOADING if loading or in_use else SETTLED
        return bool(live or in_use) and now - self._measured_at >= every - early

    def restart(self) -> None:
        """They are asked now."""
        self._measured_at = self._zoo.clock.now()


def _is_loading(model: Model, run: Run, now: float) -> bool:
    if run.sleep is not None and (
        run.sleep.stage is not SleepStage.ASLEEP or now - run.sleep.since < WARMING or not run.sleep.settled
    ):
        return True
    return model.phase is Phase.STARTING or (run.ready_at is not None and now - run.ready_at < WARMING)
