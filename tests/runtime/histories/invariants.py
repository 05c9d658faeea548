"""The invariants of DESIGN §9 over an unreliable host and its supervisor: by the host's truth, not by zoosup's word.

Asked at each event of the journal, at each change of the host and after each step of a history.
"""

import asyncio
import logging
from collections import defaultdict
from dataclasses import dataclass, field

from tests.runtime.histories.supervisor_harness import SupervisorHarness
from tests.runtime.histories.unreliable_host import GIB, Process, UnreliableHost
from zoosup.core.scheduler.switch import effective
from zoosup.core.state.observed import Model
from zoosup.core.state.phases import Cause, Override, Phase
from zoosup.core.state.runs import Run, SleepStage
from zoosup.runtime.events.journal import Event
from zoosup.runtime.loop.reconciler import HEARTBEAT
from zoosup.runtime.state.zoo import Zoo
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.process.lifetime import RestartSpec

CRASHES = {Cause.CRASHED, Cause.STARTUP_DEADLINE, Cause.LIVENESS_FAILED}
RESTING = {Phase.STOPPED, Phase.PENDING, Phase.BACKOFF, Phase.FAILED}
SAVED_WITHIN = 3.0
"""Seconds in which what has to outlive zoosup must be on a disk that works."""


class OutOfOrderError(Exception):
    """A client's own fault, which is none of zoosup's."""


@dataclass
class Crashes:
    """What is known of one model's crashes: how many in a row, when the last was over, the least delay after it."""

    count: int = 0
    gone: float = 0.0
    least: float = 0.0


@dataclass
class Invariants:
    """Collects what is broken; a test that raised inside a callback would be taken for a fault of zoosup's."""

    host: UnreliableHost
    broken: list[str] = field(default_factory=list)
    stopped_by_hand: set[str] = field(default_factory=set)
    crashes: dict[str, Crashes] = field(default_factory=lambda: defaultdict(Crashes))
    ready_at: dict[str, float] = field(default_factory=dict)
    given_up_on: set[str] = field(default_factory=set)  # strays that a restarted zoosup couldn't end
    supervisor: SupervisorHarness | None = None
    _active: tuple[str, ...] = ()
    _on_demand: set[str] = field(default_factory=set)
    _text: str = ""
    _reserved: int = 0
    _budgeted: tuple[SupervisorHarness | None, int] = (
        None,
        0,
    )  # by whom and by which file it was last found right

    def check(self, true: bool, what: str) -> None:
        if not true:
            self.broken.append(f"{asyncio.get_running_loop().time():.3f}: {what}")

    # at each event

    def hear(self, supervisor: SupervisorHarness, event: Event) -> None:
        if supervisor is not self.supervisor or supervisor.dead.is_set():
            return
        match event.type:
            case "Admitted":
                self._start(supervisor, event.model or "", event.data["need"]["ram"])
            case "Phase":
                self._phase(supervisor, event)
            case "Gone" if event.reason in CRASHES:
                self._crashed(supervisor, event.model or "")
            case "Asked":
                self._asked(event.model or "", event.reason)
            case "Applied":
                self._applied(supervisor)
            case "Stuck" if event.model is None:
                self.given_up_on |= {p.run_id for p in self.host.alive() if p.run_id in event.message}

    def _start(self, supervisor: SupervisorHarness, name: str, need: int) -> None:
        zoo, now = supervisor.zoo, self.host.now()
        model, spec = zoo.models[name], zoo.spec.models[name]
        if model.phase is Phase.ASLEEP:
            self._memory(supervisor, name, need)
            return
        self.check(supervisor.adopted, f"11: {name} is started before adoption is complete")
        lives = [p.run_id for p in self.host.alive(name) if p.run_id not in self.given_up_on]
        self.check(model.run is None and not lives, f"1: {name} is started while {lives} live")
        self.check(not zoo.shutdown, f"12: {name} is started while zoosup ends")
        self.check(name not in self.stopped_by_hand, f"12: {name} is started, and was stopped by hand")
        known = self.crashes[name]
        early = known.gone + known.least - now
        self.check(early <= 0, f"10: {name} is started {early:.3f} s before its back-off is over")
        self.check(need >= need_of(spec), f"{name} is booked with less than the file declares")
        self._memory(supervisor, name, need)

    def _memory(self, supervisor: SupervisorHarness, name: str, need: int) -> None:
        """2 by the books; and by the truth: what is free, less what others are still going to take."""
        zoo, host = supervisor.zoo, self.host
        self.check(host.readable, f"{name} is started on memory that can't be read")
        reserved = {m.name: held_for(supervisor, m, run) for m, run in zoo.live() if m.name != name}
        budget, reserve = zoo.memory.pools()[0].budget, zoo.memory.pools()[0].reserve
        total = sum(reserved.values()) + need
        self.check(
            total <= budget, f"2: {name} is started: {total / GIB:.1f} GiB booked, budget {budget / GIB:.1f}"
        )
        promised = 0
        for model, run in zoo.live():
            process = self._process(run.id)
            if model.name == name:
                need -= host.held(process) if process is not None else 0  # it wakes, and holds a part already
            elif process is None or (process.gone is None and run.leaving is None):
                owed = run.sleep.asleep["ram"] if is_asleep(run) else reserved[model.name]
                promised += max(0, owed - (host.held(process) if process is not None else 0))
        spare = host.available() - promised - reserve
        self.check(need <= spare, f"M: {name} needs {need / GIB:.1f} GiB, {spare / GIB:.2f} are to be had")

    def _phase(self, supervisor: SupervisorHarness, event: Event) -> None:
        name, phase = event.model or "", Phase(event.reason)
        if phase in RESTING:
            lives = [p.run_id for p in self.host.alive(name) if p.run_id not in self.given_up_on]
            self.check(not lives, f"4: {name} is {phase} and {lives} live")
        if phase is Phase.STARTING and event.data.get("from") != "parked":
            self.ready_at.pop(name, None)
        if phase is Phase.READY:
            self.ready_at.setdefault(name, self.host.now())
        if phase in {Phase.DRAINING, Phase.STOPPING} and event.data.get("from") in {
            "starting",
            "ready",
            "unready",
            "parked",
        }:
            self._leaves(supervisor, name, event.message)

    def _leaves(self, supervisor: SupervisorHarness, name: str, message: str) -> None:
        """8 and 19, of a run that is told to leave."""
        zoo = supervisor.zoo
        run, spec = zoo.models[name].run, zoo.spec.models.get(name)
        assert run is not None and run.leaving is not None  # noqa: PT018 - a fact of the event
        if run.leaving.cause is Cause.SPEC_CHANGED:
            changed = spec is not None and process_fields(run.spec) != process_fields(spec)
            changed |= (
                spec is not None and run.sleep is not None and spec.park is None
            )  # nobody could wake it
            self.check(changed, f"8: {name} is replaced for a live edit: {message}")
        if run.leaving.cause is Cause.MADE_ROOM:
            winner = message.removeprefix("makes room for ")
            need, pool = need_of(zoo.spec.models[winner]), zoo.memory.pools()[0]
            stays = (
                0
                if pinned(zoo, winner)
                else sum(held_for(supervisor, m, r) for m, r in self._pinned(supervisor))
            )
            fits = need + stays <= min(pool.budget, pool.total - pool.reserve)
            self.check(fits, f"19: {name} leaves for {winner}, which can never fit")
            self.check(
                not pinned(zoo, name) or pinned(zoo, winner), f"{name} is pinned, and leaves for {winner}"
            )

    def _pinned(self, supervisor: SupervisorHarness) -> list[tuple[Model, Run]]:
        """The live ones that no request may displace."""
        return [
            (m, r) for m, r in supervisor.zoo.live() if r.leaving is None and pinned(supervisor.zoo, m.name)
        ]

    def _growth(self, supervisor: SupervisorHarness) -> None:
        """2, at all times: the sum of what is reserved grows beyond the budget by nothing but a file, or a truth."""
        zoo = supervisor.zoo
        total = sum(run.reserved["ram"] for _, run in zoo.live())
        edited = (supervisor, zoo.applied.generation) != self._budgeted
        grew = any(run.outgrown or run.sleep is not None for _, run in zoo.live())
        within = total <= max(self._reserved, zoo.memory.pools()[0].budget if zoo.memory.readings else total)
        self.check(edited or grew or within, f"2: {total / GIB:.1f} GiB are reserved")
        self._reserved, self._budgeted = total, (supervisor, zoo.applied.generation)

    def _crashed(self, supervisor: SupervisorHarness, name: str) -> None:
        policy, known, now = self._policy(supervisor, name), self.crashes[name], self.host.now()
        healthy = name in self.ready_at and now - self.ready_at[name] >= policy.reset_after
        known.count = 1 if healthy else known.count + 1
        steps = max(0, known.count - 2)
        delay = 0.0 if known.count == 1 else min(policy.max, policy.initial * policy.factor**steps)
        # Where the wake-up was lost, zoosup heard of it later than it happened, by a heartbeat at most.
        late = HEARTBEAT if supervisor.inbox.lost else 0.001
        known.gone, known.least = now, 0.9 * delay - late

    def _policy(self, supervisor: SupervisorHarness, name: str) -> RestartSpec:
        model = supervisor.zoo.models[name]
        spec = supervisor.zoo.spec.models.get(name)
        if spec is not None:
            return spec.restart
        return model.run.spec.restart if model.run is not None else RestartSpec()

    def _asked(self, name: str, verb: str) -> None:
        if verb == "Stop":
            self.stopped_by_hand.add(name)
        else:
            self.stopped_by_hand.discard(name)
            self.crashes.pop(name, None)

    def _applied(self, supervisor: SupervisorHarness) -> None:
        """An edit may forgive any crash, and what it says anew of `active` lifts a person's word.

        A new zoosup that begins with the same file has no such excuse.
        """
        if supervisor.zoo.applied.text == self._text:
            return
        self._text = supervisor.zoo.applied.text
        self.crashes.clear()
        active = supervisor.zoo.spec.active
        on_demand = {name for name, model in supervisor.zoo.spec.models.items() if model.on_demand}
        # Stopped while the file said the same, it has no word of a person's that would hold it; else that one holds.
        models = supervisor.zoo.models
        free = {n for n in on_demand - self._on_demand if models[n].override is not Override.STOP}
        self.stopped_by_hand -= (set(active) ^ set(self._active)) | free
        self.stopped_by_hand &= set(supervisor.zoo.spec.models)
        self._active, self._on_demand = active, on_demand

    # between two lives

    def succeed(self, supervisor: SupervisorHarness) -> None:
        """A new zoosup knows what was saved in time."""
        self.supervisor = supervisor

    def forget_unsaved(self) -> None:
        """What could not be on disk when zoosup was killed is nobody's promise any longer."""
        kept = self.host.saved.get("models", {})
        for name, known in list(self.crashes.items()):
            count = kept.get(name, {}).get("backoff", {}).get("count", 0)
            if count < known.count:
                before = self.supervisor
                late = before is not None and before.died_at - known.gone > SAVED_WITHIN
                known_then = before is not None and name in before.zoo.models and not self.host.disk_full
                self.check(not (late and known_then), f"10: the crashes of {name} were not written down")
                del self.crashes[name]
        self.stopped_by_hand &= {n for n, k in kept.items() if k.get("override") == "stop"}
        self.ready_at.clear()

    # at each change of the host

    def look(self) -> None:
        """1 and 3: whatever lives is booked, once."""
        by_model = defaultdict(list)
        for process in self.host.alive():
            if process.run_id not in self.given_up_on:
                by_model[process.model].append(process.run_id)
        for name, runs in by_model.items():
            self.check(len(runs) == 1, f"1: {name} runs as {runs}")
        supervisor = self.supervisor
        if supervisor is None or not supervisor.up:
            return
        self._growth(supervisor)
        for name, runs in by_model.items():
            for run_id in runs:
                self.check(
                    supervisor.zoo.run_of(run_id) is not None,
                    f"3: {run_id} of {name} lives, nothing is reserved",
                )

    def _process(self, run_id: str) -> Process | None:
        return next((p for p in self.host.processes if p.run_id == run_id), None)


class InternalErrors(logging.Handler):
    """What zoosup calls an internal error is one."""

    def __init__(self, invariants: Invariants) -> None:
        super().__init__(logging.ERROR)
        self._invariants = invariants
        self._plain = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        theirs = record.exc_info is not None and record.exc_info[0] is OutOfOrderError
        if record.getMessage().startswith("internal error") and not theirs:
            self._invariants.check(False, self._plain.format(record))


def need_of(spec: ModelSpec) -> int:
    """The least that it may be booked with: a guess may be better informed one day, what is declared is final."""
    return 0 if isinstance(spec.memory, str) else spec.memory.ram


def pinned(zoo: Zoo, name: str) -> bool:
    """Whether no request may displace it while it is wanted: the file says so, or a person has started it.

    Of a switch that is rolled back the old ones are wanted in place of the new ones.
    """
    spec, model = zoo.spec.models.get(name), zoo.models[name]
    by_file = name in effective(zoo.spec.active, zoo.switch) and spec is not None and not spec.on_demand
    return model.override is not Override.STOP and (by_file or model.override is Override.START)


def is_asleep(run: Run) -> bool:
    """Whether it holds what it ever will until it is woken, as the file has it."""
    return run.sleep is not None and run.sleep.stage is SleepStage.ASLEEP and run.sleep.known


def process_fields(spec: ModelSpec) -> tuple[object, ...]:
    return spec.command, dict(spec.env), spec.cwd, spec.port


def held_for(supervisor: SupervisorHarness, model: Model, run: Run) -> int:
    """E of a live run: what the file declares anew counts at once, but for another process or where it says auto."""
    now = supervisor.zoo.spec.models.get(model.name)
    if run.sleep is not None:
        return run.reserved["ram"]
    if now is None or run.leaving is not None or process_fields(now) != process_fields(run.spec):
        return run.reserved["ram"]
    if now.memory == "auto":
        return run.reserved["ram"]
    return need_of(now)
