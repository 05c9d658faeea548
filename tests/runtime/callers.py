"""Clients of one host: they ask, wait, are answered, go; and the laws of DESIGN §6 about them, by their own books.

Asked at each turn of zoosup's and each change of the host. A client that breaks a law is told of in `watchdog`: one
that raised in the middle of a grant would be taken for a client's fault.
"""

import asyncio
from dataclasses import dataclass, field

from tests.runtime.busy import Call, HangUp
from tests.runtime.reign import Reign
from tests.runtime.rough import RoughHost
from tests.runtime.watchdog import OutOfOrderError, Watchdog, need_of
from zoosup.core.state.observed import Demand, Model
from zoosup.core.state.phases import Cause, Override, Phase
from zoosup.core.state.refusal import Code, Refusal, RefusedError
from zoosup.runtime.leasing.model_queue import GrantedLease, QueuedTicket
from zoosup.runtime.loop.reconciler import HEARTBEAT
from zoosup.spec.model.gateway import GatewaySpec
from zoosup.spec.model.zoo import ZooSpec

LATE = HEARTBEAT + 0.01
"""Seconds by which a zoosup may be late whose wake-ups get lost."""

DUE = 0.05
"""Seconds by which it may be late with what it does by its own clock."""

BEFORE = 0.3
"""Seconds that `stop.before` takes on a rough host."""

AT_ONCE = frozenset({Cause.CRASHED, Cause.LIVENESS_FAILED, Cause.PRESSURE})
"""Why a run may be ended though it is used: it answers nobody, or the host would not live."""


@dataclass(eq=False)
class Caller:
    """One request; `how` it has ended is one of answered, refused, cancelled, broken and lost."""

    callers: "Callers"
    reign: Reign
    model: str
    hold: float
    quits: str
    since: float
    limit: float  # the longest queue_timeout that was in force while it waited
    ticket: QueuedTicket | None = None
    lease: GrantedLease | None = None
    released: bool = False
    cuts: int = 0
    ended: float | None = None
    how: str = ""
    refusal: Refusal | None = None

    @property
    def waits(self) -> bool:
        return self.ended is None and self.lease is None

    @property
    def uses(self) -> bool:
        """Whether it still has the run that it was granted."""
        return self.lease is not None and not self.released

    # what the desk tells it

    def granted(self, lease: GrantedLease) -> None:
        self.callers.check(self.waits, f"18: {self} is granted a lease though it has ended")
        self.callers.is_lawful_grant(self, lease)
        self.lease = lease
        loop = asyncio.get_running_loop()
        if self.quits == "fault":
            self.released = True  # nobody but the desk can give it back
            self.callers.last_used[self.model] = self.callers.host.now()
            self._end("broken")
            raise OutOfOrderError
        if self.quits == "grant":
            self.hang_up()
        elif self.quits == "tick":
            loop.call_soon(self.hang_up)
        else:
            loop.call_later(0.5 if self.quits == "soon" else self.hold, self.finish, "answered")

    def refused(self, refusal: Refusal) -> None:
        self.callers.check(self.waits, f"18: {self} is refused though it has ended: {refusal}")
        self.refusal = refusal
        self.callers.is_true_refusal(self, refusal)
        self._end("refused")

    def cut(self, message: str) -> None:
        self.callers.check(self.uses, f"{self} is cut off and uses nothing: {message}")
        self.callers.is_lawful_cut(self)
        self.cuts += 1
        self.finish("broken")

    # what it does

    def hang_up(self) -> None:
        """Its client goes: whatever it has is given back, and twice does no harm."""
        if self.ticket is not None:
            self.ticket.cancel()
        self.finish("cancelled")
        if self.lease is not None:
            self._give_back(self.lease)

    def impatient(self) -> None:
        if self.waits:
            self.hang_up()

    def finish(self, how: str) -> None:
        if self.ended is not None:
            return
        self._end(how)
        if self.uses and self.lease is not None:
            self.released = True
            self.callers.last_used[self.model] = self.callers.host.now()
            self._give_back(self.lease)

    def _give_back(self, lease: GrantedLease) -> None:
        try:
            lease.release()
        except Exception as error:  # noqa: BLE001 - whatever it is, it would end another client's request
            self.callers.check(False, f"{self} can't give its lease back: {error!r}")

    def _end(self, how: str) -> None:
        if self.ended is None:
            self.ended, self.how = self.callers.host.now(), how

    def lose(self) -> None:
        """Its zoosup is no more, and so is its connection."""
        self.released = True
        self._end("lost")

    def __str__(self) -> str:
        return f"a client of {self.model} since {self.since:.3f} ({self.how or self.quits or 'there'})"


@dataclass
class Callers:
    """All clients of a history, the oldest first."""

    host: RoughHost
    watchdog: Watchdog
    there: list[Caller] = field(default_factory=list)
    last_used: dict[str, float] = field(
        default_factory=dict
    )  # when a lease was last given back, to this zoosup
    _drains: dict[str, float] = field(default_factory=dict)  # by run: the shortest grace since it began
    _unused: dict[str, float] = field(default_factory=dict)  # by run that drains: since when nobody uses it
    _spec: ZooSpec | None = None

    def check(self, true: bool, what: str) -> None:
        self.watchdog.check(true, what)

    # what they do

    def call(self, reign: Reign, what: Call) -> list[Caller]:
        made = []
        for _ in range(what.count):
            now, zoo = self.host.now(), reign.zoo
            caller = Caller(self, reign, what.name, what.hold, what.quits, now, rules(zoo.spec).queue_timeout)
            self._ask(caller)
            made.append(caller)
        return made

    def _ask(self, caller: Caller) -> None:
        zoo, name = caller.reign.zoo, caller.model
        waiting = len(self.waiting())
        must = self._open(zoo.models.get(name), zoo.spec) and not self.waiting(name)
        self.there.append(caller)
        try:
            found = caller.reign.reconciler.leases.ask(name, caller)
        except RefusedError as error:
            caller.refused(error.refusal)
            full = waiting >= rules(zoo.spec).max_queue
            self.check(full or error.refusal.code != Code.QUEUE_FULL, f"{caller}: the queue is not full")
        else:
            self._take(caller, found, waiting, must=must)

    def _take(self, caller: Caller, found: GrantedLease | QueuedTicket, waiting: int, *, must: bool) -> None:
        if isinstance(found, GrantedLease):
            try:
                caller.granted(found)
            except OutOfOrderError:
                found.release()
            return
        self.check(not must, f"{caller} has to wait though its model serves")
        self.check(waiting < rules(caller.reign.zoo.spec).max_queue, f"{caller} is one too many in the queue")
        caller.ticket = found
        if caller.quits == "queue":
            asyncio.get_running_loop().call_later(1.0, caller.impatient)

    def hang_up(self, what: HangUp) -> None:
        there = [c for c in self.there if c.ended is None]
        if there:
            there[what.which % len(there)].hang_up()

    def lose(self, reign: Reign, *, killed: bool) -> None:
        """A zoosup has ended, and its clients with it: those who waited have been told, unless it was killed."""
        for caller in [c for c in self.there if c.ended is None]:
            self.check(killed or not caller.waits, f"18: zoosup has ended and {caller} was not told")
            caller.lose()
        self._drains.clear()
        self._unused.clear()
        self.last_used.clear()
        self.forget()

    def waiting(self, model: str | None = None) -> list[Caller]:
        return [c for c in self.there if c.waits and model in {None, c.model}]

    def using(self, run_id: str) -> list[Caller]:
        return [c for c in self.there if c.uses and c.lease is not None and c.lease.run_id == run_id]

    def forget(self) -> None:
        self.there = [c for c in self.there if c.ended is None]

    # the laws, as each thing happens

    def is_lawful_grant(self, caller: Caller, lease: GrantedLease) -> None:
        zoo, name = caller.reign.zoo, caller.model
        model, spec = zoo.models.get(name), zoo.spec.models.get(name)
        earlier = [c for c in self.waiting(name) if c is not caller and c.since < caller.since]
        self.check(not earlier, f"{caller} is served before {', '.join(map(str, earlier))}")
        self.check(not zoo.shutdown, f"{caller} is served while zoosup ends")
        run = model.run if model is not None else None
        if model is None or run is None or spec is None:
            self.check(False, f"{caller} is handed to a model that is not there")
            return
        serves = model.phase is Phase.READY and run.leaving is None and run.sleep is None
        self.check(serves, f"{caller} is handed to a run that is {model.phase}, leaving: {run.leaving}")
        self.check(model.override is not Override.STOP, f"{caller} is served, and {name} was stopped by hand")
        self.check((lease.run_id, lease.port) == (run.id, run.port), f"{caller} is sent to another run")
        users = len(self.using(run.id)) + 1
        self.check(
            not spec.max_inflight or users <= spec.max_inflight, f"{caller} is number {users} of {name}"
        )
        process = next((p for p in self.host.processes if p.run_id == run.id), None)
        gone = process.ended if process is not None else 0.0
        late = LATE if caller.reign.inbox.lost else 0.001
        self.check(gone is None or self.host.now() <= gone + late, f"{caller} is handed to a dead process")
        self.check(process is None or process.asleep is None, f"{caller} is handed to a process that sleeps")

    def is_true_refusal(self, caller: Caller, refusal: Refusal) -> None:
        """A refusal for ever has to be one: for want of memory only where it is wanted beside those who stay."""
        zoo, name = caller.reign.zoo, caller.model
        spec = zoo.spec.models.get(name)
        if refusal.code == Code.MODEL_NOT_FOUND:
            self.check(spec is None, f"{caller}: {name} is in the file")
        elif refusal.code == Code.SHUTTING_DOWN:
            self.check(zoo.shutdown, f"{caller}: nobody has asked zoosup to end")
        elif refusal.code == Code.MODEL_LOADING_TIMEOUT:
            waited = self.host.now() - caller.since
            least = rules(zoo.spec).queue_timeout - 0.001
            self.check(waited >= least, f"{caller} is sent away after {waited} s")
            self.check(
                waited <= caller.limit + DUE, f"{caller} is told after {waited} s, due was {caller.limit}"
            )
        elif refusal.code == Code.INSUFFICIENT_MEMORY and refusal.final and spec is not None:
            models = zoo.spec.models
            certain = all(not isinstance(m.memory, str) for m in models.values())
            held = {m.name: run.reserved["ram"] for m, run in zoo.live()}
            others = sum(max(need_of(models[n]), held.get(n, 0)) for n in models if n != name)
            pool = zoo.memory.pools()[0]
            most = min(pool.budget, pool.total - pool.reserve) - others
            live = {m.name for m, _ in zoo.live()}
            fits = certain and live <= models.keys() and need_of(spec) <= most
            self.check(not fits, f"{caller} is refused, and everybody fits: {refusal.message}")

    def is_lawful_cut(self, caller: Caller) -> None:
        """A run that is used gets its grace period to finish in, unless nothing is to be had from it."""
        assert caller.lease is not None
        found = caller.reign.zoo.run_of(caller.lease.run_id)
        leaving = found[1].leaving if found is not None else None
        if found is None or leaving is None:
            self.check(False, f"{caller} is cut off from a run that was not told to leave")
            return
        if caller.reign.hurried or leaving.cause in AT_ONCE or leaving.at_once or found[1].exit is not None:
            return
        spec = caller.reign.zoo.spec.models.get(caller.model, found[1].spec)
        grace = min(spec.stop.grace, self._drains.get(found[1].id, float("inf")))
        lasted = self.host.now() - leaving.since
        self.check(lasted >= grace - 0.001, f"{caller} is cut off after {lasted:.3f} s ({leaving.cause})")

    def signalled(self, run_id: str) -> None:
        """The ladder goes to work: whoever still uses the run has been told."""
        for caller in self.using(run_id):
            self.check(False, f"{caller} was not told that its model is being ended")

    # the laws, as time goes by

    def turned(self, reign: Reign) -> None:
        """After a turn of zoosup's."""
        if reign.dead.is_set():
            return
        self._follow_the_rules(reign)
        self._books_are_true(reign)
        self._nobody_is_forgotten(reign)
        for model, run in reign.zoo.live():
            if model.phase is Phase.DRAINING:
                self._drains_end(reign, model, run.id, run.leaving.drained if run.leaving else False)
        self.forget()

    def look(self) -> None:
        """After a change of the host: answers of a process end with it."""
        ended = {p.run_id for p in self.host.processes if p.ended is not None}
        for caller in self.there:
            if caller.uses and caller.lease is not None and caller.lease.run_id in ended:
                asyncio.get_running_loop().call_later(0.01, caller.finish, "broken")

    def _follow_the_rules(self, reign: Reign) -> None:
        spec = reign.zoo.spec
        if spec is not self._spec:
            self._spec = spec
            for caller in self.waiting():
                caller.limit = max(caller.limit, rules(spec).queue_timeout)
        for caller in self.waiting():
            late = self.host.now() - caller.since - caller.limit
            self.check(late <= DUE, f"18: {caller} waits {late:.3f} s longer than queue_timeout")

    def _books_are_true(self, reign: Reign) -> None:
        """What a plan would be told of clients is what they are: no demand is left of whoever has gone."""
        told = reign.reconciler.leases.demand()
        for name in self.last_used.keys() - told.keys():
            del self.last_used[name]  # it is no longer in the file
        for name in {*told, *(c.model for c in self.there)}:
            model = reign.zoo.models.get(name)
            run = model.run if model is not None else None
            waiting = self.waiting(name)
            true = (
                len(self.using(run.id)) if run is not None else 0,
                len(waiting),
                waiting[0].since if waiting else None,
                self.last_used.get(name),
            )
            said = told.get(name, Demand())
            books = (said.inflight, said.waiting, said.since, said.last_used)
            self.check(books == true, f"{name} has clients {true}, the books say {books}")

    def _nobody_is_forgotten(self, reign: Reign) -> None:
        zoo = reign.zoo
        for name in {c.model for c in self.waiting()}:
            free = self._open(zoo.models.get(name), zoo.spec)
            self.check(not free, f"clients of {name} wait though it serves")
            self.check(name in zoo.spec.models, f"clients of {name} wait, and nobody knows it")
            self.check(not zoo.shutdown, f"clients of {name} wait though zoosup ends")

    def _open(self, model: Model | None, spec: ZooSpec) -> bool:
        declared = spec.models.get(model.name) if model is not None else None
        if model is None or model.run is None or declared is None:
            return False
        if model.phase is not Phase.READY or model.override is Override.STOP or model.run.leaving is not None:
            return False
        return not declared.max_inflight or len(self.using(model.run.id)) < declared.max_inflight

    def _drains_end(self, reign: Reign, model: Model, run_id: str, drained: bool) -> None:
        """A drain is over when nobody uses the run any longer, and `stop.before` has been carried out."""
        now, spec = self.host.now(), reign.zoo.spec.models.get(model.name)
        assert model.run is not None
        grace = (spec or model.run.spec).stop.grace
        self._drains[run_id] = min(grace, self._drains.get(run_id, grace))
        if self.using(run_id) or drained:
            self._unused.pop(run_id, None)
            return
        since = self._unused.setdefault(run_id, now)
        late = LATE if reign.inbox.lost else DUE
        self.check(now <= since + BEFORE + late, f"nobody uses {model.name}, which drains since {since:.3f}")

    # at the end

    def nothing_is_left(self, reign: Reign) -> None:
        left = [str(c) for c in self.there if c.ended is None]
        self.check(not left, f"left waiting or answering: {', '.join(left)}")
        told = reign.reconciler.leases.demand()
        busy = {n: d for n, d in told.items() if d.busy}
        self.check(not busy, f"a lease was not given back: {busy}")


def rules(spec: ZooSpec) -> GatewaySpec:
    """The gateway's, or the usual ones."""
    return spec.gateway or GatewaySpec()
