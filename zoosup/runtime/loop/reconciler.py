"""The single writer: takes facts in, asks the plan what to do, books it, has it done, publishes what is so.

    wait for a message or the plan's own time
    take every message in
    read the memory
    plan, book, act -- and again, until a plan changes nothing more
    publish

Level-triggered: messages are hints that wake it and facts that it remembers; each turn looks at everything. No lock is
needed, because nothing else writes and nothing here waits in the middle of a turn: reading memory and booking the
reservation that was granted on it happen in one step.
"""

import asyncio
import logging
from collections.abc import Mapping

from zoosup.core.scheduler import pressure
from zoosup.core.scheduler.plan import Plan, plan
from zoosup.core.state.actions import Action
from zoosup.core.state.observed import Condition, Model, Observed, SwitchOutcome
from zoosup.core.state.phases import Phase
from zoosup.core.state.runs import Run, SleepStage
from zoosup.host.ports import Host, Warmed
from zoosup.runtime.events.publisher import Publisher
from zoosup.runtime.leasing.leases import Leases
from zoosup.runtime.loop.executor import Executor
from zoosup.runtime.loop.faults import Faults
from zoosup.runtime.loop.intake import Intake
from zoosup.runtime.operations.prewarm import Prewarmer, in_words
from zoosup.runtime.operations.probes import ProbeTarget, ProbeTasks, is_probed
from zoosup.runtime.operations.runs import Operations, Tools
from zoosup.runtime.persistence import disk_trouble
from zoosup.runtime.persistence.record_writer import RecordWriter
from zoosup.runtime.persistence.saved_state import StateSaver
from zoosup.runtime.publish import snapshot
from zoosup.runtime.state.inbox import Inbox, Message
from zoosup.runtime.state.zoo import Zoo

MEASURE_LOADING = 1.0
"""Seconds between looks at what each run holds while one of them is loading, or memory is short."""

MEASURE_SETTLED = 5.0
"""The same when none is: a look at a hundred trees costs some milliseconds."""

WARMING = 5.0
"""Seconds after its readiness in which a model still counts as loading: what it holds has not been seen yet."""

HEARTBEAT = 2.0
"""Seconds after which a turn is taken though nothing happened: the proof that the loop turns."""

LOOKOUT = 1.0
"""Seconds between looks at memory while a model lives."""

HELD_UP = 1.0
"""Seconds beyond a heartbeat without a turn after which we were held up: stopped, or on a paused machine."""

CATCH_UP = 1.0
"""Seconds that others then get first: those who would have told us what happened were held up as well."""

SHORTEST_WAIT = 0.001
"""Seconds: a plan's time that is a rounding error away must not become a turn for each rounding error."""

PLANS_AT_ONCE = 20
"""Plans carried out in one turn before others get their say; a plan that never settles must not stop the loop."""

_log = logging.getLogger(__name__)


class Reconciler:
    """Owns the zoo of one host; what reaches it, reaches it by its inbox."""

    def __init__(  # noqa: PLR0913, PLR0917 - the collaborators of the single writer
        self,
        host: Host,
        zoo: Zoo,
        inbox: Inbox,
        publisher: Publisher,
        state_saver: StateSaver,
        environ: Mapping[str, str],
    ) -> None:
        self._host = host
        self._zoo = zoo
        self._publisher = publisher
        self._state_saver = state_saver
        self._inbox = inbox
        self._record_writer = RecordWriter(host, zoo.clock)
        self.leases = Leases(zoo, inbox.wake)
        """Where the gateway asks for models."""
        tools = Tools(host, self._record_writer, zoo.clock, environ, self.leases)
        self._operations = Operations(tools, inbox.post)
        self._executor = Executor(zoo, self._operations, host)
        self._prewarmer = Prewarmer(host.warmer, self._note_prewarmed)
        self._probes = ProbeTasks(host.prober, zoo.clock, inbox.post, self._operations.where)
        self._condition_times = snapshot.ConditionTimes(zoo.clock.wall)
        self._intake = Intake(host, zoo, self._executor, self._operations, self.leases)
        self._faults = Faults()
        self._wake_at: float | None = zoo.clock.now()  # the first turn is due
        self._turned_at = zoo.clock.now()
        self._measured_at = float("-inf")

    # what others may do

    def post(self, message: Message) -> None:
        """Leave a message for the next turn."""
        self._inbox.post(message)

    def heartbeat(self) -> float:
        """Seconds since a turn was last completed."""
        return self._zoo.clock.now() - self._turned_at

    @property
    def exec_anew(self) -> bool:
        """Whether zoosup is to be executed anew once `run` has returned."""
        return self._intake.exec_anew

    @property
    def zoo(self) -> Zoo:
        """What is known; for reading, between turns."""
        return self._zoo

    # the loop

    async def run(self) -> None:
        """Turn until zoosup has been asked to leave and no run is left that could still go."""
        try:
            while not self._done():
                woken = await self._wait()
                await self._let_others_catch_up()
                if woken or not self._is_quiet():
                    await self._reconcile_safely()
        finally:
            self._prewarmer.close()
            await self._probes.close()
            await self._operations.close()
            await self._record_writer.close()
            await self._state_saver.save_now(self._zoo)

    def _done(self) -> bool:
        if self._intake.models_kept:
            return True
        return self._zoo.shutdown and all(run.stuck for _, run in self._zoo.live())

    async def _wait(self) -> bool:
        now = self._zoo.clock.now()
        latest = now + self._longest_wait()
        until = latest if self._wake_at is None else min(latest, self._wake_at)
        return await self._inbox.wait(max(SHORTEST_WAIT, until - now) if until > now else 0)

    def _is_quiet(self) -> bool:
        """Whether a look at the memory is all that is due, and shows nothing: what costs is looking at every model."""
        now = self._zoo.clock.now()
        if now - self._turned_at > HEARTBEAT - LOOKOUT / 2 or (
            self._wake_at is not None and now >= self._wake_at
        ):
            return False
        self._zoo.sample(self._host.gauge.read(), self._host.gauge.stalled())
        return not self._zoo.memory.nearly_short

    def _longest_wait(self) -> float:
        if not self._zoo.live():
            return HEARTBEAT
        return pressure.PACE if self._zoo.memory.nearly_short else LOOKOUT

    async def _let_others_catch_up(self) -> None:
        """After a time without turns, a deadline in it must not end a model that has been ready since."""
        if self.heartbeat() > HEARTBEAT + HELD_UP:
            await asyncio.sleep(CATCH_UP)

    async def _reconcile_safely(self) -> None:
        try:
            self._reconcile()
        except Exception:  # noqa: BLE001
            # A bug of ours. Ending would orphan every model; the next turn looks at everything afresh, and
            # as long as none is completed /livez says so.
            _log.exception("internal error: a turn failed")
            await asyncio.sleep(1)

    def _reconcile(self) -> None:
        """One pass, as the head of this file has it; nothing in it waits."""
        while (message := self._inbox.take()) is not None:
            self._intake.take(message)
        observed, decided = self._plan_until_settled()
        self._zoo.forget_unknown_models()
        self._prewarmer.follow(self._zoo.spec, observed, decided)
        self.leases.settle(decided.wanted, decided.closed)
        self._wake_at = _earliest(self._wake_at, self.leases.next_timeout())
        self._record_writer.follow(self._zoo)
        self._probe_and_measure()
        self._publish(decided)
        self._turned_at = self._zoo.clock.now()

    def _plan_until_settled(self) -> tuple[Observed, Plan]:
        """Plan, book and act until a plan changes nothing more; the last plan, and what it was made on."""
        for _ in range(PLANS_AT_ONCE):
            self._zoo.sample(self._host.gauge.read(), self._host.gauge.stalled())
            self._zoo.demand = self.leases.demand()
            observed = self._zoo.observed()
            decided = plan(self._zoo.spec, observed)
            self._faults.planned(decided.faults)
            self._note_switch(decided)
            self._zoo.memory.note_shortages(decided.shortages)
            # A list, not a generator: every action is carried out, whatever the first one changed.
            changes = [self._carry_out(action) for action in decided.actions]
            self._wake_at = decided.wake_at
            if not any(changes):
                break
        else:
            self._wake_at = self._zoo.clock.now()
        return observed, decided

    def _carry_out(self, action: Action) -> bool:
        try:
            changed = self._executor.carry_out(action)
        except Exception as error:  # noqa: BLE001 - a bug of ours, which ends no other model's turn
            self._faults.met(action, error)
            return False
        self._faults.carried_out(action)
        return changed

    def _publish(self, decided: Plan) -> None:
        troubles = self._record_writer.trouble, self._state_saver.trouble, self._zoo.journal.trouble
        extra = disk_trouble.conditions(*troubles) + _listening(self._zoo)
        extra += self._operations.outputs.conditions(self._zoo.live()) + self._faults.conditions()
        self._publisher.publish(snapshot.build(self._zoo, decided, self._condition_times, extra))
        self._state_saver.save_if_changed(self._zoo)
        self._intake.answer()

    # what the journal is told

    def _note_prewarmed(self, model: str, done: Warmed) -> None:
        if not (done.read or done.problem):
            return  # it was all there already, or there is nothing that could be
        data = {"read": done.read, "there": done.there, "seconds": round(done.seconds, 3)}
        self._zoo.journal.add("Prewarmed", model, "ReadAhead", in_words(done), data)

    def _note_switch(self, decided: Plan) -> None:
        switch = decided.switch
        if switch == self._zoo.switch:
            return
        self._zoo.switch = switch
        if switch is not None and switch.outcome is not SwitchOutcome.OPEN:
            reason = "Completed" if switch.outcome is SwitchOutcome.DONE else "RolledBack"
            self._zoo.journal.add("Switch", None, reason, switch.message)

    # what goes on beside

    def _probe_and_measure(self) -> None:
        self._probes.follow(self._probe_targets())
        now, live = self._zoo.clock.now(), self._zoo.live()
        loading = self._zoo.memory.nearly_short or any(_is_loading(model, run, now) for model, run in live)
        if live and now - self._measured_at >= (MEASURE_LOADING if loading else MEASURE_SETTLED):
            self._measured_at = now
            self._operations.measure()

    def _probe_targets(self) -> list[ProbeTarget]:
        models = self._zoo.spec.models
        return [
            ProbeTarget(m.name, run, models.get(m.name, run.spec))
            for m, run in self._zoo.live()
            if is_probed(m)
        ]


def _listening(zoo: Zoo) -> tuple[Condition, ...]:
    troubles = ("GatewayListening", zoo.gateway.trouble), ("StatusListening", zoo.status_trouble)
    return tuple(Condition(None, what, False, "Refused", trouble) for what, trouble in troubles if trouble)


def _earliest(one: float | None, other: float | None) -> float | None:
    return min((at for at in (one, other) if at is not None), default=None)


def _is_loading(model: Model, run: Run, now: float) -> bool:
    if run.sleep is not None and (
        run.sleep.stage is not SleepStage.ASLEEP or now - run.sleep.since < WARMING
    ):
        return True
    return model.phase is Phase.STARTING or (run.ready_at is not None and now - run.ready_at < WARMING)
