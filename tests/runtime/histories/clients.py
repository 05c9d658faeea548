"""Clients of one host: they ask, wait, are answered, go; and the laws of DESIGN §6 about them, by their own books.

Asked at each turn of zoosup's and each change of the host. A client that breaks a law is told of in `invariants`: one
that raised in the middle of a grant would be taken for a client's fault.
"""

import asyncio
from dataclasses import dataclass, field

from tests.runtime.histories.demand_events import Call, HangUp
from tests.runtime.histories.invariants import Invariants, OutOfOrderError, need_of
from tests.runtime.histories.supervisor_harness import SupervisorHarness
from tests.runtime.histories.unreliable_host import UnreliableHost
from zoosup.core.state.observed import Demand, Model
from zoosup.core.state.phases import Cause, Override, Phase, Reason
from zoosup.core.state.refusal import Code, Refusal, RefusedError
from zoosup.runtime.leasing.model_queue import GrantedLease, QueuedTicket
from zoosup.runtime.leasing.refusals import STRANGERS
from zoosup.runtime.loop.reconciler import HEARTBEAT
from zoosup.spec.model.gateway import GatewaySpec
from zoosup.spec.model.zoo import ZooSpec

LATE = HEARTBEAT + 0.01
"""Seconds by which a zoosup may be late whose wake-ups get lost."""

DUE = 0.05
"""Seconds by which it may be late with what it does by its own clock."""

BEFORE = 0.3
"""Seconds that `stop.before` takes on an unreliable host."""

AT_ONCE = frozenset({Cause.CRASHED, Cause.LIVENESS_FAILED, Cause.PRESSURE})
"""Why a run may be ended though it is used: it answers nobody, or the host would not live."""


@dataclass(eq=False)
class Client:
    """One request; `how` it has ended is one of answered, refused, cancelled, broken and lost."""

    clients: "Clients"
    supervisor: SupervisorHarness
    model: str
    hold: float
    quits: str
    since: float
    limit: float  # the longest queue_timeout that was in force while it waited
    client: str = ""
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

    # what the lease table tells it

    def granted(self, lease: GrantedLease) -> None:
        self.clients.check(self.waits, f"18: {self} is granted a lease though it has ended")
        self.clients.is_lawful_grant(self, lease)
        self.lease = lease
        loop = asyncio.get_running_loop()
        if self.quits == "fault":
            self.released = True  # nobody but zoosup can give it back
            self.clients.last_used[self.model] = self.clients.host.now()
            self._end("broken")
            raise OutOfOrderError
        if self.quits == "grant":
            self.hang_up()
        elif self.quits == "tick":
            loop.call_soon(self.hang_up)
        else:
            loop.call_later(0.5 if self.quits == "soon" else self.hold, self.finish, "answered")

    def refused(self, refusal: Refusal) -> None:
        self.clients.check(self.waits, f"18: {self} is refused though it has ended: {refusal}")
        self.refusal = refusal
        self.clients.is_true_refusal(self, refusal)
        self._end("refused")

    def cut(self, message: str) -> None:
        self.clients.check(self.uses, f"{self} is cut off and uses nothing: {message}")
        self.clients.is_lawful_cut(self)
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
            self.clients.last_used[self.model] = self.clients.host.now()
            self._give_back(self.lease)

    def _give_back(self, lease: GrantedLease) -> None:
        try:
            lease.release()
        except Exception as error:  # noqa: BLE001 - whatever it is, it would end another client's request
            self.clients.check(False, f"{self} can't give its lease back: {error!r}")

    def _end(self, how: str) -> None:
        if self.ended is None:
            self.ended, self.how = self.clients.host.now(), how

    def lose(self) -> None:
        """Its zoosup is no more, and so is its connection."""
        self.released = True
        self._end("lost")

    def __str__(self) -> str:
        return f"a client of {self.model} since {self.since:.3f} ({self.how or self.quits or 'there'})"


@dataclass
class Clients:
    """All clients of a history, the oldest first."""

    host: UnreliableHost
    invariants: Invariants
    there: list[Client] = field(default_factory=list)
    last_used: dict[str, float] = field(
        default_factory=dict
    )  # when a lease was last given back, to this zoosup
    _drains: dict[str, float] = field(default_factory=dict)  # by run: the shortest grace since it began
    _unused: dict[str, float] = field(default_factory=dict)  # by run that drains: since when nobody uses it
    _spec: ZooSpec | None = None

    def check(self, true: bool, what: str) -> None:
        self.invariants.check(true, what)

    # what they do

    def call(self, supervisor: SupervisorHarness, what: Call) -> list[Client]:
        made = []
        for _ in range(what.count):
            now, zoo = self.host.now(), supervisor.zoo
            client = Client(
                self, supervisor, what.name, what.hold, what.quits, now, rules(zoo.spec).queue_timeout
            )
            self._ask(client)
            made.append(client)
        return made

    def _ask(self, client: Client) -> None:
        zoo, name = client.supervisor.zoo, client.model
        waiting = len(self.waiting())
        served = self._open(zoo.models.get(name), zoo.spec) and not self.waiting(name)
        must = served and not self._comes_behind(client, zoo.spec)
        self.there.append(client)
        try:
            found = client.supervisor.reconciler.leases.ask(name, client)
        except RefusedError as error:
            client.refused(error.refusal)
            full = waiting >= rules(zoo.spec).max_queue
            self.check(full or error.refusal.code != Code.QUEUE_FULL, f"{client}: the queue is not full")
        else:
            self._take(client, found, waiting, must=must)

    def _take(self, client: Client, found: GrantedLease | QueuedTicket, waiting: int, *, must: bool) -> None:
        if isinstance(found, GrantedLease):
            try:
                client.granted(found)
            except OutOfOrderError:
                found.release()
            return
        self.check(not must, f"{client} has to wait though its model serves")
        spec, own = client.supervisor.zoo.spec, len(self.waiting(client.model)) - 1  # besides itself
        most = rules(spec).max_queue
        self.check(waiting < most or own * len(spec.models) < most, f"{client} is one too many in the queue")
        client.ticket = found
        if client.quits == "queue":
            asyncio.get_running_loop().call_later(1.0, client.impatient)

    def hang_up(self, what: HangUp) -> None:
        there = [c for c in self.there if c.ended is None]
        if there:
            there[what.which % len(there)].hang_up()

    def lose(self, supervisor: SupervisorHarness, *, killed: bool) -> None:
        """A zoosup has ended, and its clients with it: those who waited have been told, unless it was killed."""
        for client in [c for c in self.there if c.ended is None]:
            self.check(killed or not client.waits, f"18: zoosup has ended and {client} was not told")
            client.lose()
        self._drains.clear()
        self._unused.clear()
        self.last_used.clear()
        self.forget()

    def waiting(self, model: str | None = None) -> list[Client]:
        return [c for c in self.there if c.waits and model in {None, c.model}]

    def using(self, run_id: str) -> list[Client]:
        return [c for c in self.there if c.uses and c.lease is not None and c.lease.run_id == run_id]

    def forget(self) -> None:
        self.there = [c for c in self.there if c.ended is None]

    # the laws, as each thing happens

    def is_lawful_grant(self, client: Client, lease: GrantedLease) -> None:
        zoo, name = client.supervisor.zoo, client.model
        model, spec = zoo.models.get(name), zoo.spec.models.get(name)
        earlier = [c for c in self.waiting(name) if c is not client and c.since < client.since]
        self.check(not earlier, f"{client} is served before {', '.join(map(str, earlier))}")
        self.check(not zoo.shutdown, f"{client} is served while zoosup ends")
        run = model.run if model is not None else None
        if model is None or run is None or spec is None:
            self.check(False, f"{client} is handed to a model that is not there")
            return
        serves = model.phase is Phase.READY and run.leaving is None and run.sleep is None
        self.check(serves, f"{client} is handed to a run that is {model.phase}, leaving: {run.leaving}")
        self.check(model.override is not Override.STOP, f"{client} is served, and {name} was stopped by hand")
        self.check((lease.run_id, lease.port) == (run.id, run.port), f"{client} is sent to another run")
        users = len(self.using(run.id)) + 1
        self.check(
            not spec.max_inflight or users <= spec.max_inflight, f"{client} is number {users} of {name}"
        )
        process = next((p for p in self.host.processes if p.run_id == run.id), None)
        gone = process.ended if process is not None else 0.0
        late = LATE if client.supervisor.inbox.lost else 0.001
        self.check(gone is None or self.host.now() <= gone + late, f"{client} is handed to a dead process")
        self.check(process is None or process.asleep is None, f"{client} is handed to a process that sleeps")

    def is_true_refusal(self, client: Client, refusal: Refusal) -> None:
        """A refusal for ever has to be one: for want of memory only where it is wanted beside those who stay."""
        zoo, name = client.supervisor.zoo, client.model
        spec = zoo.spec.models.get(name)
        if refusal.code == Code.MODEL_NOT_FOUND:
            self.check(spec is None, f"{client}: {name} is in the file")
        elif refusal.code == Code.SHUTTING_DOWN:
            self.check(zoo.shutdown, f"{client}: nobody has asked zoosup to end")
        elif refusal.code == Code.MODEL_LOADING_TIMEOUT:
            waited = self.host.now() - client.since
            least = rules(zoo.spec).queue_timeout - 0.001
            if name in zoo.models and zoo.models[name].reason is Reason.PORT:
                least = min(least, STRANGERS - 0.001)
            self.check(waited >= least, f"{client} is sent away after {waited} s")
            self.check(
                waited <= client.limit + DUE, f"{client} is told after {waited} s, due was {client.limit}"
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
            self.check(not fits, f"{client} is refused, and everybody fits: {refusal.message}")

    def is_lawful_cut(self, client: Client) -> None:
        """A run that is used gets its grace period to finish in, unless nothing is to be had from it."""
        assert client.lease is not None
        found = client.supervisor.zoo.run_of(client.lease.run_id)
        leaving = found[1].leaving if found is not None else None
        if found is None or leaving is None:
            self.check(False, f"{client} is cut off from a run that was not told to leave")
            return
        if (
            client.supervisor.hurried
            or leaving.cause in AT_ONCE
            or leaving.at_once
            or found[1].exit is not None
        ):
            return
        spec = client.supervisor.zoo.spec.models.get(client.model, found[1].spec)
        grace = min(spec.stop.drain, self._drains.get(found[1].id, float("inf")))
        lasted = self.host.now() - leaving.since
        self.check(lasted >= grace - 0.001, f"{client} is cut off after {lasted:.3f} s ({leaving.cause})")

    def signalled(self, run_id: str) -> None:
        """The ladder goes to work: whoever still uses the run has been told."""
        for client in self.using(run_id):
            self.check(False, f"{client} was not told that its model is being ended")

    # the laws, as time goes by

    def turned(self, supervisor: SupervisorHarness) -> None:
        """After a turn of zoosup's."""
        if supervisor.dead.is_set():
            return
        self._follow_the_rules(supervisor)
        self._books_are_true(supervisor)
        self._nobody_is_forgotten(supervisor)
        for model, run in supervisor.zoo.live():
            if model.phase is Phase.DRAINING:
                self._drains_end(supervisor, model, run.id, run.leaving.drained if run.leaving else False)
        self.forget()

    def look(self) -> None:
        """After a change of the host: answers of a process end with it."""
        ended = {p.run_id for p in self.host.processes if p.ended is not None}
        for client in self.there:
            if client.uses and client.lease is not None and client.lease.run_id in ended:
                asyncio.get_running_loop().call_later(0.01, client.finish, "broken")

    def _follow_the_rules(self, supervisor: SupervisorHarness) -> None:
        spec = supervisor.zoo.spec
        if spec is not self._spec:
            self._spec = spec
            for client in self.waiting():
                client.limit = max(client.limit, rules(spec).queue_timeout)
        for client in self.waiting():
            late = self.host.now() - client.since - client.limit
            self.check(late <= DUE, f"18: {client} waits {late:.3f} s longer than queue_timeout")

    def _books_are_true(self, supervisor: SupervisorHarness) -> None:
        """What a plan would be told of clients is what they are: no demand is left of whoever has gone."""
        told = supervisor.reconciler.leases.demand()
        for name in self.last_used.keys() - told.keys():
            del self.last_used[name]  # it is no longer in the file
        for name in {*told, *(c.model for c in self.there)}:
            model = supervisor.zoo.models.get(name)
            run = model.run if model is not None else None
            waiting = self.waiting(name)
            said = told.get(name, Demand())
            before = None if said.last_used is None else min(said.last_used, self.host.now())
            true = (
                len(self.using(run.id)) if run is not None else 0,
                len(waiting),
                waiting[0].since if waiting else None,
                # Before anybody has used it in this life the word of the one before holds, and that is never to come.
                self.last_used.get(name, before),
            )
            books = (said.inflight, said.waiting, said.since, said.last_used)
            self.check(books == true, f"{name} has clients {true}, the books say {books}")

    def _nobody_is_forgotten(self, supervisor: SupervisorHarness) -> None:
        zoo = supervisor.zoo
        for name in {c.model for c in self.waiting()}:
            free = self._open(zoo.models.get(name), zoo.spec)
            first = self.waiting(name)[0]
            told = not free or self._comes_behind(first, zoo.spec)
            self.check(told, f"clients of {name} wait though it serves")
            self.check(name in zoo.spec.models, f"clients of {name} wait, and nobody knows it")
            self.check(not zoo.shutdown, f"clients of {name} wait though zoosup ends")

    def _comes_behind(self, client: Client, spec: ZooSpec) -> bool:
        """Whether one of another model came before, and has waited for all of patience: busy models are closed then."""
        ripe = self.host.now() - rules(spec).patience
        earlier = (c for c in self.waiting() if c.model != client.model and c.since < client.since)
        return any(c.since <= ripe + 1e-6 for c in earlier)

    def _open(self, model: Model | None, spec: ZooSpec) -> bool:
        declared = spec.models.get(model.name) if model is not None else None
        if model is None or model.run is None or declared is None:
            return False
        if model.phase is not Phase.READY or model.override is Override.STOP or model.run.leaving is not None:
            return False
        return not declared.max_inflight or len(self.using(model.run.id)) < declared.max_inflight

    def _drains_end(self, supervisor: SupervisorHarness, model: Model, run_id: str, drained: bool) -> None:
        """A drain is over when nobody uses the run any longer, and `stop.before` has been carried out."""
        now, spec = self.host.now(), supervisor.zoo.spec.models.get(model.name)
        assert model.run is not None
        grace = (spec or model.run.spec).stop.drain
        self._drains[run_id] = min(grace, self._drains.get(run_id, grace))
        if self.using(run_id) or drained:
            self._unused.pop(run_id, None)
            return
        since = self._unused.setdefault(run_id, now)
        late = LATE if supervisor.inbox.lost else DUE
        self.check(now <= since + BEFORE + late, f"nobody uses {model.name}, which drains since {since:.3f}")

    # at the end

    def nothing_is_left(self, supervisor: SupervisorHarness) -> None:
        left = [str(c) for c in self.there if c.ended is None]
        self.check(not left, f"left waiting or answering: {', '.join(left)}")
        told = supervisor.reconciler.leases.demand()
        busy = {n: d for n, d in told.items() if d.busy}
        self.check(not busy, f"a lease was not given back: {busy}")


def rules(spec: ZooSpec) -> GatewaySpec:
    """The gateway's, or the usual ones."""
    return spec.gateway or GatewaySpec()
