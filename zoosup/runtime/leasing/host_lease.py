"""Leases of another host's gateway, and places for those who wait until a host is chosen, or can be reached again.

Data and life cycle alone: which host is next is `fleet_routing`'s business, which owns them.
"""

from typing import Protocol

from zoosup.runtime.api.leasing import Holder, Lease, Ticket
from zoosup.runtime.api.routing import RoutedHolder
from zoosup.runtime.api.upstream import Upstream
from zoosup.runtime.leasing.host_table import Peer


class HostLeaseOwner(Protocol):
    """Who hears what becomes of them."""

    def lease_returned(self, lease: "HostLease") -> None:
        """A request has been answered there, or has not reached it."""

    def next_host(self, lease: "HostLease") -> Lease | Ticket | None:
        """Whoever may answer in place of a host that has not: see `api.Routing`."""


class HostLease:
    """One client's use of a model at another host's gateway; see `api.Lease`.

    `of` is the model that was asked for; `model` and `run_id` are the gateway's, which answers for all models of its
    host: connections to it are kept by them. `tried`: hosts that had been asked before. `counted`: it is no look.
    `since`: when it was first in want of a host that can be reached, by the clock of the zoo; None: never.
    """

    __slots__ = ("_owner", "counted", "held", "holder", "of", "peer", "since", "tried")

    def __init__(  # noqa: PLR0913 - for whom, for what, where
        self,
        owner: HostLeaseOwner,
        of: str,
        holder: Holder,
        peer: Peer,
        tried: frozenset[str],
        *,
        counted: bool = True,
        since: float | None = None,
    ) -> None:
        self._owner = owner
        self.of = of
        self.holder = holder
        self.peer = peer
        self.tried = tried
        self.since = since
        self.counted = self.held = counted

    @property
    def node(self) -> str:
        """The other host."""
        return self.peer.node

    @property
    def model(self) -> str:
        """What the gateway there is called."""
        return self.peer.key

    @property
    def run_id(self) -> str:
        """The same, with its address."""
        return self.peer.run_id

    @property
    def host(self) -> str:
        """Where it listens."""
        return self.peer.host

    @property
    def port(self) -> int:
        """The same."""
        return self.peer.port

    @property
    def upstream(self) -> Upstream:
        """What it is sent besides."""
        return self.peer.upstream

    def release(self) -> None:
        """Give it back, once; a second call does nothing."""
        if self.held:
            self.held = False
            self._owner.lease_returned(self)

    def stay(self, seconds: float) -> None:
        """See `api.Lease`: the other gateway is told by the request itself."""

    def unreachable(self) -> Lease | Ticket | None:
        """See `api.Routing`."""
        self.release()
        return self._owner.next_host(self)


class ChoiceTicket:
    """A place until a host is chosen; see `api.Ticket`. `tried`: hosts that are none, for they have been asked."""

    __slots__ = ("holder", "model", "tried")

    def __init__(self, model: str, holder: RoutedHolder, tried: frozenset[str]) -> None:
        self.model, self.tried = model, tried
        self.holder: RoutedHolder | None = holder

    def close(self) -> RoutedHolder | None:
        """It has been answered: whose it was; None where nobody waits any more."""
        holder, self.holder = self.holder, None
        return holder

    def cancel(self) -> None:
        """Give the place up; does nothing once it was answered."""
        self.holder = None

    @property
    def load_time(self) -> None:
        """Nobody knows yet who loads it."""
        return

    def why(self) -> str:
        """What is being waited for, in words for people."""
        return f"the fleet is choosing a host for {self.model}"


class HostTicket(ChoiceTicket):
    """A place until a host that has the model can be reached again; `since` is when that began."""

    __slots__ = ("since",)

    def __init__(self, model: str, holder: RoutedHolder, since: float) -> None:
        super().__init__(model, holder, frozenset())
        self.since = since

    def why(self) -> str:
        """What is being waited for, in words for people."""
        return f"the host that has {self.model} can't be reached"
