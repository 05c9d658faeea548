"""What should happen next: the whole of zoosup's judgement as one pure function.

    plan(spec, observed) -> Plan(actions, conditions, wake_at)

It is asked again after every event and looks at everything each time, so that a lost or doubled event costs only
latency. It reads no clock (`observed.now`), touches nothing and remembers nothing. A pass reads like this:

    1. the switch under way: done, rolled back, or still open?
    2. cool-downs that are over
    3. runs on their way out: the next step of their stopping
    4. runs nobody wants any longer: tell them to leave
    5. pools that run short: who has to go before the kernel takes one
    6. models that are wanted, in order of priority: start, wait (and why), or make room
    7. models that rest: what to call their rest

There is no step that moves: where B waits for A's room, A is told to leave, and a later pass starts B.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from zoosup.core import cooldown, demand, guard, switch as switching
from zoosup.core.actions import Action, Drain, EndCooldown, Hold, Inspect, Kill, Park, Start, Stop, Wake
from zoosup.core.estimate import need
from zoosup.core.parking import awake, rules
from zoosup.core.placement import Answer, Room, Verdict, outdated
from zoosup.core.siting import intended, renewal, rouse, weigh
from zoosup.core.status import (
    STAYING_PHASES,
    Cause,
    Condition,
    Cooldown,
    Leaving,
    Model,
    Observed,
    Override,
    Phase,
    Reason,
    Run,
    Switch,
    SwitchOutcome,
)
from zoosup.spec.changes import restart_fields
from zoosup.spec.models import ModelSpec, ZooSpec
from zoosup.spec.units import describe_size, format_duration

PREFLIGHT_FRESH = 2.0
"""Seconds that a look at a model's files and port is believed."""

MEMORY_POLL = 0.25
"""Seconds between looks at memory that somebody else holds and a model waits for."""

COOLDOWN_POLL = 0.005
COOLDOWN_SHARE = 0.02
COOLDOWN_SLOW = 0.1
"""Seconds between samples while a stopped model's memory comes back: 5 ms at first, since two must agree before
anything starts, then 2 % of the time waited, so that a long wait costs nothing and ends at most 2 % late.
"""

GIVEN_UP = frozenset({Reason.CRASH_LOOP, Reason.EXITED, Reason.ROLLED_BACK, Reason.OOM})
"""Reasons of `failed` that only an edit or a person ends, OOM other weights as well; the rest when what was missing
appears.
"""

OOM_LOOK = 30.0
"""Seconds between looks at whether the weights of a model that was killed for want of memory are others by now."""

_POLLED = frozenset({Reason.MEMORY, Reason.MEMORY_UNKNOWN})
"""Reasons that nobody reports the end of."""

_CHECKING = Verdict("waits", Reason.CHECKING, "its executable, its files and its port are being looked at")

_PREFERENCE = {"admitted": 0, "waits": 1, "refused": 2}
"""Of several nodes the first that admits; else the first where it may run one day."""

_FAULTS = frozenset({Cause.STARTUP_DEADLINE, Cause.LIVENESS_FAILED})
"""Causes for which a run isn't asked to finish what it does: it does nothing."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One pass's answer. `wake_at` is when to look again though nothing happens; `switch` is how far it has come.

    `strains` are the pools that are short, worst first.
    """

    actions: tuple[Action, ...]
    conditions: tuple[Condition, ...]
    wake_at: float | None
    switch: Switch | None
    verdicts: Mapping[str, Verdict]
    wanted: tuple[str, ...]
    strains: tuple[guard.Strain, ...] = ()


def plan(spec: ZooSpec, observed: Observed) -> Plan:
    """Decide what to do now and why what waits is waiting; see the module's docstring for the order."""
    the = _Pass(spec, observed, Room(spec, observed))
    if not observed.shutdown:
        the.carry_the_switch_on()
        the.end_cooldowns()
    the.go_on_leaving()
    the.release()
    the.relieve()
    the.place_the_wanted()
    the.name_the_rest()
    return the.answer()


@dataclass(slots=True)
class _Pass:
    """The scratch paper of one pass; nothing outside ever sees it."""

    spec: ZooSpec
    observed: Observed
    room: Room
    actions: list[Action] = field(default_factory=list)
    conditions: list[Condition] = field(default_factory=list)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    wake_at: float | None = None
    strains: tuple[guard.Strain, ...] = ()

    # 1. the switch under way

    def carry_the_switch_on(self) -> None:
        settling = bool(self.room.cooling) or bool(self.room.leaving)
        progress = switching.Progress(self._may_roll_back(), settling)
        self.room.switch = switching.judge(self.observed.switch, self.observed.models, progress)
        listed = switching.effective(self.spec.active, self.room.switch)
        self.room.wishes = demand.wishes(self.spec, self.observed, listed)
        if self.room.switch is not None:
            self.conditions.append(_switched(self.room.switch))

    def _may_roll_back(self) -> bool:
        """Whether the file allows it and somebody could come back: nobody that it, or a person, has put away."""
        switch, models = self.observed.switch, self.observed.models
        back = [n for n in switch.outgoing if n in self.spec.models] if switch is not None else []
        return self.spec.switch.rollback and any(models[n].override is not Override.STOP for n in back)

    # 2. cool-downs that are over

    def end_cooldowns(self) -> None:
        still: list[Cooldown] = []
        for watch in self.room.cooling:
            loading = self.room.loading(watch.node, watch.pool)
            over = cooldown.outcome(watch, self.observed.now, self.spec.switch.cooldown, loading=loading)
            if over is None:
                still.append(watch)
                waited = self.observed.now - watch.since
                self._wake(
                    self.observed.now + min(COOLDOWN_SLOW, max(COOLDOWN_POLL, COOLDOWN_SHARE * waited))
                )
            else:
                self.actions.append(EndCooldown(watch.node, watch.pool, watch.model, *over))
        self.room.cooling = tuple(still)

    # 3. runs on their way out

    def go_on_leaving(self) -> None:
        for model in self.observed.models.values():
            run = model.run
            if run is None or run.leaving is None:
                continue
            if run.stuck:
                self.conditions.append(
                    Condition(model.name, "TerminationStuck", True, "Survivors", run.stuck)
                )
            if run.leaving.ladder:
                continue
            due = self._ladder_due(model, run.leaving)
            if due > self.observed.now:
                self._wake(due)
            else:
                self.actions.append(Stop(model.name, run.id, run.leaving.cause, run.leaving.message))

    def _ladder_due(self, model: Model, leaving: Leaving) -> float:
        """When its drain is over, for good or because its grace period is; or when a stuck one is tried again."""
        if model.phase is Phase.STOPPING or leaving.drained:
            return leaving.retry_at
        return leaving.since + self.room.spec_of(model).stop.grace

    # 4. runs nobody wants any longer

    def release(self) -> None:
        wanted = set(self.room.wanted)
        for model in self.observed.models.values():
            if model.run is None or model.phase not in STAYING_PHASES or model.run.leaving is not None:
                continue
            why = self._fault(model, model.run) or self._unwanted(model, wanted)
            if why is not None:
                self._leave(model, *why)

    def _fault(self, model: Model, run: Run) -> tuple[Cause, str] | None:
        if run.sick and model.phase is Phase.PARKING:
            return Cause.MADE_ROOM, f"{model.message}; it would not sleep: {run.sick}"
        if run.sick and run.nap is not None and model.phase is Phase.STARTING:
            return Cause.STARTUP_DEADLINE, f"it would not wake: {run.sick}"
        if run.sick:
            return Cause.LIVENESS_FAILED, run.sick
        if model.phase is not Phase.STARTING:
            return None
        deadline = self.room.spec_of(model).ready.deadline
        if self.observed.now < run.booked_at + deadline:
            self._wake(run.booked_at + deadline)
            return None
        seen = f": {model.message}" if model.message else ""
        return Cause.STARTUP_DEADLINE, f"not ready within {deadline:g} s (ready.deadline){seen}"

    def _unwanted(self, model: Model, wanted: set[str]) -> tuple[Cause, str] | None:
        if self.observed.shutdown:
            return Cause.SHUTDOWN, "zoosup ends"
        if model.run is not None and model.run.recalled:
            return Cause.RESTARTED_BY_HAND, "restarted by hand"
        return None if model.name in wanted else self._left_over(model)

    def _left_over(self, model: Model) -> tuple[Cause, str] | None:
        if model.override is Override.STOP:
            return Cause.STOPPED_BY_HAND, "stopped by hand"
        if switching.retained(self.room.switch, model.name, self.spec.models, self.observed.models):
            return None
        spec = self.spec.models.get(model.name)
        if spec is None:
            return Cause.NOT_WANTED, "taken out of the file"
        if spec.on_demand and model.run is not None:
            return self._kept_long_enough(model, model.run, spec)
        return Cause.NOT_WANTED, switching.successors(self.room.switch, model.name) or "not in active"

    def _kept_long_enough(self, model: Model, run: Run, spec: ModelSpec) -> tuple[Cause, str] | None:
        """Nobody asks for it now: it stays for the next who does, unless that wouldn't be what the file says."""
        if outdated(run.spec, spec):
            return Cause.SPEC_CHANGED, f"{_changed(run.spec, spec)} changed in the file"
        until = demand.idle_until(model, spec, self.observed)
        if until is None:
            return None
        if until > self.observed.now:
            self._wake(until)
            return None
        return Cause.IDLE, f"nobody has asked for it for {format_duration(spec.idle_timeout)} (idle_timeout)"

    # 5. pools that run short

    def relieve(self) -> None:
        self.strains = guard.judge(self.room)
        for strain in self.strains:
            self._wake(strain.wake_at)
            if strain.victim is not None:
                self._send_for(strain, self.observed.models[strain.victim])
        if self.strains:
            said = "; ".join(strain.message for strain in self.strains)
            self.conditions.append(Condition(None, "MemoryPressure", True, self.strains[0].reason, said))

    def _send_for(self, strain: guard.Strain, model: Model) -> None:
        run = model.run
        assert run is not None  # noqa: S101 - only a run holds memory
        if strain.level is guard.Level.SOFT:
            self._leave(model, Cause.PRESSURE, strain.message)
            return
        # Nothing asks it to finish first: at this level that is time which the host may not have.
        self.room.leaving.add(model.name)
        step: Callable[[str, str, Cause, str], Action] = Stop
        if strain.level is guard.Level.CRITICAL:
            step = Kill
            self.actions = [a for a in self.actions if not _ends(a, run)]
        self.actions.append(step(model.name, run.id, Cause.PRESSURE, strain.message))

    # 6. models that are wanted

    def place_the_wanted(self) -> None:
        for name in self.room.wanted:
            model, spec = self.observed.models[name], self.spec.models[name]
            if model.run is None:
                self._place(model, spec)
            elif model.phase is Phase.PARKED and name not in self.room.leaving:
                self._rouse(model, model.run, spec)
            elif model.run.leaving is None and name not in self.room.leaving | self.room.parking:
                self._renew(model, model.run, spec)
            elif model.run.exit is not None and self._stale(model):
                # It crashed and starts afresh once its remains are gone: look meanwhile, so that nothing waits then.
                self._inspect(model, spec)
            if name not in self.room.wishes.asked:
                self.room.earlier.add(name)

    def _place(self, model: Model, spec: ModelSpec) -> None:
        if self._is_given_up(model, spec):
            self._note(model, Verdict("refused", model.reason, model.message))
        elif model.backoff.until > self.observed.now:
            self._wake(model.backoff.until)
            self._wait(model, spec, Verdict("waits", Reason.BACK_OFF, _crashes(model)), phase=Phase.BACKOFF)
        elif not self._inspected(model, spec):
            self._wait(model, spec, _CHECKING)
        elif model.preflight is not None and model.preflight.reason is not None:
            self._amiss(model, spec, model.preflight.reason, model.preflight.message)
        else:
            self._weigh(model, spec)

    def _is_given_up(self, model: Model, spec: ModelSpec) -> bool:
        if model.phase is not Phase.FAILED or model.reason not in GIVEN_UP:
            return False
        if model.reason is not Reason.OOM:
            return True
        due = self.observed.now if model.preflight is None else model.preflight.at + OOM_LOOK
        if due <= self.observed.now:
            self._inspect(model, spec)
        else:
            self._wake(due)
        return model.preflight is None or model.lessons.fingerprint == model.ooms.fingerprint

    def _inspected(self, model: Model, spec: ModelSpec) -> bool:
        """Whether its files and port have been looked at; one that something was amiss with is looked at again."""
        seen = model.preflight
        if seen is None or (seen.reason is not None and self._stale(model)):
            self._inspect(model, spec)
        elif seen.reason is not None:
            self._wake(seen.at + PREFLIGHT_FRESH)
        return seen is not None

    def _inspect(self, model: Model, spec: ModelSpec) -> None:
        port = spec.port if spec.port != "auto" and spec.port not in self.room.ports else None
        self.actions.append(Inspect(model.name, port))

    def _stale(self, model: Model) -> bool:
        return model.preflight is None or self.observed.now >= model.preflight.at + PREFLIGHT_FRESH

    def _amiss(self, model: Model, spec: ModelSpec, reason: Reason, message: str) -> None:
        if reason is Reason.PORT:
            self._wait(model, spec, Verdict("waits", reason, message))
        else:
            self._hold(model, Phase.FAILED, Verdict("refused", reason, message))

    def _weigh(self, model: Model, spec: ModelSpec) -> None:
        answers = [weigh(self.room, model, spec, node.name) for node in self.observed.nodes]
        best = min(answers, key=lambda a: _PREFERENCE[a.verdict.outcome])
        if best.verdict.outcome == "refused":
            self._hold(model, Phase.PENDING, best.verdict)
        elif best.start and (pressed := self._under_pressure(best)) is not None:
            self._wait(model, spec, pressed, answer=best)
        elif (best.start or best.evict or best.park) and self._stale(model):
            # Its files may be gone since they were looked at: nothing is begun, and nobody sent away, on an old word.
            self._inspect(model, spec)
            self._wait(model, spec, _CHECKING, answer=best)
        elif best.start:
            self._start(model, spec, best)
        else:
            self._make_room(best)
            self._wait(model, spec, best.verdict, answer=best)

    def _make_room(self, answer: Answer) -> None:
        for name, message in answer.evict:
            self._leave(self.observed.models[name], Cause.MADE_ROOM, message)
        for nap, message in answer.park:
            run = self.observed.models[nap.model].run
            if run is not None:
                self.room.fall_asleep(nap.model, run, nap.asleep)
                self.actions.append(Park(nap.model, run.id, nap.asleep, nap.certain, message))
        if answer.look_at is not None:
            self._wake(answer.look_at)

    def _rouse(self, model: Model, run: Run, spec: ModelSpec) -> None:
        """One that sleeps is wanted: it is weighed like one without a run, but for what it holds already."""
        if outdated(run.spec, spec):
            self._leave(model, Cause.SPEC_CHANGED, f"{_changed(run.spec, spec)} changed in the file")
            return
        if rules(run, spec) is None:
            self._leave(model, Cause.SPEC_CHANGED, "the file no longer says how to wake it (park)")
            return
        answer = rouse(self.room, model, spec, run)
        if answer.verdict.outcome == "refused":
            self._hold(model, Phase.PARKED, answer.verdict)
        elif answer.start and (pressed := self._under_pressure(answer)) is not None:
            self._wait(model, spec, pressed, phase=Phase.PARKED, answer=answer)
        elif answer.start:
            self.verdicts[model.name] = answer.verdict
            self.room.promise(model.name, answer.layout.amounts, run.node)
            self.room.starting.add(model.name)
            need_awake = awake(model, run, spec)
            self.actions.append(Wake(model.name, run.id, need_awake, answer.verdict.message))
        else:
            self._make_room(answer)
            self._wait(model, spec, answer.verdict, phase=Phase.PARKED, answer=answer)

    def _under_pressure(self, answer: Answer) -> Verdict | None:
        """Nothing is started on a host whose RAM is short, nor on a GPU that is, however little it needs."""
        for strain in self.strains:
            pool = strain.pool
            if pool.node == answer.node and (pool.kind == "ram" or pool.id in answer.layout.amounts):
                return Verdict(
                    "waits", Reason.MEMORY, f"memory is short: {strain.message}", answer.verdict.sums
                )
        return None

    def _start(self, model: Model, spec: ModelSpec, answer: Answer) -> None:
        self.verdicts[model.name] = answer.verdict
        amounts, gpus = answer.layout.amounts, answer.layout.gpus
        self.room.promise(model.name, amounts, answer.node)
        source = need(spec, model.weights, model.lessons).source
        self.actions.append(Start(model.name, answer.node, amounts, answer.verdict.message, source, gpus))
        self.room.starting.add(model.name)

    def _renew(self, model: Model, run: Run, spec: ModelSpec) -> None:
        """Its process has to be replaced when what it was started with has changed, if the new one can run."""
        if not outdated(run.spec, spec):
            return
        if not self._inspected(model, spec):
            return
        amiss = model.preflight
        if amiss is not None and amiss.reason is not None:
            self._outdated(model, amiss.reason, amiss.message)
            return
        refusal = renewal(self.room, model, spec, run.node)
        if refusal is None and self._stale(model):
            self._inspect(model, spec)
        elif refusal is None:
            self._leave(model, Cause.SPEC_CHANGED, f"{_changed(run.spec, spec)} changed in the file")
        else:
            self._outdated(model, refusal.reason, refusal.message)

    def _outdated(self, model: Model, reason: str, message: str) -> None:
        self.conditions.append(Condition(model.name, "Current", False, reason, message))
        if reason in _POLLED:
            self._wake(self.observed.now + MEMORY_POLL)

    # 7. models that rest

    def name_the_rest(self) -> None:
        wanted = set(self.room.wanted)
        for model in self.observed.models.values():
            if model.run is None and model.name not in wanted:
                self._name(model)
            elif model.phase is Phase.PARKED and model.name not in wanted | self.room.leaving:
                # Whoever asked for it does so no longer.
                self._sleep_on(model)

    def _sleep_on(self, model: Model) -> None:
        if model.reason != Cause.MADE_ROOM:
            self.actions.append(Hold(model.name, Phase.PARKED, Cause.MADE_ROOM, "asleep"))

    def _name(self, model: Model) -> None:
        switch = self.room.switch
        undone = (
            switch is not None
            and switch.outcome is SwitchOutcome.ROLLED_BACK
            and model.name in switch.incoming
        )
        if self.observed.shutdown:
            self._rest(model, Reason.SHUTDOWN)
        elif model.override is Override.STOP:
            self._rest(model, Reason.STOPPED_BY_HAND)
        elif undone and switch is not None:
            self._hold(model, Phase.FAILED, Verdict("refused", Reason.ROLLED_BACK, switch.message))
        elif model.phase is Phase.FAILED and model.reason in GIVEN_UP and self._on_demand(model):
            # Else each request would start anew what has been given up, and nobody else would have to say so.
            self._note(model, Verdict("refused", model.reason, model.message))
        else:
            self._rest(model, Reason.NOT_WANTED)

    def _on_demand(self, model: Model) -> bool:
        spec = self.spec.models.get(model.name)
        return spec is not None and spec.on_demand and model.reason != Reason.ROLLED_BACK

    def _rest(self, model: Model, reason: Reason) -> None:
        if (model.phase, model.reason) != (Phase.STOPPED, reason):
            self.actions.append(Hold(model.name, Phase.STOPPED, reason, ""))

    # what the steps share

    def answer(self) -> Plan:
        self._check_the_estimates()
        self._check_the_budget()
        self._check_the_gpus()
        room = self.room
        return Plan(
            tuple(self.actions),
            tuple(self.conditions),
            self.wake_at,
            room.switch,
            self.verdicts,
            room.wanted,
            self.strains,
        )

    def _check_the_estimates(self) -> None:
        """What a run has held beyond its booking has been added to it; nothing is stopped for that here."""
        for model in self.observed.models.values():
            run = model.run
            if run is not None and run.leaving is None and run.outgrown:
                self.conditions.append(
                    Condition(model.name, "WithinEstimate", False, "Outgrown", _outgrown(run))
                )

    def _check_the_gpus(self) -> None:
        """A GPU that was there and can't be read any longer: it may be lost, or its driver hangs."""
        lost = [
            p.name for n in self.observed.nodes for p in n.pools if p.kind == "vram" and p.available is None
        ]
        if lost:
            message = f"{', '.join(lost)} can't be read; nothing is started there"
            self.conditions.append(Condition(None, "GpusReadable", False, "Unreadable", message))

    def _check_the_budget(self) -> None:
        """A budget lowered below what runs stops nothing; it is said, and nothing more is started."""
        for ledger in self.room.ledgers.values():
            live = {m.name for m in self.observed.models.values() if m.run is not None}
            held = sum(ledger.needs(live).values())
            if held > ledger.pool.budget:
                bound = describe_size(ledger.pool.budget)
                message = f"{ledger.pool.id}: {describe_size(held)} are reserved, budget {bound}"
                self.conditions.append(Condition(None, "WithinBudget", False, "OverBudget", message))

    def _leave(self, model: Model, cause: Cause, message: str) -> None:
        run = model.run
        if run is None or model.name in self.room.leaving:
            return
        self.room.leaving.add(model.name)
        gentle = cause not in _FAULTS and model.phase in {Phase.READY, Phase.UNREADY}
        answering = self.observed.demand_for(model.name).inflight > 0
        asks_first = gentle and (answering or self.room.spec_of(model).stop.before is not None)
        step: Callable[[str, str, Cause, str], Action] = Drain if asks_first else Stop
        self.actions.append(step(model.name, run.id, cause, message))

    def _wait(
        self,
        model: Model,
        spec: ModelSpec,
        verdict: Verdict,
        *,
        phase: Phase = Phase.PENDING,
        answer: Answer | None = None,
    ) -> None:
        """It will run: its room is promised to it, so that no later model keeps it waiting."""
        node = self.observed.nodes[0].name if answer is None else answer.node
        if not (model.name in self.room.wishes.asked and verdict.reason in _POLLED):
            # Of clients who wait for what strangers hold nobody can say how long: others don't wait behind them.
            layout = intended(self.room, model, spec, node) if answer is None else answer.layout
            self.room.promise(model.name, layout.amounts, node)
        if verdict.reason in _POLLED:
            self._wake(self.observed.now + MEMORY_POLL)
        self._hold(model, phase, verdict)

    def _hold(self, model: Model, phase: Phase, verdict: Verdict) -> None:
        self._note(model, verdict)
        if (model.phase, model.reason, model.message) != (phase, verdict.reason, verdict.message):
            self.actions.append(Hold(model.name, phase, verdict.reason, verdict.message))

    def _note(self, model: Model, verdict: Verdict) -> None:
        self.verdicts[model.name] = verdict
        self.conditions.append(Condition(model.name, "Admitted", False, verdict.reason, verdict.message))

    def _wake(self, at: float) -> None:
        self.wake_at = at if self.wake_at is None else min(at, self.wake_at)


def _ends(action: Action, run: Run) -> bool:
    return isinstance(action, Drain | Stop) and action.run_id == run.id


def _switched(switch: Switch) -> Condition:
    status = switch.outcome is SwitchOutcome.DONE
    reason = {
        SwitchOutcome.OPEN: "InProgress",
        SwitchOutcome.DONE: "Completed",
        SwitchOutcome.ROLLED_BACK: "RolledBack",
    }[switch.outcome]
    message = (
        switch.message or f"{', '.join(switch.incoming)} is to take over from {', '.join(switch.outgoing)}"
    )
    return Condition(None, "Switched", status, reason, message)


def _crashes(model: Model) -> str:
    end = model.last_exit
    what = f": {end.message or end.reason}" if end is not None else ""
    times = f"crashed {model.backoff.count} times in a row" if model.backoff.count > 1 else "crashed"
    return times + what


def _outgrown(run: Run) -> str:
    source = f" ({run.source})" if run.source else ""
    return "; ".join(
        f"{pool}: has held {describe_size(run.peak.get(pool, 0))}, booked were {describe_size(booked)}{source}"
        for pool, booked in run.outgrown.items()
    )


def _changed(before: ModelSpec, after: ModelSpec) -> str:
    old, new = restart_fields(before), restart_fields(after)
    return ", ".join(name for name in new if old.get(name) != new[name])
