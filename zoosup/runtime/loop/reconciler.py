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
from zoosup.core.state.observed import Observed, SwitchOutcome
from zoosup.host.ports.host import Host, PoolReading
from zoosup.runtime.events.publisher import Publisher
from zoosup.runtime.leasing.leases import Leases
from zoosup.runtime.loop.executor import Executor
from zoosup.runtime.loop.faults import Faults
from zoosup.runtime.loop.intake import Intake
from zoosup.runtime.loop.measure_pace import MeasurePace
from zoosup.runtime.loop.side_work import SideWork
from zoosup.runtime.operations.runs import Operations, Tools
from zoosup.runtime.operations.sessions import SessionKeeper
from zoosup.runtime.persistence import disk_trouble
from zoosup.runtime.persistence.record_writer import RecordWriter
from zoosup.runtime.persistence.saved_state import StateSaver
from zoosup.runtime.publish import snapshot
from zoosup.runtime.publish.condition_status import ConditionTimes
from zoosup.runtime.publish.convergence import refused_parts
from zoosup.runtime.state.inbox import Inbox, Message, ShutdownAsked
from zoosup.runtime.state.memory.pools import have_moved
from zoosup.runtime.state.overrides import note_demand
from zoosup.runtime.state.zoo import Zoo

HEARTBEAT = 2.0
"""Seconds after which a turn is taken though nobody said so, if anything is other than the last turn saw it."""

LOOKOUT = 1.0
"""Seconds between looks at memory while a model lives."""

REST = 30.0
"""Seconds after which a turn is taken though nothing moves: with a hundred models it costs some 20 ms."""

REST_IN_A_FLEET = 12.0
"""The same of one host among several: what the others have said grows old."""

HELD_UP = 1.0
"""Seconds beyond a heartbeat without a turn after which we were held up: stopped, or on a paused machine."""

CATCH_UP = 1.0
"""Seconds that others then get first: those who would have told us what happened were held up as well."""

WRITTEN = 0.02
"""Seconds between looks at whether a hold has been written down, which its process waits for."""

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
        self.environ = environ
        """What models' programs are given of zoosup's own environment."""
        self._sessions = SessionKeeper(host.sessions, zoo.clock, self.leases, self._note_sessions)
        tools = Tools(host, self._record_writer, zoo.clock, environ, self.leases, self._sessions)
        self._operations = Operations(tools, inbox.post, inbox.leave)
        self._executor = Executor(zoo, self._operations, host)
        self._side_work = SideWork(host, zoo, inbox, self._operations.where, self._sessions.restore)
        self._condition_times = ConditionTimes(zoo.clock.wall)
        self._intake = Intake(host, zoo, self._executor, self._operations, self.leases)
        self._faults = Faults()
        self._wake_at: float | None = zoo.clock.now()  # the first turn is due
        self._turned_at = zoo.clock.now()  # or found that no turn is due: the loop turns all the same
        self._reconciled_at = zoo.clock.now()
        self._seen: tuple[PoolReading, ...] = ()
        self._told = self._troubles()
        self._measure_pace = MeasurePace(zoo)

    # what others may do

    def post(self, message: Message) -> None:
        """Leave a message for the next turn."""
        self._inbox.post(message)

    def end(self, wish: ShutdownAsked) -> None:
        """Take the wish to end in before there is a first turn."""
        self._intake.take(wish)

    def heartbeat(self) -> float:
        """Seconds since a turn was last completed, or found to be needless."""
        return self._zoo.clock.now() - self._turned_at

    @property
    def exec_anew(self) -> bool:
        """Whether zoosup is to be executed anew once `run` has returned."""
        return self._intake.exec_anew

    @property
    def models_kept(self) -> bool:
        """Whether zoosup ends and the models go on, for the next one to adopt."""
        return self._intake.models_kept

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
                else:
                    self._turned_at = self._zoo.clock.now()
        finally:
            await self._side_work.close()
            await self._operations.close()
            await self._sessions.close()
            await self._record_writer.close()
            await self._state_saver.save_now(self._zoo)

    def _done(self) -> bool:
        ended = self._zoo.shutdown and all(run.stuck for _, run in self._zoo.live())
        return ended or self._intake.models_kept

    async def _wait(self) -> bool:
        now = self._zoo.clock.now()
        latest = now + self._longest_wait()
        until = latest if self._wake_at is None else min(latest, self._wake_at)
        return await self._inbox.wait(max(SHORTEST_WAIT, until - now) if until > now else 0)

    def _is_quiet(self) -> bool:
        """Whether a look at the memory is all that is due, and shows nothing: what costs is looking at every model."""
        now = self._zoo.clock.now()
        since = now - self._reconciled_at
        rest = REST if self._zoo.fleet is None else REST_IN_A_FLEET
        if since > rest - LOOKOUT / 2 or (self._wake_at is not None and now >= self._wake_at):
            return False
        self._zoo.sample(self._host.gauge.read(), self._host.gauge.stalled())
        self._measure_if_due(early=LOOKOUT / 2)
        return not (self._zoo.memory.nearly_short or self._side_work.prewarming) and (
            since < HEARTBEAT - LOOKOUT / 2 or not self._has_moved()
        )

    def _has_moved(self) -> bool:
        """Whether anything is other than the last turn saw it, though nobody may have said so."""
        demand = self.leases.demand()
        return (
            not self._inbox.empty
            or demand != self._zoo.demand
            or any(each.busy for each in demand.values())
            or any(self._told)  # who is in trouble tries again with each turn
            or self._faults.any
            or self._troubles() != self._told
            or have_moved(self._seen, self._zoo.memory.readings)
        )

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
            self._wake_at = self._zoo.clock.now()
            await asyncio.sleep(1)

    def _reconcile(self) -> None:
        """One pass, as the head of this file has it; nothing in it waits."""
        while (message := self._inbox.take()) is not None:
            self._intake.take(message)
        self._zoo.follow_fleet()
        observed, decided = self._plan_until_settled()
        self._zoo.forget_unknown_models()
        self._side_work.prewarm(observed, decided, self.leases.likeliest())
        self.leases.settle(decided.wanted, decided.closed)
        self._wake_at = _earliest(self._wake_at, self.leases.next_timeout())
        if self._zoo.fleet is not None:
            self._wake_at = _earliest(self._wake_at, self._zoo.fleet.undecided_until)
        self._record_writer.follow(self._zoo)
        self._side_work.follow()
        self._sessions.follow(self._zoo)
        self._measure_pace.turned()
        self._measure_if_due(awaited=self._measure_pace.is_awaited(decided))
        self._publish(decided)
        self._seen = self._zoo.memory.readings
        self._turned_at = self._reconciled_at = self._zoo.clock.now()

    def _plan_until_settled(self) -> tuple[Observed, Plan]:
        """Plan, book and act until a plan changes nothing more; the last plan, and what it was made on."""
        for number in range(PLANS_AT_ONCE):
            if not number or not self._zoo.memory.is_fresh:
                self._zoo.sample(self._host.gauge.read(), self._host.gauge.stalled())
            note_demand(self._zoo, self.leases.demand())
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

    def _measure_if_due(self, early: float = 0.0, *, awaited: bool = False) -> None:
        """Ask what the models hold; `early`: seconds before its time, where the next chance comes after it."""
        if self._measure_pace.is_due(early, awaited=awaited):
            self._measure_pace.restart()
            self._operations.measure(news_only=not awaited and self._measure_pace.tells_news_only())

    def _publish(self, decided: Plan) -> None:
        self._told = self._troubles()
        extra = disk_trouble.conditions(*self._told) + refused_parts(self._zoo)
        extra += self._operations.outputs.conditions(self._zoo.live()) + self._faults.conditions()
        extra += self._sessions.conditions(self._zoo.spec.models)
        self._publisher.publish(snapshot.build(self._zoo, decided, self._condition_times, extra))
        self._state_saver.save_if_changed(self._zoo)
        if self._zoo.holds.unkept:
            self._wake_at = _earliest(self._wake_at, self._zoo.clock.now() + WRITTEN)
        self._intake.answer()

    def _troubles(self) -> tuple[str, str, str]:
        """Of the disk; "" of who has none."""
        return self._record_writer.trouble, self._state_saver.trouble, self._zoo.journal.trouble

    # what the journal is told

    def _note_sessions(self, model: str, reason: str, message: str, data: Mapping[str, object]) -> None:
        self._zoo.journal.add("Sessions", model, reason, message, data)

    def _note_switch(self, decided: Plan) -> None:
        switch = decided.switch
        if switch == self._zoo.switch:
            return
        self._zoo.switch = switch
        if switch is not None and switch.outcome is not SwitchOutcome.OPEN:
            self._zoo.end_switch(switch)


def _earliest(one: float | None, other: float | None) -> float | None:
    return min((at for at in (one, other) if at is not None), default=None)
