"""The leases and waiting clients of one model: who has it, who is next.

Knows their order and nothing of models: who may have a lease is `leases`' business, which owns every queue.
"""

from bisect import insort_left
from collections import deque
from dataclasses import dataclass, field
from math import inf
from operator import attrgetter
from typing import Protocol

from zoosup.core.state.observed import Model
from zoosup.core.state.refusal import Code, Refusal, RefusedError
from zoosup.core.state.runs import Run
from zoosup.runtime.api.leasing import Holder, Lease
from zoosup.runtime.api.upstream import HERE, Upstream
from zoosup.spec.model.process.short_forms.base import HOST
from zoosup.spec.model.zoo import ZooSpec


class QueueOwner(Protocol):
    """Who hears what becomes of leases and tickets."""

    def lease_returned(self, queue: "ModelQueue", lease: "GrantedLease") -> None:
        """A lease of a run has ended."""

    def lease_unreachable(self, lease: "GrantedLease") -> "GrantedLease | QueuedTicket":
        """Nothing could be sent to the lease's run."""

    def ticket_withdrawn(self, ticket: "QueuedTicket") -> None:
        """A client no longer waits."""

    def stay_settled(self) -> None:
        """A client has said how long a run stays when nobody uses it."""

    def why(self, model: str) -> str:
        """What the clients of a model wait for."""

    def load_time(self, model: str) -> float | None:
        """Seconds that the model's last load took."""


class _RunLease:
    """What leases of a run have in common: whose it is, and where it listens. Who makes one puts it in its queue.

    `since`: when who has it began to wait, if it did.
    """

    __slots__ = ("_queue", "_run", "holder", "run_id", "since", "upstream")

    host = HOST

    def __init__(self, queue: "ModelQueue", run: Run, holder: Holder, since: float | None = None) -> None:
        self._queue = queue
        self._run = run
        self.holder = holder
        self.since = since
        self.run_id = run.id
        self.upstream = queue.upstream

    @property
    def model(self) -> str:
        """Whose run it is."""
        return self._queue.model

    @property
    def port(self) -> int:
        """Where the run listens."""
        return self._run.port

    def stay(self, seconds: float) -> None:
        """See `api.Lease`."""
        self._queue.stay = self.run_id, seconds
        self._queue.owner.stay_settled()


class GrantedLease(_RunLease):
    """One client's claim on a run; see `api.Lease`."""

    __slots__ = ()

    def release(self) -> None:
        """Give it back, once; a second call does nothing."""
        queue = self._queue
        if self in queue.leases:
            queue.leases.remove(self)
            queue.owner.lease_returned(queue, self)

    def unreachable(self) -> "GrantedLease | QueuedTicket":
        """See `api.Lease`."""
        self._queue.leases.discard(self)
        return self._queue.owner.lease_unreachable(self)


class LookingLease(_RunLease):
    """A look at a run: neither demand nor use; see `api.Leasing.look`."""

    __slots__ = ()

    def release(self) -> None:
        """It is over."""
        self._queue.looks.discard(self)

    def unreachable(self) -> Lease:
        """Nobody waits for a look."""
        self.release()
        raise RefusedError(Refusal(Code.UPSTREAM_ERROR, f"{self.model} can't be reached"))


class QueuedTicket:
    """One place in the queue; see `api.Ticket`."""

    __slots__ = ("_owner", "client", "holder", "model", "since")

    def __init__(self, owner: QueueOwner, model: str, holder: Holder, since: float) -> None:
        self._owner: QueueOwner | None = owner
        self.holder: Holder | None = holder
        self.client = holder.client
        self.model = model
        self.since = since

    @property
    def open(self) -> bool:
        """Whether it still waits."""
        return self._owner is not None

    def close(self) -> Holder:
        """It has been answered: whose it was. Its request is kept by nobody any more."""
        self._owner = None
        holder = self.holder
        assert holder is not None  # noqa: S101 - it is answered once
        self.holder = None
        return holder

    def cancel(self) -> None:
        """Give the place up; does nothing once it was answered."""
        owner, self._owner = self._owner, None
        self.holder = None
        if owner is not None:
            owner.ticket_withdrawn(self)

    @property
    def load_time(self) -> float | None:
        """Seconds that the model's last load took; None where none was seen."""
        return None if self._owner is None else self._owner.load_time(self.model)

    def why(self) -> str:
        """What is being waited for, in words for people."""
        return "" if self._owner is None else self._owner.why(self.model)


@dataclass(slots=True)
class ModelQueue:
    """One model's."""

    owner: QueueOwner
    model: str
    leases: set[GrantedLease] = field(default_factory=set)  # those of an old run may outlive it for a moment
    looks: set[LookingLease] = field(default_factory=set)
    tickets: deque[QueuedTicket] = field(default_factory=deque)
    silent_until: float = 0.0  # the run could not be reached: it is given to nobody until then
    last_used: float | None = None
    last_client: str = ""  # who that was
    used_before: float | None = None  # when the last one before that of another client was
    stay: tuple[str, float] = "", inf  # of which run a client has said how long it stays unused, and how long
    closed: float | None = (
        None  # who came later waits until a model that others wait for has made room for them
    )
    # The run that serves and how many may use it, as found in these two: looked up anew they cost a request 1 us.
    run: Run | None = None
    limit: int | None = None
    upstream: Upstream = HERE
    known: Model | None = None
    spec: ZooSpec | None = None

    def note_use(self, client: str, now: float) -> None:
        """A client has given a lease back; whose name is unknown may be anybody."""
        if client != self.last_client or not client:
            self.used_before = self.last_used
        self.last_used, self.last_client = now, client

    def take_over(self, other: "ModelQueue") -> None:
        """Whoever waits there waits here, each in the place of when it came."""
        for ticket in reversed(other.tickets):
            ticket.model = self.model
            self.insert(ticket)
        other.tickets.clear()

    def insert(self, ticket: QueuedTicket) -> None:
        """Wait in the place of when it came, before those who came with it and have not been served."""
        insort_left(self.tickets, ticket, key=attrgetter("since"))

    def may_serve(self, ticket: QueuedTicket) -> bool:
        """Whether it is its turn, among the clients of all models."""
        return self.closed is None or ticket.since <= self.closed

    def uses(self, run_id: str) -> bool:
        """Whether a client uses a run; most often the first that is looked at does."""
        return any(lease.run_id == run_id for lease in self.leases)

    def inflight(self, run_id: str) -> int:
        """How many clients use a run."""
        return sum(lease.run_id == run_id for lease in self.leases)
