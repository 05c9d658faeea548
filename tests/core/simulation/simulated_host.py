"""A host that exists only as numbers: true memory, processes that load, crash, hang and let go late; time is a number.

It does with `plan` and `lifecycle.apply` what the reconciler does (book, act, hear facts, plan again) and knows the
truth besides, so that `laws` can compare. Knows no policy, and nothing random: who drives it decides.
"""

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count

from tests.core.simulation import demand_laws, laws
from tests.core.simulation.clients import Client, LeaseTable
from tests.core.simulation.fault_profile import FaultProfile, Process
from tests.core.zoo import NODE, a_pool
from zoosup.core.lifecycle.transitions import apply
from zoosup.core.memory import reclaim
from zoosup.core.scheduler import pressure as guard, switch as switching
from zoosup.core.scheduler.plan import Plan, plan
from zoosup.core.state.actions import (
    Action,
    Drain,
    EndCooldown,
    FallAsleep,
    Hold,
    Inspect,
    Kill,
    Start,
    Stop,
    Wake,
)
from zoosup.core.state.facts import (
    Booked,
    DrainBegun,
    DrainEnded,
    Exited,
    Fact,
    FellAsleep,
    Forgiven,
    FoundSick,
    Gone,
    Held,
    Inspected,
    Measured,
    Overridden,
    ProbedReady,
    Recalled,
    SleepBegun,
    Spawned,
    StopBegun,
    Stuck,
    WakeBegun,
    Woken,
)
from zoosup.core.state.observed import Model, Observed, Switch, SwitchOutcome
from zoosup.core.state.phases import ExitReason, Override, Phase, Reason
from zoosup.core.state.pools import Cooldown, Node, Pressure
from zoosup.core.state.runs import Exit, Leaving, Preflight, Run, Sleep, SleepStage
from zoosup.spec.model.gateway import GatewaySpec
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.zoo import ZooSpec

GIB = 2**30
HEARTBEAT = 1.0
MEASURE_EVERY = 2.0
SPAWN = 0.002
LOOK = 0.005


@dataclass
class SimulatedHost:
    """One host and its reconciler. `total` and `foreign` are bytes."""

    total: int = 32 * GIB
    foreign: int = 0
    readable: bool = True
    hints: bool = True  # whether facts wake the loop, or only its own time does
    doubled: bool = False  # whether each fact is told twice
    now: float = 100.0
    spec: ZooSpec = field(default_factory=ZooSpec)
    models: dict[str, Model] = field(default_factory=dict)
    switch: Switch | None = None
    cooldowns: dict[tuple[str, str], Cooldown] = field(default_factory=dict)
    shutdown: bool = False
    profiles: dict[str, FaultProfile] = field(default_factory=dict)
    processes: list[Process] = field(default_factory=list)
    pauses: list[list[float]] = field(default_factory=list)  # [when a run was gone, the least pause since]
    told: list[tuple[str, Fact]] = field(default_factory=list)
    leases: LeaseTable = field(default_factory=LeaseTable)
    pressure: Pressure | None = None
    short_since: float | None = None  # less than the reserve has been free
    low_since: float | None = None  # less than half of it
    stalled: float | None = None  # the share of the last second in which everything waited for memory
    kills: list[tuple[float, str]] = field(default_factory=list)
    fell_asleep: list[tuple[float, str]] = field(default_factory=list)
    starts: list[tuple[float, str]] = field(default_factory=list)
    stops: list[tuple[float, str]] = field(default_factory=list)
    risen: int = 0  # bytes that have come free since all were looked at
    last: Plan | None = None
    wanted: tuple[str, ...] = ()  # by the last plan
    closed: Mapping[str, float] = field(default_factory=dict)  # likewise
    _draining: dict[str, Process] = field(default_factory=dict)  # those that finish what they answer
    _baselines: dict[str, int] = field(default_factory=dict)
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _order: count = field(default_factory=count)
    _inspecting: set[str] = field(default_factory=set)
    _wake_at: float | None = None
    _free: int | None = None  # when it was last sampled
    _seen: tuple[tuple[float, int], ...] = ()  # the last sample
    _looking: bool = False

    # the truth

    def free(self) -> int:
        return self.total - self.foreign - sum(p.held(self.now) for p in self.processes)

    @property
    def rules(self) -> GatewaySpec:
        return self.spec.gateway or GatewaySpec()

    def profile(self, name: str) -> FaultProfile:
        return self.profiles.setdefault(name, FaultProfile())

    def process(self, run_id: str) -> Process:
        return next(p for p in self.processes if p.run_id == run_id)

    @property
    def reserve(self) -> int:
        return a_pool(self.spec, self.total, None).reserve

    def _below(self, bound: int, since: float | None) -> float | None:
        """Since when less has been free, as far as anybody could see."""
        if not self.readable or self.free() >= bound:
            return None
        return self.now if since is None else since

    # what the outside does

    def edit(self, spec: ZooSpec) -> None:
        """A valid file is put in force, as runtime/zoo.py does it."""
        before, self.spec = self.spec, spec
        switch = self.switch
        undone = switch.incoming if switch and switch.outcome is SwitchOutcome.ROLLED_BACK else ()
        for name, model in spec.models.items():
            self.models.setdefault(name, Model(name))
            if before.models.get(name) != model or name in undone:
                self.tell(name, Forgiven())
        for name in set(before.active) ^ set(spec.active):
            if name in self.models and self.models[name].override is not None:
                self.tell(name, Overridden(None))
        self.switch = switching.begin(
            switching.ActiveChange(0, before.active, spec.active), switch, self.models
        )
        for pause in self.pauses:
            pause[1] = min(pause[1], spec.switch.cooldown.min)
        self.turn()

    def ask(self, name: str, verb: str) -> None:
        """A person's wish, as runtime/zoo.py and the reconciler take it."""
        override = Override.STOP if verb == "stop" else Override.START
        declared = self.spec.models.get(name)
        on_demand = declared is not None and declared.on_demand
        agrees = (name in self.spec.active) == (override is Override.START)
        if agrees and not (on_demand and verb == "stop") and self.models[name].reason != Reason.ROLLED_BACK:
            override = None
        self.tell(name, Overridden(override))
        if verb != "stop":
            self.tell(name, Forgiven())
        run = self.models[name].run
        if verb == "restart" and run is not None:
            self.tell(name, Recalled(run.id))
        self.turn()

    def kill(self, name: str) -> None:
        """The model's process dies of itself."""
        run = self.models[name].run
        if run is not None:
            self._end(self.process(run.id))
            self.turn()

    def end(self) -> None:
        self.shutdown = True
        self.turn()

    # clients

    def request(self, name: str, hold: float) -> Client:
        """A client comes: it is granted at once where its model is ready, else it waits."""
        client = Client(name, self.now, hold)
        self.leases.clients.append(client)
        self._serve()
        if client.waits and self.hints:
            self.turn()
        return client

    def hang_up(self, client: Client) -> None:
        """It goes, whether it waits or is being answered."""
        if client.answering:
            self._give_back(client, "cancelled")
        elif client.waits:
            client.end("cancelled", self.now)
        if self.hints:
            self.turn()

    def _serve(self) -> None:
        for client in self.leases.serve(self):
            demand_laws.grant_is_lawful(self, client)
            self.after(client.hold, lambda client=client: self._give_back(client, "answered"))

    def _give_back(self, client: Client, how: str) -> None:
        if client.ended is not None:
            return
        self.leases.give_back(client, how, self.now)
        process = self._draining.get(client.run_id or "")
        if process is not None and not self.leases.using(process.run_id):
            self._drained(process)

    def _cut(self, run_id: str) -> None:
        for client in self.leases.using(run_id):
            self._give_back(client, "cut")

    # time

    def advance(self, seconds: float) -> None:
        """Let time pass: facts come, the loop is woken by them (if hints get through) and by its own time."""
        until = self.now + seconds
        while True:
            due = self._events[0][0] if self._events else float("inf")
            wake = min(self._wake_at or float("inf"), self.now + HEARTBEAT)
            if min(due, wake) > until:
                break
            self.now = max(self.now, min(due, wake))
            heard = due <= self.now
            while self._events and self._events[0][0] <= self.now:
                heapq.heappop(self._events)[2]()
            if wake <= self.now or (heard and self.hints):
                self.turn()
        self.now = until

    def after(self, seconds: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._order), event))

    # the loop

    def tell(self, name: str, fact: Fact) -> None:
        if name not in self.models:
            return
        self.models[name] = apply(self.models[name], fact)
        self.told.append((name, fact))
        if (
            self.doubled
            and hasattr(fact, "run_id")
            and not isinstance(fact, DrainBegun | SleepBegun | WakeBegun)
        ):
            self.models[name] = apply(self.models[name], fact)
        laws.books_match_the_truth(self, name)

    def observed(self) -> Observed:
        available = self.free() if self.readable else None
        pool = a_pool(self.spec, self.total, available, risen=self.risen)
        cooldowns = tuple(self.cooldowns.values())
        pressures = () if self.pressure is None else (self.pressure,)
        return Observed(
            self.now, (Node(NODE, (pool,), cooldowns, pressures),), dict(self.models), self.switch, self.shutdown,
            self.leases.demand(self.models),
        )  # fmt: skip

    def turn(self) -> None:
        for _ in range(20):
            self._sample()
            observed = self.observed()
            decided = plan(self.spec, observed)
            laws.plan_is_lawful(self, observed, decided)
            self.switch, self.last, self.wanted = decided.switch, decided, decided.wanted
            self.closed = decided.closed
            if not any([self._carry_out(a) for a in decided.actions]):  # noqa: C419 - each is carried out
                break
        else:
            msg = f"a plan that never settles: {decided.actions}"
            raise AssertionError(msg)
        self._wake_at = decided.wake_at
        cools = any(verdict.reason is Reason.COOL_DOWN for verdict in decided.verdicts.values())
        if cools and self.risen and not self._looking:
            self._looking = True
            self.after(0.1, self._look_at_all)
        self._serve()
        demand_laws.nobody_waits_too_long(self)
        assert self._wake_at is None or self._wake_at > self.now - 1e-9, (
            "a wake-up in the past turns for ever"
        )
        self.models = {n: m for n, m in self.models.items() if n in self.spec.models or m.run is not None}

    def _sample(self) -> None:
        pool = a_pool(self.spec, self.total, self.free() if self.readable else None)
        self.pressure = guard.followed(self.pressure, pool, self.now, self.stalled)
        self.short_since = self._below(self.reserve, self.short_since)
        self.low_since = self._below(self.reserve // 2, self.low_since)
        if self.readable:
            free = self.free()
            self.risen += max(0, free - (free if self._free is None else self._free))
            self._free, self._seen = free, ((self.now, free),)
            for key, watch in self.cooldowns.items():
                self.cooldowns[key] = replace(watch, samples=reclaim.sampled(watch, self.now, self.free()))

    def _carry_out(self, action: Action) -> bool:
        match action:
            case Start():
                self._start(action)
            case Drain() | Stop() | Kill():
                self._send_away(action)
            case FallAsleep():
                self._park(action)
            case Wake():
                self._wake(action)
            case Hold(model, phase, reason, message):
                before = self.models[model]
                self.tell(model, Held(phase, reason, message))
                return (before.phase, before.reason) != (phase, reason)
            case Inspect(model):
                self._look(model)
                return False
            case EndCooldown(_, pool, model):
                self.cooldowns = {
                    k: c for k, c in self.cooldowns.items() if (c.pool, c.model) != (pool, model)
                }
        return True

    def _look(self, name: str) -> None:
        def seen() -> None:
            self._inspecting.discard(name)
            amiss = self.profile(name).amiss
            self.tell(name, Inspected(Preflight(self.now, amiss, "amiss" if amiss else "")))

        if name not in self._inspecting:
            self._inspecting.add(name)
            self.after(LOOK, seen)

    def _start(self, action: Start) -> None:
        spec = self.spec.models[action.model]
        run = Run(
            f"{action.model}-{next(self._order)}", action.node, spec, a_free_port(self, spec), dict(action.need),
            self.now, self.now, source=action.source,
        )  # fmt: skip
        profile = replace(self.profile(action.model))
        size = int(action.need["ram"] * profile.holds)
        process = Process(action.model, run.id, size, profile)
        self.processes.append(process)
        self.cooldowns = {k: c for k, c in self.cooldowns.items() if c.pool not in action.need}
        self.starts.append((self.now, action.model))
        self.tell(action.model, Booked(run))
        self.after(SPAWN, lambda: self._spawn(process, spec))

    def _spawn(self, process: Process, spec: ModelSpec) -> None:
        if process.profile.start == "refuses":
            process.gone = self.now
            self._gone(process, Exit(ExitReason.NOT_EXECUTABLE, self.now, message="refuses"))
            return
        process.spawned = self.now
        self.tell(process.model, Spawned(process.run_id, 7))
        if process.profile.start == "ok":
            self.after(process.profile.load, lambda: self._answer(process))
        elif process.profile.start == "dies":
            self.after(process.profile.load, lambda: self._end(process))
        self.after(MEASURE_EVERY / 4, lambda: self._measure(process))

    def _answer(self, process: Process) -> None:
        if process.ended is None:
            self.tell(process.model, ProbedReady(process.run_id, self.now))

    def _measure(self, process: Process) -> None:
        if process.gone is None:
            self._look_at_all()
            self.after(MEASURE_EVERY, lambda: self._measure(process))

    def _look_at_all(self) -> None:
        """See what everybody holds; what comes free from now on is news."""
        self._looking = False
        self.risen, self._free = 0, self.free() if self.readable else None
        for process in self.processes:
            if process.alive:
                self._look_at(process)

    def _look_at(self, process: Process) -> None:
        self.tell(process.model, Measured(process.run_id, {"ram": process.held(self.now)}))

    def _end(self, process: Process) -> None:
        if process.spawned is None or process.ended is not None:
            return
        process.ended = self.now
        self._cut(process.run_id)
        self.tell(process.model, Exited(process.run_id, Exit(ExitReason.ERROR, self.now, code=1), self.now))

    def _park(self, action: FallAsleep) -> None:
        run = self.models[action.model].run
        assert run is not None, "checked by the laws"
        process = self.process(run.id)
        if self.readable:
            self._baselines[run.id] = self.free()
        sleep = Sleep(SleepStage.FALLING, run.reserved, action.asleep, action.known, self.now, run.measured)
        both = {pool: max(n, action.asleep.get(pool, 0)) for pool, n in run.reserved.items()}
        self.fell_asleep.append((self.now, action.model))
        self.tell(action.model, SleepBegun(run.id, sleep, both, action.message))
        self.after(process.profile.load / 4, lambda: self._asleep(process))

    def _asleep(self, process: Process) -> None:
        if process.ended is not None:
            return
        if process.profile.sleep == "wont_sleep":
            self.tell(process.model, FoundSick(process.run_id, "POST /sleep: 500"))
            return
        process.asleep = self.now
        model = self.models[process.model]
        parking = (
            model.phase is Phase.FALLING_ASLEEP and model.run is not None and model.run.id == process.run_id
        )
        self._look_at(process)
        self.tell(process.model, FellAsleep(process.run_id, self.now))
        run = self.models[process.model].run
        if parking and run is not None and run.sleep is not None:
            back = min(run.sleep.held.get("ram", 0), run.sleep.awake["ram"]) - run.reserved["ram"]
            if back > 0:
                watch = Cooldown(
                    run.node, "ram", model.name, self.now, back, self._baselines.pop(run.id, None)
                )
                self.cooldowns["ram", run.id] = watch

    def _wake(self, action: Wake) -> None:
        process = self.process(action.run_id)
        self.cooldowns = {k: c for k, c in self.cooldowns.items() if c.pool not in action.need}
        self.starts.append((self.now, action.model))
        self.tell(action.model, WakeBegun(action.run_id, action.need, self.now))
        process.asleep = None
        self.after(process.profile.load / 4, lambda: self._awake(process))

    def _awake(self, process: Process) -> None:
        if process.ended is not None:
            return
        if process.profile.sleep == "wont_wake":
            self.tell(process.model, FoundSick(process.run_id, "POST /wake_up: 500"))
            return
        self.tell(process.model, Woken(process.run_id, self.now))
        self.after(LOOK, lambda: self._answer(process))

    def _send_away(self, action: Drain | Stop | Kill) -> None:
        run = self.models[action.model].run
        assert run is not None, "checked by the laws"
        leaving = run.leaving or Leaving(action.cause, action.message, self.now)
        process = self.process(run.id)
        if run.exit is None and self.readable:
            self._baselines.setdefault(run.id, self.free())
        self.stops.append((self.now, action.model))
        if isinstance(action, Kill):
            self.kills.append((self.now, action.model))
            self._draining.pop(run.id, None)
            self._cut(run.id)
            self.tell(action.model, StopBegun(run.id, replace(leaving, at_once=True)))
            self.after(SPAWN, lambda: self._ladder_done(process))
        elif isinstance(action, Drain):
            self.tell(action.model, DrainBegun(run.id, leaving))
            self._draining[run.id] = process
            if not self.leases.using(run.id):
                self._drained(process)
        else:
            self._draining.pop(run.id, None)
            self._cut(run.id)
            self.tell(action.model, StopBegun(run.id, leaving))
            self.after(SPAWN + process.profile.stop, lambda: self._ladder_done(process))

    def _drained(self, process: Process) -> None:
        del self._draining[process.run_id]
        self.after(0.5, lambda: self.tell(process.model, DrainEnded(process.run_id)))

    def _ladder_done(self, process: Process) -> None:
        if process.spawned is None and process.gone is not None:
            return  # a start that failed told so itself
        if process.gone is not None:
            return  # it was killed meanwhile
        if process.profile.stuck:
            self.tell(process.model, Stuck(process.run_id, "pid 7", self.now))
            return
        self._end(process)
        process.gone = self.now
        self._gone(process, None)

    def _gone(self, process: Process, end: Exit | None) -> None:
        model = self.models[process.model]
        run = model.run
        assert run is not None, f"{process.run_id} was forgotten while it lived"
        policy = self.spec.models.get(model.name, run.spec).restart
        self.tell(process.model, Gone(run.id, end, self.now, policy, 0.0))
        for pool, reserved in run.reserved.items():
            held = min(reserved, run.measured.get(pool, 0))
            before = self._baselines.get(run.id)
            watch = Cooldown(run.node, pool, model.name, self.now, held, before, self._seen)
            self.cooldowns[pool, run.id] = watch
        self.pauses.append([self.now, self.spec.switch.cooldown.min])


def a_free_port(sim: SimulatedHost, spec: ModelSpec) -> int:
    """The fixed port, or one that nobody has."""
    return spec.port if spec.port != "auto" else 20000 + len(sim.processes)
