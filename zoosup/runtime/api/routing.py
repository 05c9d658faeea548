"""Which of several hosts answers for a model.

Refuses to know how this host comes to a lease of its own.
"""

from typing import Protocol

from zoosup.runtime.api.leasing import Holder, Lease, Ticket
from zoosup.runtime.api.listing import Listing


class RoutedHolder(Holder, Protocol):
    """Who asks for a model that may be on another host."""

    def here(self) -> None:
        """The wait is over: this host is to answer."""


class Routing(Listing, Protocol):
    """Which host answers for a model, where several share the file. Calls are made on the loop and answered at once.

    Leases are of other hosts' gateways; their `unreachable` is for the next host, each once, and this one at last.
    """

    def is_here(self, model: str) -> bool:
        """Whether this host answers without a further question: it has the model, or nobody else could."""

    def ask(self, model: str, holder: RoutedHolder) -> Lease | Ticket | None:
        """A lease of the host that has it, or a place until a host is chosen for it; None: this host after all.

        To be asked where `is_here` says no.

        RefusedError where no host can have it.
        """

    def look(self, model: str, holder: Holder) -> Lease | None:
        """A lease of a host where it runs, which counts nowhere as use; None: this host."""

    def may_be_gone(self, node: str) -> bool:
        """Whether the fleet has given that host up, or knows of none of that name."""

    def present(self, headers: tuple[tuple[str, str], ...]) -> None:
        """Have every request that goes to another gateway bear these, from now on."""

    def accepts(self, model: str) -> str:
        """Why this host can't answer what another gateway has passed on to it; "" where it can."""
