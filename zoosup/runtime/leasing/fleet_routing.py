"""Which host answers for a model: this one, the gateway of another that has it, or one that the fleet chooses.

    own run  →  a host where it is ready, least in flight first  →  where it is being started  →  where it is assigned
             →  for a model on demand: the fleet's choice

From what was last heard of the fleet, which may be old: a host that can't be reached costs a look at the next one, each
once; where nobody else has the model, it is waited for as long as it takes the fleet to give it up.
Refuses to know how the fleet is asked, and HTTP.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator

from zoosup.core.fleet.choose import choose
from zoosup.core.fleet.words import Choice, FleetView
from zoosup.core.scheduler.demand import gateway
from zoosup.core.state.phases import SERVING_PHASES
from zoosup.core.state.refusal import RefusedError
from zoosup.errors import ZoosupError
from zoosup.runtime.api.leasing import Holder
from zoosup.runtime.api.listing import ModelCard
from zoosup.runtime.api.routing import RoutedHolder
from zoosup.runtime.api.upstream import Upstream
from zoosup.runtime.leasing import host_words
from zoosup.runtime.leasing.catalogue import serving_run
from zoosup.runtime.leasing.host_lease import ChoiceTicket, HostLease, HostTicket
from zoosup.runtime.leasing.host_queue import DECIDES, HostQueue
from zoosup.runtime.leasing.host_table import HostTable, Peer, Row
from zoosup.runtime.leasing.leases import Leases
from zoosup.runtime.state.zoo import Zoo
from zoosup.spec.span_forms import is_part

SILENT = 2.0
"""Seconds for which a host is asked by nobody for a model that it could not be reached for, or had not."""

PATIENCE = 1.0
"""Seconds that the fleet has to choose a host; then the view that this host has of it must do."""

Choose = Callable[[str], Awaitable[Choice]]
"""Asks the fleet where a model is to run; ZoosupError where nobody answers for it."""

_NOBODY, _NONE = FleetView(), frozenset[str]()


class FleetRouting:
    """See `api.Routing`."""

    def __init__(self, zoo: Zoo, leases: Leases, choose: Choose) -> None:
        self._zoo = zoo
        self._leases = leases
        self._choose = choose
        self.find = leases.find
        self._headers: tuple[tuple[str, str], ...] = ()
        self._upstreams: dict[str, Upstream] = {}
        self._table = HostTable(_NOBODY)
        self._out: dict[tuple[str, str], int] = {}  # leases of other hosts, by host and model
        self._silent: dict[tuple[str, str], float] = {}  # until when a host is not asked for a model
        self._waiting: dict[str, list[ChoiceTicket]] = {}  # by model, until one question for all is answered
        self._questions: set[asyncio.Task[None]] = set()
        self._queue = HostQueue(self._ask_again)

    # what the gateway asks

    def cards(self) -> tuple[ModelCard, ...]:
        """See `api.Leasing`: a model that runs on any host runs."""
        hosts = self._hosts()
        return tuple(host_words.among_hosts(card, hosts) for card in self._leases.cards())

    def is_here(self, model: str) -> bool:
        """See `api.Routing`."""
        return serving_run(self._zoo.models.get(model)) is not None or model in self._zoo.externals

    def ask(self, model: str, holder: RoutedHolder) -> HostLease | ChoiceTicket | None:
        """See `api.Routing`."""
        return self._queued(self._ask(model, holder, _NONE))

    def look(self, model: str, holder: Holder) -> HostLease | None:
        """See `api.Routing`."""
        return self._look(model, holder, _NONE)

    def accepts(self, model: str) -> str:
        """See `api.Routing`."""
        if self._zoo.shutdown:
            return f"zoosup on {self._node} is shutting down"
        if self.is_here(model) or self._may_serve(model):
            return ""
        return f"{self._node} neither runs {model} nor may start it now"

    def may_be_gone(self, node: str) -> bool:
        """See `api.Routing`."""
        return not self._hosts().there((node,))

    def present(self, headers: tuple[tuple[str, str], ...]) -> None:
        """See `api.Routing`."""
        self._headers = headers
        self._upstreams.clear()
        self._table = HostTable(_NOBODY)

    # what leases ask

    def lease_returned(self, lease: HostLease) -> None:
        """See `HostLeaseOwner`."""
        where = lease.node, lease.of
        self._out[where] -= 1
        if not self._out[where]:
            del self._out[where]

    def next_host(self, lease: HostLease) -> HostLease | ChoiceTicket | None:
        """See `HostLeaseOwner`."""
        self._silent[lease.node, lease.of] = self._zoo.clock.now() + SILENT
        tried = lease.tried | {lease.node}
        if self.is_here(lease.of):
            return None
        if not lease.counted:
            return self._look(lease.of, lease.holder, tried)
        holder: RoutedHolder = lease.holder  # type: ignore[assignment]  # only looks have another
        return self._queued(self._ask(lease.of, holder, tried, lease.since))

    # inside

    @property
    def _node(self) -> str:
        return self._zoo.fleet.node if self._zoo.fleet is not None else self._zoo.node

    def _hosts(self) -> HostTable:
        """The other hosts as they were last heard of."""
        fleet = self._zoo.fleet
        view = _NOBODY if fleet is None or fleet.view is None else fleet.view
        if self._table.view is not view:
            for node in view.hosts:
                if node not in self._upstreams:
                    self._upstreams[node] = Upstream(self._headers, node=node)
            self._table = HostTable.of(view, self._node, self._upstreams)
        return self._table

    def _ask(
        self, model: str, holder: RoutedHolder, tried: frozenset[str], since: float | None = None
    ) -> HostLease | ChoiceTicket | None:
        """See `api.Routing`; `since`: when it was first in want of a host that can be reached."""
        if self._zoo.shutdown:
            return None
        hosts = self._hosts()
        row = hosts.row(model)
        for peer in self._ready(model, row):
            if self._may_ask(peer, model, tried):
                return self._lease(peer, model, holder, tried, since)
        if self._starts_here(model):
            return None
        for peer in self._coming(model, row, hosts):
            if self._may_ask(peer, model, tried):
                return self._lease(peer, model, holder, tried, since)
        return self._of_no_run(model, row, holder, tried, since)

    def _of_no_run(
        self, model: str, row: Row, holder: RoutedHolder, tried: frozenset[str], since: float | None
    ) -> HostLease | ChoiceTicket | None:
        """What becomes of a request for a model that runs nowhere, as far as is known."""
        if self._node in row.placed:
            return None
        for peer in self._peers(row.placed):
            if self._may_ask(peer, model, tried):
                return self._lease(peer, model, holder, tried, since)
        spec, hosts = self._zoo.declared.models.get(model), self._hosts()
        on_demand = spec is not None and spec.on_demand
        away = hosts.running(model) - {self._node} if on_demand else hosts.there(row.placed)
        if away and (on_demand or not self._may_serve(model)) and self._may_wait(model, since):
            return HostTicket(model, holder, self._zoo.clock.now() if since is None else since)
        if on_demand:
            return self._wait_for_choice(model, holder, tried | away)
        self._say_who_has_it(model, row)
        return None

    def _look(self, model: str, holder: Holder, tried: frozenset[str]) -> HostLease | None:
        if not self.is_here(model):
            for peer in self._ready(model, self._hosts().row(model)):
                if self._may_ask(peer, model, tried):
                    return HostLease(self, model, holder, peer, tried, counted=False)
        return None

    def _ready(self, model: str, row: Row) -> Iterable[Peer]:
        """Those that answer for it now, the one first that has the least to do."""
        if len(row.ready) < 2:  # noqa: PLR2004 - there is no choice
            return row.answering
        found = sorted(row.ready, key=lambda each: each[0] + self._out.get((each[1].node, model), 0))
        return [peer for _, peer in found]

    def _coming(self, model: str, row: Row, hosts: HostTable) -> Iterator[Peer]:
        """Where somebody waits for it, those first that this host has sent there."""
        yield from (peer for node, peer in hosts.peers.items() if (node, model) in self._out)
        yield from row.coming

    def _peers(self, nodes: Iterable[str]) -> Iterator[Peer]:
        known = self._hosts().peers
        return (known[node] for node in nodes if node in known)

    def _starts_here(self, model: str) -> bool:
        known = self._zoo.models.get(model)
        run = None if known is None or known.phase not in SERVING_PHASES else known.run
        return (run is not None and not is_part(run.spec)) or self._leases.waits(model)

    def _may_serve(self, model: str) -> bool:
        """Whether a request may have it answer here; `spec` has the fleet's word of that."""
        spec, known = self._zoo.spec, self._zoo.spec.models.get(model)
        may = known is not None and (known.on_demand or (model in spec.active and not is_part(known)))
        return may or model in spec.externals or self._starts_here(model)

    def _may_ask(self, peer: Peer, model: str, tried: frozenset[str]) -> bool:
        if peer.node in tried:
            return False
        until = self._silent.get((peer.node, model)) if self._silent else None
        return until is None or until <= self._zoo.clock.now()

    def _lease(
        self, peer: Peer, model: str, holder: Holder, tried: frozenset[str], since: float | None = None
    ) -> HostLease:
        where = peer.node, model
        self._out[where] = self._out.get(where, 0) + 1
        return HostLease(self, model, holder, peer, tried, since=since)

    def _say_who_has_it(self, model: str, row: Row) -> None:
        """RefusedError where none that is to run it can be asked, and this host may not; no request starts it."""
        if self._may_serve(model) or model not in self._zoo.declared.active:
            return
        view = self._hosts().view
        raise RefusedError(host_words.runs_nowhere(model, row.placed, view, self._node))

    # a host that is away

    def _may_wait(self, model: str, since: float | None) -> bool:
        """Whether a host that is not lost yet may still come back before the fleet gives it up."""
        fleet, rules = self._zoo.fleet, gateway(self._zoo.spec)
        if fleet is None or self._queue.is_full(self._zoo.declared, model):
            return False
        waited = 0.0 if since is None else self._zoo.clock.now() - since
        return waited < min(fleet.spec.lost_after + DECIDES, rules.queue_timeout)

    def _queued(self, got: HostLease | ChoiceTicket | None) -> HostLease | ChoiceTicket | None:
        if isinstance(got, HostTicket):
            self._queue.add(got)
        return got

    def _ask_again(self, ticket: HostTicket) -> None:
        """One that waits for a host: whichever has the model now may be asked, those that were tried too."""
        if (holder := ticket.holder) is None:
            return
        try:
            got = self._ask(ticket.model, holder, _NONE, ticket.since)
        except RefusedError as error:
            holder.refused(error.refusal)
        else:
            if isinstance(got, HostTicket):
                self._queue.add(ticket)  # the one that its client may cancel
            elif isinstance(got, HostLease):
                holder.granted(got)
            elif got is None:
                holder.here()

    # on demand

    def _wait_for_choice(self, model: str, holder: RoutedHolder, tried: frozenset[str]) -> ChoiceTicket:
        ticket = ChoiceTicket(model, holder, tried)
        waiting = self._waiting.setdefault(model, [])
        waiting.append(ticket)
        if len(waiting) == 1:
            question = asyncio.get_running_loop().create_task(self._have_chosen(model))
            self._questions.add(question)
            question.add_done_callback(self._questions.discard)
        return ticket

    async def _have_chosen(self, model: str) -> None:
        """Ask for all that wait, those that come meanwhile too."""
        try:
            async with asyncio.timeout(PATIENCE):
                choice: Choice | None = await self._choose(model)
        except (ZoosupError, TimeoutError):
            choice = None
        for ticket in self._waiting.pop(model):
            if (holder := ticket.close()) is not None:
                self._send(ticket, holder, choice)

    def _send(self, ticket: ChoiceTicket, holder: RoutedHolder, choice: Choice | None) -> None:
        """Have one client's request answered where it was chosen; the next best that has not been asked, else."""
        model, tried = ticket.model, ticket.tried
        if choice is None or choice.node in tried:
            choice = self._best_known(model, tried)
        peer = next(self._peers([choice.node]), None)
        if choice.node == self._node or self._starts_here(model):
            holder.here()
        elif peer is not None and self._may_ask(peer, model, tried):
            holder.granted(self._lease(peer, model, holder, tried))
        else:
            holder.refused(host_words.of_choice(model, choice, self._hosts().without(tried), self._node))

    def _best_known(self, model: str, tried: frozenset[str]) -> Choice:
        """What the fleet would choose, as far as this host knows; who knows nobody is alone."""
        left = self._hosts().without(tried)
        if not left.hosts and self._may_serve(model):
            return Choice(self._node)
        return choose(left, model, self._node)
