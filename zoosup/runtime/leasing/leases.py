"""Leases: which clients use which run, who waits for what, and what becomes of those who wait.

A lease is granted in the step in which it is asked for where the model is ready, else from the single writer's turn.
Both run on the loop and neither waits, so that no grant meets a run that has been told to leave. Knows neither HTTP nor
memory: what demand starts and displaces is decided by the plan, which reads it here.
"""

import asyncio
import logging
from bisect import insort_left
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from zoosup.core.estimation.context_length import context_length
from zoosup.core.scheduler.demand import gateway
from zoosup.core.state.observed import NO_DEMAND, Demand, Model
from zoosup.core.state.phases import Cause, Override, Phase
from zoosup.core.state.refusal import Code, Refusal, RefusedError
from zoosup.core.state.runs import Run
from zoosup.runtime.api import Holder, ModelCard, Served
from zoosup.runtime.leasing import refusals
from zoosup.runtime.leasing.model_queue import GrantedLease, LookingLease, ModelQueue, QueuedTicket
from zoosup.runtime.state.zoo import Zoo
from zoosup.spec.model.model import ModelSpec

_What = TypeVar("_What")

_READY, _STOP = Phase.READY, Override.STOP  # looking up an enum's member takes time
_SERVES = frozenset({Phase.READY, Phase.UNREADY})

SILENT = 0.5
"""Seconds for which a run is given to nobody whose port has refused: its end may be news that is under way."""

ANSWERED = 64
"""Answered clients that may stand among those who wait before they are cleared away."""

_log = logging.getLogger(__name__)


class Leases:
    """Where the gateway asks for models; `wake` has the single writer take a turn soon."""

    def __init__(self, zoo: Zoo, wake: Callable[[], None]) -> None:
        self._zoo = zoo
        self._wake = wake
        self._queues: dict[str, ModelQueue] = {}
        self._arrivals: deque[QueuedTicket] = (
            deque()
        )  # of all models, the oldest first; those answered are left in it
        self._waiting = 0
        self._wanted: frozenset[str] | None = None  # by the last plan; None before there was one
        self._idle: dict[str, asyncio.Event] = {}
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
        queue = self._queues.get(model)
        if queue is None:
            queue = self._queues[model] = ModelQueue(self, model)
        if not queue.tickets and queue.closed is None:
            run = self._open(queue)
            if run is not None:
                return GrantedLease(queue, run, holder)
        if self._waiting >= gateway(self._zoo.spec).max_queue:
            raise RefusedError(refusals.queue_full(self._waiting, self._zoo.models.get(model)))
        ticket = self._ticket(queue, holder, self._zoo.clock.now())
        queue.tickets.append(ticket)
        self._arrivals.append(ticket)
        return ticket

    def look(self, model: str, holder: Holder) -> LookingLease:
        """A lease that counts neither as demand nor as use; RefusedError where the model does not run."""
        run = _serving(self._zoo.models.get(model)) if model in self._zoo.spec.models else None
        if run is None or self._zoo.shutdown:
            known = self._zoo.models.get(model)
            raise RefusedError(refusals.not_loaded(known, model))
        queue = self._queues.setdefault(model, ModelQueue(self, model))
        return LookingLease(queue, run, holder)

    def _ticket(self, queue: ModelQueue, holder: Holder, since: float) -> QueuedTicket:
        refusal = self._refusal_of(queue.model, since)
        if refusal is not None:
            raise RefusedError(refusal)
        self._waiting += 1
        self._wake()
        return QueuedTicket(self, queue.model, holder, since)

    # what leases and tickets ask

    def lease_returned(self, queue: ModelQueue, lease: GrantedLease) -> None:
        """A lease of a run has ended: the next in queue may have its place."""
        run_id = lease.run_id
        queue.note_use(lease.holder.client, self._zoo.clock.now())
        if queue.tickets:
            self._serve(queue)
        # Whoever was served may have gone in the middle of it: then this has been done for them, which does no harm.
        if (self._idle or self._waiting) and not queue.uses(run_id):
            idle = self._idle.get(run_id)
            if idle is not None:
                idle.set()
            if self._waiting:
                self._wake()  # somebody may be waiting for this model to be idle

    def lease_unreachable(self, lease: GrantedLease) -> GrantedLease | QueuedTicket:
        """Its run is given to nobody for a moment: its process may be gone, and the news under way."""
        queue = self._queues[lease.model]
        now = self._zoo.clock.now()
        queue.silent_until = now + SILENT
        ticket = self._ticket(queue, lease.holder, now if lease.since is None else lease.since)
        insort_left(
            queue.tickets, ticket, key=_since
        )  # before those who came with it, and have not been served
        insort_left(self._arrivals, ticket, key=_since)
        return ticket

    def ticket_withdrawn(self, ticket: QueuedTicket) -> None:
        """A client no longer waits: no demand is left of it."""
        queue = self._queues.get(ticket.model)
        if queue is not None and ticket in queue.tickets:
            queue.tickets.remove(ticket)
            self._waiting -= 1
            self._wake()

    def load_time(self, model: str) -> float | None:
        """Seconds that the model's last load took."""
        known = self._zoo.models.get(model)
        return None if known is None else known.load_time

    def why(self, model: str) -> str:
        """What the clients of a model wait for."""
        known = self._zoo.models.get(model)
        return refusals.wait_in_words(known, model)

    # what the single writer asks

    def demand(self) -> Mapping[str, Demand]:
        """What is asked of each model that was ever asked for."""
        while self._zoo.used_before:
            name, at = self._zoo.used_before.popitem()
            queue = self._queues.setdefault(name, ModelQueue(self, name))
            queue.last_used = max(at, queue.last_used or at)
        return {name: self._demand(name, queue) for name, queue in self._queues.items()}

    def settle(self, wanted: tuple[str, ...], closed: Mapping[str, float]) -> None:
        """After a turn: grant what can be granted, refuse what is of no use, forget what is over.

        Clients of a model in `closed` that came later than that are not granted it.
        """
        self._wanted = frozenset(wanted)
        self._refuse_the_overdue()
        for name, queue in list(self._queues.items()):
            queue.closed = closed.get(name)
            if queue.tickets:
                self._serve(queue)
                self._refuse_the_hopeless(name, queue)
            elif not (queue.leases or queue.looks) and name not in self._zoo.models:
                del self._queues[name]

    def next_timeout(self) -> float | None:
        """When somebody is to be refused who has waited for too long, or a run is tried again."""
        overdue = self._overdue_at()
        return min((at for at in (overdue, *self._silences()) if at is not None), default=None)

    def _overdue_at(self) -> float | None:
        while self._arrivals and not self._arrivals[0].open:
            self._arrivals.popleft()
        if len(self._arrivals) > 2 * self._waiting + ANSWERED:
            self._arrivals = deque(ticket for ticket in self._arrivals if ticket.open)
        if not self._arrivals:
            return None
        return self._arrivals[0].since + gateway(self._zoo.spec).queue_timeout

    def _silences(self) -> Iterable[float]:
        """When runs that could not be reached are tried again."""
        now = self._zoo.clock.now()
        return (
            queue.silent_until
            for queue in self._queues.values()
            if queue.tickets and queue.silent_until > now
        )

    async def wait_idle(self, run_id: str, within: float) -> bool:
        """Wait until nobody uses the run any more, at most `within` seconds; whether it is so."""
        if not any(queue.uses(run_id) for queue in self._queues.values()):
            return True
        event = self._idle.setdefault(run_id, asyncio.Event())
        try:
            async with asyncio.timeout(within):
                await event.wait()
        except TimeoutError:
            return False
        finally:
            self._idle.pop(run_id, None)
        return True

    def cut(self, run_id: str, cause: Cause, message: str) -> None:
        """The run is being ended: whoever still uses it is told, to tell its client."""
        for queue in self._queues.values():
            refusal = refusals.of_cause(cause, f"{queue.model}: {message}", self.load_time(queue.model))
            held: list[GrantedLease | LookingLease] = [*queue.leases, *queue.looks]
            for lease in [each for each in held if each.run_id == run_id]:
                _notify(lease.holder.cut, refusal)

    # inside

    def _open(self, queue: ModelQueue) -> Run | None:
        """The run that one more client may use now."""
        known, spec = self._zoo.models.get(queue.model), self._zoo.spec
        if known is not queue.known or spec is not queue.spec:  # both are replaced as a whole, never changed
            found = spec.models.get(queue.model)
            queue.known, queue.spec = known, spec
            queue.run = _serving(known) if found is not None else None
            queue.limit = found.max_inflight if found is not None else None
        run, limit = queue.run, queue.limit
        if run is None or self._zoo.shutdown or (limit and queue.inflight(run.id) >= limit):
            return None
        if queue.silent_until and queue.silent_until > self._zoo.clock.now():
            return None
        return run

    def _serve(self, queue: ModelQueue) -> None:
        while queue.tickets and queue.may_serve(queue.tickets[0]):
            run = self._open(queue)
            if run is None:
                return
            since = queue.tickets[0].since
            holder = self._next(queue)
            lease = GrantedLease(queue, run, holder, since)
            if not _notify(holder.granted, lease):
                lease.release()

    def _next(self, queue: ModelQueue) -> Holder:
        self._waiting -= 1
        return queue.tickets.popleft().close()

    def _refuse_the_hopeless(self, name: str, queue: ModelQueue) -> None:
        while queue.tickets:
            refusal = self._refusal_of(name, queue.tickets[0].since)
            if refusal is None:
                return
            self._refuse(self._next(queue), refusal)

    def _refuse_the_overdue(self) -> None:
        limit, now = gateway(self._zoo.spec).queue_timeout, self._zoo.clock.now()
        while (due := self._overdue_at()) is not None and due <= now:
            ticket = self._arrivals.popleft()
            self._queues[ticket.model].tickets.remove(ticket)
            self._waiting -= 1
            known = self._zoo.models.get(ticket.model)
            self._refuse(ticket.close(), refusals.overdue(known, ticket.model, limit))

    def _refuse(self, holder: Holder, refusal: Refusal) -> None:
        _notify(holder.refused, refusal)
        self._wake()

    def _refusal_of(self, name: str, since: float) -> Refusal | None:
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

    def _demand(self, name: str, queue: ModelQueue) -> Demand:
        model = self._zoo.models.get(name)
        run = model.run if model is not None else None
        inflight = queue.inflight(run.id) if run is not None else 0
        first = queue.tickets[0] if queue.tickets else None
        return Demand(
            inflight,
            len(queue.tickets),
            first.since if first is not None else None,
            queue.last_used,
            first.client if first is not None else "",
            queue.last_client,
            queue.used_before,
        )

    def _card(self, name: str, spec: ModelSpec) -> ModelCard:
        model = self._zoo.models.get(name, Model(name))
        created = self._zoo.applied.loaded_at or 0.0
        length = context_length(spec, model.weights)
        return ModelCard(
            name, spec, model.phase, name in self._zoo.spec.active, created, model.load_time, length
        )


def _since(ticket: QueuedTicket) -> float:
    return ticket.since


def _serving(model: Model | None) -> Run | None:
    """The run that clients may use, whatever else there is."""
    if model is None or model.phase is not _READY or model.override is _STOP:
        return None
    run = model.run
    return run if run is not None and run.leaving is None else None


def _notify(tell: Callable[[_What], None], what: _What) -> bool:
    """A holder's fault must not cost others their turn."""
    try:
        tell(what)
    except Exception:  # noqa: BLE001 - whatever it is
        _log.exception("internal error: a client of the gateway could not be told")
        return False
    return True
