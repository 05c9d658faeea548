"""The whole way that a plan leads, on a copy of the zoo: pass after pass, until nothing changes any more.

Every start is taken to succeed with what it was booked for, every stop to give back what was held, and both to take
no time. Decides nothing: each pass is `core.scheduler.plan`. Refuses to know the host: who looks at files answers in
its stead.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from zoosup.core.lifecycle.transitions import apply
from zoosup.core.scheduler.plan import Plan, plan
from zoosup.core.scheduler.verdicts import SHORT_WAITS
from zoosup.core.state import facts
from zoosup.core.state.actions import (
    Action,
    Drain,
    EndCooldown,
    FallAsleep,
    Hold,
    HoldRoom,
    Inspect,
    Kill,
    ReleaseRoom,
    Start,
    Stop,
    Wake,
)
from zoosup.core.state.observed import Model
from zoosup.core.state.phases import Phase
from zoosup.core.state.runs import Leaving, Run, Sleep, SleepStage
from zoosup.runtime.clock import Clock
from zoosup.runtime.state.zoo import Zoo

PASSES = 200
"""A zoo of some dozens of models settles in fewer; one that never settles must not be followed for ever."""

PATIENCE = 60.0
"""Seconds of imagined time for waits that end by themselves."""

Way = Start | Drain | Stop | Kill | FallAsleep | Wake | HoldRoom | ReleaseRoom


@dataclass(slots=True)
class Simulation:
    """Owns `zoo`, a copy. `steps` is what happened so far, in order; `decided` the newest pass."""

    zoo: Zoo
    steps: list[Way] = field(default_factory=list)
    admitted: dict[str, Plan] = field(default_factory=dict)  # the pass that started each model
    decided: Plan | None = None
    settled: bool = False
    _now: float = 0.0
    _end: float = 0.0
    _runs: int = 0

    def __post_init__(self) -> None:
        self._now = self.zoo.clock.now()
        self._end = self._now + PATIENCE
        imagined = Clock(now=lambda: self._now, wall=self.zoo.clock.wall)
        self.zoo.clock = self.zoo.memory.clock = self.zoo.holds.clock = imagined
        self._give_back_what_cools()
        for model, run in self.zoo.live():
            self._finish(model, run)

    def step(self) -> list[Inspect]:
        """Take one pass; the looks that it asks for, which the caller answers with facts."""
        self.decided = decided = plan(self.zoo.spec, self.zoo.observed())
        self.zoo.switch = decided.switch
        changes = [self._do(action, decided) for action in decided.actions]
        looks = [action for action in decided.actions if isinstance(action, Inspect)]
        if not (looks or any(changes)):
            self.settled = not self._wait_on(decided)
        return looks

    def _wait_on(self, decided: Plan) -> bool:
        """Let time pass where a wait ends by itself; whether it did."""
        waits = any(verdict.reason in SHORT_WAITS for verdict in decided.verdicts.values())
        due = decided.wake_at
        if not waits or due is None or not self._now < due <= self._end:
            return False
        self._now = due
        return True

    def _do(self, action: Action, decided: Plan) -> bool:
        """Have one action done; whether it changed anything."""
        match action:
            case Hold():
                before = self.zoo.models[action.model]
                self._tell(action.model, facts.Held(action.phase, action.reason, action.message))
                return (before.phase, before.reason) != (action.phase, action.reason)
            case EndCooldown():
                self.zoo.memory.end_cool_down(action.pool, action.model, action.outcome, action.message)
                return True
            case HoldRoom():
                self.zoo.holds.book(action.hold, action.amounts, action.gpus)
            case ReleaseRoom():
                self.zoo.holds.end(action.hold, action.why)
            case Start():
                self.admitted[action.model] = decided
                self._start(action)
            case Drain() | Stop() | Kill():
                self._end_run(action)
            case FallAsleep():
                self._put_to_sleep(action)
            case Wake():
                self._tell(action.model, facts.WakeBegun(action.run_id, action.need, self._now))
                self._finish_of(action.model)
            case Inspect():
                return False
        self.steps.append(action)
        return True

    def _start(self, action: Start) -> None:
        self._runs += 1
        spec = self.zoo.spec.models[action.model]
        run = Run(
            id=f"imagined-{self._runs}",
            node=action.node,
            spec=spec,
            port=self._runs if spec.port == "auto" else spec.port,
            reserved=dict(action.need),
            source=action.source,
            booked_at=self._now,
            started_at=self.zoo.clock.wall(),
            gpus=action.gpus,
            fingerprint=self.zoo.models[action.model].learned.fingerprint,
        )
        self._tell(action.model, facts.Booked(run))
        self._finish_of(action.model)

    def _end_run(self, action: Drain | Stop | Kill) -> None:
        leaving = Leaving(action.cause, action.message, self._now)
        self._tell(action.model, facts.StopBegun(action.run_id, leaving))
        self._finish_of(action.model)

    def _put_to_sleep(self, action: FallAsleep) -> None:
        run = self.zoo.models[action.model].run
        if run is not None:
            sleep = Sleep(
                SleepStage.FALLING, run.reserved, action.asleep, action.known, self._now, run.measured
            )
            self._tell(action.model, facts.SleepBegun(run.id, sleep, run.reserved, action.message))
        self._finish_of(action.model)

    def _finish_of(self, name: str) -> None:
        model = self.zoo.models[name]
        if model.run is not None:
            self._finish(model, model.run)

    def _finish(self, model: Model, run: Run) -> None:
        """Bring what is on its way to its end: loaded, gone or asleep."""
        if run.stuck:
            return
        if run.leaving is not None or model.phase is Phase.STOPPING:
            policy = self.zoo.spec.models.get(model.name, run.spec).restart
            if model.phase is not Phase.STOPPING and run.leaving is not None:
                self._tell(model.name, facts.StopBegun(run.id, run.leaving))
            self._tell(model.name, facts.Gone(run.id, run.exit, self._now, policy, jitter=0.0))
            self._take({pool: -held for pool, held in self.zoo.memory.counted(_held(run)).items()})
        elif model.phase is Phase.FALLING_ASLEEP:
            self._tell(model.name, facts.FellAsleep(run.id, self._now))
            self._hold(model.name, run, run.sleep.asleep if run.sleep is not None else {})
        elif model.phase in {Phase.STARTING, Phase.UNREADY}:
            if run.sleep is not None:
                self._tell(model.name, facts.Woken(run.id, self._now))
            self._tell(model.name, facts.ProbedReady(run.id, self._now))
            ready = self.zoo.models[model.name].run
            self._hold(model.name, run, ready.reserved if ready is not None else {})

    def _hold(self, name: str, run: Run, amounts: Mapping[str, int]) -> None:
        """It holds so much from now on."""
        before = self.zoo.memory.counted(run.measured)
        now = self.zoo.memory.counted(amounts)
        self._take({pool: amount - before.get(pool, 0) for pool, amount in now.items()})
        model = self.zoo.models[name]
        if model.run is not None:
            self.zoo.models[name] = replace(model, run=replace(model.run, measured=dict(amounts)))

    def _take(self, amounts: Mapping[str, int]) -> None:
        """Take bytes out of what is free, by pool; negative ones come back."""
        readings = tuple(
            reading
            if reading.available is None
            else replace(
                reading,
                available=max(0, min(reading.total, reading.available - amounts.get(reading.id, 0))),
                at=None,
            )
            for reading in self.zoo.memory.readings
        )
        self.zoo.sample(readings)
        self.zoo.memory.rises.looked(self._now)  # it is known who has given it back

    def _tell(self, name: str, fact: facts.Fact) -> None:
        """As the zoo is told, but nothing is learned from what is only imagined."""
        self.zoo.models[name] = apply(self.zoo.models[name], fact)

    def _give_back_what_cools(self) -> None:
        available = {reading.id: reading.available for reading in self.zoo.memory.readings}
        cooling = list(self.zoo.memory.cooldowns.values())
        self.zoo.memory.cooldowns.clear()
        for watch in cooling:
            now = available.get(watch.pool)
            if now is not None and watch.baseline is not None:
                self._take({watch.pool: -max(0, watch.expected - max(0, now - watch.baseline))})


def _held(run: Run) -> Mapping[str, int]:
    return {pool: run.measured.get(pool, amount) for pool, amount in run.reserved.items()}
