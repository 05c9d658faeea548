"""Leases, places in the queue, and who holds them: how the gateway asks for models of this host.

Every call is answered at once; nothing waits for a model.
"""

from typing import Protocol

from zoosup.core.state.refusal import Refusal
from zoosup.runtime.api.listing import Listing
from zoosup.runtime.api.upstream import Upstream


class Lease(Protocol):
    """One client's claim on a running model: held from the dispatch of a request until its answer has ended."""

    @property
    def model(self) -> str:
        """Whose it is."""

    @property
    def run_id(self) -> str:
        """Which run of that model serves."""

    @property
    def host(self) -> str:
        """Where the run listens."""

    @property
    def port(self) -> int:
        """The same."""

    @property
    def upstream(self) -> Upstream:
        """What it is sent besides; the same object until the file says something else."""

    def release(self) -> None:
        """Give it back, once; a second call does nothing."""

    def stay(self, seconds: float) -> None:
        """Have the run stay so long after its last use, in place of the file's `idle_timeout`; until another word.

        0: its memory is given back once nobody uses it; inf: it stays until it has to make room. Only a model on
        demand leaves for that.
        """

    def unreachable(self) -> "Lease | Ticket | None":
        """Give it back because nothing could be sent to its run: a place by the time of the first asking, or a lease.

        RefusedError as from `Leasing.ask`. The run is given to nobody for a moment. None: as from `Routing.ask`.
        """


class Ticket(Protocol):
    """A place in the queue for a model that can't be had at once."""

    def cancel(self) -> None:
        """Give the place up; nothing is called any more. Does nothing after a grant or a refusal."""

    def why(self) -> str:
        """What is being waited for, in words for people."""

    @property
    def load_time(self) -> float | None:
        """Seconds that the model's last load took; None where none was seen."""


class Holder(Protocol):
    """Who asks for leases; each call comes on the loop, from the single writer's turn, and must not block or raise."""

    @property
    def client(self) -> str:
        """For whom: the name of its key, else its address; "" where neither is known."""

    def granted(self, lease: Lease) -> None:
        """The wait is over. It holds the lease from now on, even if its client has just gone: it must release it."""

    def refused(self, refusal: Refusal) -> None:
        """The wait is over, without a lease."""

    def cut(self, refusal: Refusal) -> None:
        """The run is being ended now, its drain time over: end what is being answered, and say so to the client."""


class Leasing(Listing, Protocol):
    """Where the gateway asks for models. Every call is made on the loop and is answered at once."""

    def ask(self, model: str, holder: Holder) -> Lease | Ticket:
        """A lease where the model runs and has room; else a place in the queue, and `holder` hears what became of it.

        RefusedError where waiting is of no use: the model is off, failed or backing off, the queue is full.
        """

    def look(self, model: str, holder: Holder) -> Lease:
        """A lease that counts neither as demand nor as use; RefusedError where the model does not run."""
