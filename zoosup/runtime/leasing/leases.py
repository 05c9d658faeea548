"""Leases: which clients use which run, who waits for what, and what becomes of those who wait.

A lease is granted in the step in which it is asked for where the model is ready, else from the single writer's turn.
Both run on the loop and neither waits, so that no grant meets a run that has been told to leave. Knows neither HTTP nor
memory: what demand starts and displaces is decided by the plan, which reads it here.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from zoosup.core.estimation.context_length import context_length
from zoosup.core.scheduler.demand import gateway
from zoosup.core.state.observed import NO_DEMAND, Demand, Model
from zoosup.core.state.phases import Override, Phase
from zoosup.core.state.refusal import Code, Refusal, RefusedError
from zoosup.core.state.runs import Run
from zoosup.runtime.api import Holder, ModelCard, Served
from zoosup.runtime.leasing import refusals
from zoosup.runtime.state.zoo import Zoo
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.zoo import ZooSpec
from zoosup.spec.parse import HOST

_Told = TypeVar("_Told")

_READY, _STOP = Phase.READY, Override.STOP  # looking up an enum's member takes time
_SERVES = frozenset({Phase.READY, Phase.UNREADY})

_log = logging.getLogger(__name__)


class GrantedLease:
    """One client's claim on a run, from when it is made; see `ports.Lease`."""

    __slots__ = ("_line", "_run", "holder", "run_id")

    host = HOST

    def __init__(self, line: "_ModelQueue", run: Run, holder: Holder) -> None:
        self._line = line
        self._run = run
        self.holder = holder
        self.run_id = run.id
        line.held.add(self)

    @property
    def model(self) -> str:
        """Whose run it is."""
        return self._line.model

    @property
    def port(self) -> int:
        """Where the run listens."""
        return self._run.port

    def release(self) -> None:
        """Give it back, once; a second call does nothing."""
        line = self._line
        if self in line.held:
            line.held.remove(self)
            line.desk.given_back(line, self.run_id)


class QueuedTicket:
    """One place in the queue; see `ports.Ticket`."""

    __slots__ = ("_desk", "holder", "model", "since")

    def __init__(self, desk: "Leases", model: str, holder: Holder, since: float) -> None:
        self._desk: Leases | None = desk
        self.holder = holder
        self.model = model
        self.since = since

    @property
    def open(self) -> bool:
        """Whether it still waits."""
        return self._desk is not None

    def close(self) -> None:
        """It has been answered."""
        self._desk = None

    def cancel(self) -> None:
        """Give the place up; does nothing once it was answered."""
        desk, self._desk = self._desk, None
        if desk is not None:
            desk.give_up(self)

    def why(self) -> str:
        """What is being waited for, in words for people."""
        return "" if self._desk is None else self._desk.why(self.model)


@dataclass(slots=True)
class _ModelQueue:
    """All leases and waiting clients of one model."""

    desk: "Leases"
    model: str
    held: set[GrantedLease] = field(default_factory=set)  # those of an old run may outlive it for a moment
    queue: deque[QueuedTicket] = field(default_factory=deque)
    last_used: float | None = None
    run: Run | None = None  # the one that serves, and how many may use it, found in these two
    limit: int | None = None
    known: Model | None = None
    spec: ZooSpec | None = None

    def uses(self, run_id: str) -> bool:
        """Whether a client uses a run; most often the first that is looked at does."""
        return any(lease.run_id == run_id for lease in self.held)

    def inflight(self, run_id: str) -> int:
        """How many clients use a run."""
        return sum(lease.run_id == run_id for lease in self.held)


class Leases:
    """The desk at which the gateway asks; `wake` has the single writer take a turn soon."""

    def __init__(self, zoo: Zoo, wake: Callable[[], None]) -> None:
        self._zoo = zoo
        self._wake = wake
        self._lines: dict[str, _ModelQueue] = {}
        self._arrivals: deque[QueuedTicket] = (
            deque()
        )  # of all models, the oldest first; those answered are left in it
        self._waiting = 0
        self._wanted: frozenset[str] | None = None  # by the last plan; None before there was one
        self._quiet: dict[str, asyncio.Event] = {}
        self._spec: object = None
        self._names: dict[str, Served] = {}

    # what the gateway asks

    def find(self, name: str) -> Served | None:
        """The model that a name or an alias means."""
        spec = self._zoo.spec
        if spec is not self._spec:
            self._spec = spec
            served = [Served.of(*each) for each in spec.models.items()]
            self._names = {name: each for each in served for name in (each.model, *each.spec.aliases)}
        return self._names.get(name)

    def cards(self) -> tuple[ModelCard, ...]:
        """All models, in the order of the file."""
        return tuple(self._card(name, spec) for name, spec in self._zoo.spec.models.items())

    def ask(self, model: str, holder: Holder) -> GrantedLease | QueuedTicket:
        """A lease at once, or a place in the queue; RefusedError where waiting is of no use."""
        line = self._lines.get(model)
        if line is None:
            line = self._lines[model] = _ModelQueue(self, model)
        if not line.queue:
            run = self._open(line)
            if run is not None:
                return GrantedLease(line, run, holder)
        if self._waiting >= gateway(self._zoo.spec).max_queue:
            raise RefusedError(refusals.queue_full(self._waiting, self._zoo.models.get(model)))
        now = self._zoo.clock.now()
        refusal = self._hopeless(model, now)
        if refusal is not None:
            raise RefusedError(refusal)
        ticket = QueuedTicket(self, model, holder, now)
        line.queue.append(ticket)
        self._arrivals.append(ticket)
        self._waiting += 1
        self._wake()
        return ticket

    # what leases and tickets ask

    def given_back(self, line: _ModelQueue, run_id: str) -> None:
        """A lease of a run has ended: the next in line may have its place."""
        line.last_used = self._zoo.clock.now()
        if line.queue:
            self._serve(line)
        # Whoever was served may have gone in the middle of it: then this has been done for them, which does no harm.
        if (self._quiet or self._waiting) and not line.uses(run_id):
            quiet = self._quiet.get(run_id)
            if quiet is not None:
                quiet.set()
            if self._waiting:
                self._wake()  # somebody may be waiting for this model to be idle

    def give_up(self, ticket: QueuedTicket) -> None:
        """A client no longer waits: no demand is left of it."""
        line = self._lines.get(ticket.model)
        if line is not None and ticket in line.queue:
            line.queue.remove(ticket)
            self._waiting -= 1
            self._wake()

    def why(self, model: str) -> str:
        """What the clients of a model wait for."""
        known = self._zoo.models.get(model)
        return refusals.wait_in_words(known, model)

    # what the single writer asks

    def demand(self) -> Mapping[str, Demand]:
        """What is asked of each model that was ever asked for."""
        return {name: self._demand(name, line) for name, line in self._lines.items()}

    def settle(self, wanted: tuple[str, ...]) -> None:
        """After a turn: grant what can be granted, refuse what is of no use, forget what is over."""
        self._wanted = frozenset(wanted)
        self._refuse_the_overdue()
        for name, line in list(self._lines.items()):
            if line.queue:
                self._serve(line)
                self._refuse_the_hopeless(name, line)
            elif not line.held and name not in self._zoo.models:
                del self._lines[name]

    def next_timeout(self) -> float | None:
        """When the client that has waited longest is to be refused."""
        while self._arrivals and not self._arrivals[0].open:
            self._arrivals.popleft()
        if not self._arrivals:
            return None
        return self._arrivals[0].since + gateway(self._zoo.spec).queue_timeout

    async def quiet(self, run_id: str, within: float) -> bool:
        """Wait until nobody uses the run any more, at most `within` seconds; whether it is so."""
        if not any(line.uses(run_id) for line in self._lines.values()):
            return True
        event = self._quiet.setdefault(run_id, asyncio.Event())
        try:
            async with asyncio.timeout(within):
                await event.wait()
        except TimeoutError:
            return False
        finally:
            self._quiet.pop(run_id, None)
        return True

    def cut(self, run_id: str, message: str) -> None:
        """The run is being ended: whoever still uses it is told, to tell its client."""
        for line in self._lines.values():
            for lease in [lease for lease in line.held if lease.run_id == run_id]:
                _safely(lease.holder.cut, message)

    # inside

    def _open(self, line: _ModelQueue) -> Run | None:
        """The run that one more client may use now."""
        zoo = self._zoo
        known, spec = zoo.models.get(line.model), zoo.spec
        if known is not line.known or spec is not line.spec:  # both are replaced as a whole, never changed
            line.known, line.spec = known, spec
            line.run = _serving(known) if line.model in spec.models else None
            line.limit = spec.models[line.model].max_inflight if line.run is not None else None
        run, limit = line.run, line.limit
        if run is None or zoo.shutdown or (limit and line.inflight(run.id) >= limit):
            return None
        return run

    def _serve(self, line: _ModelQueue) -> None:
        while line.queue:
            run = self._open(line)
            if run is None:
                return
            ticket = self._next(line)
            lease = GrantedLease(line, run, ticket.holder)
            if not _safely(ticket.holder.granted, lease):
                lease.release()

    def _next(self, line: _ModelQueue) -> QueuedTicket:
        ticket = line.queue.popleft()
        ticket.close()
        self._waiting -= 1
        return ticket

    def _refuse_the_hopeless(self, name: str, line: _ModelQueue) -> None:
        while line.queue:
            refusal = self._hopeless(name, line.queue[0].since)
            if refusal is None:
                return
            self._refuse(self._next(line), refusal)

    def _refuse_the_overdue(self) -> None:
        limit, now = gateway(self._zoo.spec).queue_timeout, self._zoo.clock.now()
        while (due := self.next_timeout()) is not None and due <= now:
            ticket = self._arrivals.popleft()
            self._lines[ticket.model].queue.remove(ticket)
            ticket.close()
            self._waiting -= 1
            self._refuse(ticket, refusals.overdue(self._zoo.models.get(ticket.model), ticket.model, limit))

    def _refuse(self, ticket: QueuedTicket, refusal: Refusal) -> None:
        _safely(ticket.holder.refused, refusal)
        self._wake()

    def _hopeless(self, name: str, since: float) -> Refusal | None:
        """Why a client that came at `since` needn't wait; None where it may yet be served."""
        spec, model = self._zoo.spec.models.get(name), self._zoo.models.get(name)
        if spec is None or model is None:
            return Refusal(Code.MODEL_NOT_FOUND, f"{name} is no longer in the file", final=True)
        if self._zoo.shutdown:
            return Refusal(Code.SHUTTING_DOWN, "zoosup is shutting down", retry_after=refusals.RESTART)
        if model.override is Override.STOP:
            return Refusal(Code.MODEL_DISABLED, f"{name} was stopped by hand", final=True)
        if self._wanted is not None and not (
            spec.on_demand or name in self._wanted or model.phase in _SERVES
        ):
            return Refusal(
                Code.MODEL_DISABLED, f"{name} is neither active nor on_demand in zoo.yaml", final=True
            )
        refusal = refusals.of_phase(model, since, self._zoo.clock.now())
        if refusal is not None and refusal.code == Code.INSUFFICIENT_MEMORY and not self._was_asked(name):
            return None  # weighed as one that rests, which others of `active` may keep out for ever: no client's sum
        return refusal

    def _was_asked(self, name: str) -> bool:
        """Whether the last plan knew of a client."""
        return self._zoo.demand.get(name, NO_DEMAND).busy

    def _demand(self, name: str, line: _ModelQueue) -> Demand:
        model = self._zoo.models.get(name)
        run = model.run if model is not None else None
        inflight = line.inflight(run.id) if run is not None else 0
        since = line.queue[0].since if line.queue else None
        return Demand(inflight, len(line.queue), since, line.last_used)

    def _card(self, name: str, spec: ModelSpec) -> ModelCard:
        model = self._zoo.models.get(name, Model(name))
        created = self._zoo.applied.loaded_at or 0.0
        length = context_length(spec, model.weights)
        return ModelCard(
            name, spec, model.phase, name in self._zoo.spec.active, created, model.load_time, length
        )


def _serving(model: Model | None) -> Run | None:
    """The run that clients may use, whatever else there is."""
    if model is None or model.phase is not _READY or model.override is _STOP:
        return None
    run = model.run
    return run if run is not None and run.leaving is None else None


def _safely(tell: Callable[[_Told], None], what: _Told) -> bool:
    """A holder's fault must not cost others their turn."""
    try:
        tell(what)
    except Exception:  # noqa: BLE001 - whatever it is
        _log.exception("internal error: a client of the gateway could not be told")
        return False
    return True
