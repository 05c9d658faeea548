"""Leases: which clients use which run, who waits for what, and what becomes of those who wait.

A lease is granted in the step in which it is asked for where the model is ready, else from the single writer's turn.
Both run on the loop and neither waits, so that no grant meets a run that has been told to leave. Knows neither HTTP nor
memory: what demand starts and displaces is decided by the plan, which reads it here.
"""

from bisect import insort_left
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter

from zoosup.core.scheduler.demand import gateway
from zoosup.core.state.observed import Demand
from zoosup.core.state.refusal import Refusal, RefusedError
from zoosup.core.state.runs import Run
from zoosup.runtime.api.leasing import Holder
from zoosup.runtime.api.upstream import HERE, Upstream
from zoosup.runtime.leasing import refusals
from zoosup.runtime.leasing.catalogue import Catalogue, new_name, serving_run
from zoosup.runtime.leasing.drains import Drains
from zoosup.runtime.leasing.external_lease import ExternalLease
from zoosup.runtime.leasing.model_queue import GrantedLease, LookingLease, ModelQueue, QueuedTicket
from zoosup.runtime.leasing.notify import notify
from zoosup.runtime.leasing.queue_limit import is_full
from zoosup.runtime.state.zoo import Zoo

SILENT = 0.5
"""Seconds for which a run is given to nobody whose port has refused: its end may be news that is under way."""

ANSWERED = 64
"""Answered clients that may stand among those who wait before they are cleared away."""


class Leases:
    """Where the gateway asks for models; `wake` has the single writer take a turn soon."""

    def __init__(self, zoo: Zoo, wake: Callable[[], None]) -> None:
        self._zoo = zoo
        self._wake = wake
        self._queues: dict[str, ModelQueue] = {}
        # Of all models, the oldest first; those answered are left in it.
        self._arrivals: deque[QueuedTicket] = deque()
        self._waiting = 0
        self._wanted: frozenset[str] | None = None  # by the last plan; None before there was one
        self._last_asked = ""
        catalogue = Catalogue(zoo)
        self.find, self.cards = catalogue.find, catalogue.cards
        self._drains = Drains(zoo, self._queues)
        self.uses, self.wait_idle, self.cut = self._drains.uses, self._drains.wait_idle, self._drains.cut

    # what the gateway asks

    def ask(self, model: str, holder: Holder) -> GrantedLease | ExternalLease | QueuedTicket:
        """A lease at once, or a place in the queue; RefusedError where waiting is of no use."""
        queue = self._queues.get(model)
        if queue is None:
            server = self._zoo.externals.get(model)
            if server is not None and not self._zoo.shutdown:
                return ExternalLease(server, holder, self._zoo.clock.now)
            queue = self._queues[model] = ModelQueue(self, model)
        if not queue.tickets and queue.closed is None and (run := self._open(queue)) is not None:
            self._last_asked = model
            lease = GrantedLease(queue, run, holder)
            queue.leases.add(lease)
            return lease
        queue = self._by_new_name(queue)
        if is_full(self._zoo.spec, self._waiting, len(queue.tickets)):
            raise RefusedError(refusals.queue_full(self._waiting, self._zoo.models.get(model)))
        ticket = self._ticket(queue, holder, self._zoo.clock.now())
        self._note_order(queue)
        queue.tickets.append(ticket)
        self._arrivals.append(ticket)
        return ticket

    def look(self, model: str, holder: Holder) -> LookingLease | ExternalLease:
        """A lease that counts neither as demand nor as use; RefusedError where the model does not run."""
        server = self._zoo.externals.get(model)
        if server is not None and not self._zoo.shutdown:
            return ExternalLease(server, holder, None)
        known = self._zoo.models.get(model)
        run = serving_run(known) if model in self._zoo.spec.models else None
        if run is None or self._zoo.shutdown:
            raise RefusedError(refusals.not_loaded(known, model))
        queue = self._queue(model)
        self._open(queue)  # so that it knows what the file says
        lease = LookingLease(queue, run, holder)
        queue.looks.add(lease)
        return lease

    def _queue(self, model: str) -> ModelQueue:
        queue = self._queues.get(model)
        if queue is None:
            queue = self._queues[model] = ModelQueue(self, model)
        return queue

    def _ticket(self, queue: ModelQueue, holder: Holder, since: float) -> QueuedTicket:
        refusal = self._refusal_of(queue.model, since)
        if refusal is not None:
            raise RefusedError(refusal)
        self._waiting += 1
        self._wake()
        return QueuedTicket(self, queue.model, holder, since)

    def _note_order(self, queue: ModelQueue) -> None:
        """Learn of a model that has to be loaded, from the first of its clients, after whom it was asked for."""
        known = self._zoo.models.get(queue.model)
        if known is not None and known.run is None and not queue.tickets:
            self._zoo.successors = self._zoo.successors.seen(self._last_asked, queue.model)
        self._last_asked = queue.model

    # what leases and tickets ask

    def lease_returned(self, queue: ModelQueue, lease: GrantedLease) -> None:
        """A lease of a run has ended: the next in queue may have its place."""
        run_id = lease.run_id
        queue.note_use(lease.holder.client, self._zoo.clock.now())
        if queue.tickets:
            self._serve(queue)
        # Whoever was served may have gone in the middle of it: then this has been done for them, which does no harm.
        if (self._drains.waits or self._waiting or not queue.stay[1]) and not queue.uses(run_id):
            self._drains.left(run_id)
            self._wake()  # somebody may be waiting for this model to be idle, or have given it back

    def lease_unreachable(self, lease: GrantedLease) -> GrantedLease | QueuedTicket:
        """Its run is given to nobody for a moment: its process may be gone, and the news under way."""
        queue = self._queues[lease.model]
        now = self._zoo.clock.now()
        queue.silent_until = now + SILENT
        queue = self._by_new_name(queue)
        ticket = self._ticket(queue, lease.holder, now if lease.since is None else lease.since)
        queue.insert(ticket)
        insort_left(self._arrivals, ticket, key=attrgetter("since"))
        return ticket

    def ticket_withdrawn(self, ticket: QueuedTicket) -> None:
        """A client no longer waits: no demand is left of it."""
        queue = self._queues.get(ticket.model)
        if queue is not None and ticket in queue.tickets:
            queue.tickets.remove(ticket)
            self._waiting -= 1
            self._wake()

    def stay_settled(self) -> None:
        """A client has said how long a run stays: it may be for no longer than now."""
        self._wake()

    def load_time(self, model: str) -> float | None:
        """Seconds that the model's last load took."""
        known = self._zoo.models.get(model)
        return None if known is None else known.load_time

    def why(self, model: str) -> str:
        """What the clients of a model wait for."""
        return refusals.awaited(self._zoo, model)

    def waits(self, model: str) -> bool:
        """Whether anybody waits here for a model."""
        queue = self._queues.get(model)
        return queue is not None and bool(queue.tickets)

    # what the single writer asks

    def likeliest(self) -> tuple[str, ...]:
        """Models that are likely to be asked for next, the likeliest first."""
        return self._zoo.successors.likeliest(self._last_asked)

    def demand(self) -> Mapping[str, Demand]:
        """What is asked of each model that was ever asked for."""
        while self._zoo.used_before:
            name, at = self._zoo.used_before.popitem()
            queue = self._queue(name)
            queue.last_used = max(at, queue.last_used or at)
        while self._zoo.stays_before:
            name, seconds = self._zoo.stays_before.popitem()
            if (run := self._zoo.models[name].run) is not None:
                self._queue(name).stay = run.id, seconds
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
                self._by_new_name(queue)
            if queue.tickets:
                self._serve(queue)
                self._refuse_the_hopeless(name, queue)
            elif not (queue.leases or queue.looks) and name not in self._zoo.models:
                del self._queues[name]

    def next_timeout(self) -> float | None:
        """When somebody is to be refused who has waited for too long, or a run is tried again."""
        times = self._overdue_at(), *self._silences()
        return min((at for at in times if at is not None), default=None)

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
        return (q.silent_until for q in self._queues.values() if q.tickets and q.silent_until > now)

    # inside

    def _by_new_name(self, queue: ModelQueue) -> ModelQueue:
        """That of the same model, where an edit has renamed it: whoever waits, waits there."""
        name = new_name(self._zoo.spec, queue.model)
        if name == queue.model:
            return queue
        renamed = self._queue(name)
        renamed.take_over(queue)
        self._wake()
        return renamed

    def _open(self, queue: ModelQueue) -> Run | None:
        """The run that one more client may use now."""
        known, spec = self._zoo.models.get(queue.model), self._zoo.spec
        if known is not queue.known or spec is not queue.spec:  # both are replaced as a whole, never changed
            found = spec.models.get(queue.model)
            queue.known, queue.spec = known, spec
            queue.run = serving_run(known) if found is not None else None
            queue.limit = found.max_inflight if found is not None else None
            queue.upstream = Upstream.of(found) if found is not None else HERE
        run, limit = queue.run, queue.limit
        if run is None or self._zoo.shutdown or (limit and queue.inflight(run.id) >= limit):
            return None
        if queue.silent_until and queue.silent_until > self._zoo.clock.now():
            return None
        return run

    def _serve(self, queue: ModelQueue) -> None:
        while queue.tickets and queue.may_serve(queue.tickets[0]) and (run := self._open(queue)) is not None:
            since = queue.tickets[0].since
            holder = self._next(queue)
            lease = GrantedLease(queue, run, holder, since)
            queue.leases.add(lease)
            if not notify(holder.granted, lease):
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
        notify(holder.refused, refusal)
        self._wake()

    def _refusal_of(self, name: str, since: float) -> Refusal | None:
        return refusals.why_not(self._zoo, name, since, self._wanted)

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
            queue.stay[1] if run is not None and queue.stay[0] == run.id else None,
        )
