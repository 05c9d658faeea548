"""The leases and waiting clients of one model: who has it, who is next.

Knows their order and nothing of models: who may have a lease is `leases`' business, which owns every queue.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from zoosup.core.state.observed import Model
from zoosup.core.state.runs import Run
from zoosup.runtime.api import Holder
from zoosup.spec.model.zoo import ZooSpec
from zoosup.spec.parse import HOST


class QueueOwner(Protocol):
    """Who hears what becomes of leases and tickets."""

    def lease_returned(self, queue: "ModelQueue", lease: "GrantedLease") -> None:
        """A lease of a run has ended."""

    def ticket_withdrawn(self, ticket: "QueuedTicket") -> None:
        """A client no longer waits."""

    def why(self, model: str) -> str:
        """What the clients of a model wait for."""


class GrantedLease:
    """One client's claim on a run, from when it is made; see `api.Lease`."""

    __slots__ = ("_queue", "_run", "holder", "run_id")

    host = HOST

    def __init__(self, queue: "ModelQueue", run: Run, holder: Holder) -> None:
        self._queue = queue
        self._run = run
        self.holder = holder
        self.run_id = run.id
        queue.leases.add(self)

    @property
    def model(self) -> str:
        """Whose run it is."""
        return self._queue.model

    @property
    def port(self) -> int:
        """Where the run listens."""
        return self._run.port

    def release(self) -> None:
        """Give it back, once; a second call does nothing."""
        queue = self._queue
        if self in queue.leases:
            queue.leases.remove(self)
            queue.owner.lease_returned(queue, self)


class QueuedTicket:
    """One place in the queue; see `api.Ticket`."""

    __slots__ = ("_owner", "holder", "model", "since")

    def __init__(self, owner: QueueOwner, model: str, holder: Holder, since: float) -> None:
        self._owner: QueueOwner | None = owner
        self.holder = holder
        self.model = model
        self.since = since

    @property
    def open(self) -> bool:
        """Whether it still waits."""
        return self._owner is not None

    def close(self) -> None:
        """It has been answered."""
        self._owner = None

    def cancel(self) -> None:
        """Give the place up; does nothing once it was answered."""
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.ticket_withdrawn(self)

    def why(self) -> str:
        """What is being waited for, in words for people."""
        return "" if self._owner is None else self._owner.why(self.model)


@dataclass(slots=True)
class ModelQueue:
    """One model's."""

    owner: QueueOwner
    model: str
    leases: set[GrantedLease] = field(default_factory=set)  # those of an old run may outlive it for a moment
    tickets: deque[QueuedTicket] = field(default_factory=deque)
    last_used: float | None = None
    last_client: str = ""  # who that was
    used_before: float | None = None  # when the last one before that of another client was
    closed: float | None = (
        None  # who came later waits until a model that others wait for has made room for them
    )
    # The run that serves and how many may use it, as found in these two: looked up anew they cost a request 1 us.
    run: Run | None = None
    limit: int | None = None
    known: Model | None = None
    spec: ZooSpec | None = None

    def note_use(self, client: str, now: float) -> None:
        """A client has given a lease back; whose name is unknown may be anybody."""
        if client != self.last_client or not client:
            self.used_before = self.last_used
        self.last_used, self.last_client = now, client

    def may_serve(self, ticket: QueuedTicket) -> bool:
        """Whether it is its turn, among the clients of all models."""
        return self.closed is None or ticket.since <= self.closed

    def uses(self, run_id: str) -> bool:
        """Whether a client uses a run; most often the first that is looked at does."""
        return any(lease.run_id == run_id for lease in self.leases)

    def inflight(self, run_id: str) -> int:
        """How many clients use a run."""
        return sum(lease.run_id == run_id for lease in self.leases)
