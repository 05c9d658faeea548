"""The fleet's controller: hears reports, holds leases, decides who runs what, and tells it. Its state is soft.

All that it knows it has from reports; one that begins learns it anew, and moves nothing before it does. Times are
seconds of any clock; one that goes back is taken to stand still. Refuses to know who carries reports and answers.

    settling      it has begun, or has been cut off: until everybody reports whom somebody knows, or a lease is over
    partitioned   fewer than half of the known hosts report: it is the one that is cut off, and moves nothing
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from zoosup.core.fleet.assignments import assigned_to, claims, is_anothers, is_same
from zoosup.core.fleet.choose import choose
from zoosup.core.fleet.drains import Drains
from zoosup.core.fleet.generations import Generations
from zoosup.core.fleet.leases import Lease, Leases
from zoosup.core.fleet.news import material
from zoosup.core.fleet.placement.assign import Assigned, assign
from zoosup.core.fleet.placement.hosts import Host
from zoosup.core.fleet.placement.placing import active_models
from zoosup.core.fleet.refused import Refused
from zoosup.core.fleet.stalled import Stalled
from zoosup.core.fleet.surplus import Surplus, with_kept
from zoosup.core.fleet.words import Answer, Assignment, Choice, FleetView, HostReport, HostView

APART = 0.25
"""Seconds between two decisions at least: what happens at once is decided on at once."""

ROOM = 1.0
"""Seconds after which freer memory counts for a model that has not found room."""

FIGURES = 0.1
"""Seconds, for each host of the fleet, between two views of a host in which nothing but figures has changed."""

PROMISE = 5.0
"""Seconds for which a choice counts though the host does not tell of it."""


class Controller:
    """One life of the controller.

    Call `hear` with each report, `tick` every few 100 ms (0.25 s), and `answer` for each poll: at once where
    `changed(version)`, else when it becomes so or the poll's own time is over.
    """

    def __init__(self, now: float) -> None:
        self._leases = Leases(now)
        self._files = Generations()
        self._refused = Refused()
        self._surplus = Surplus()
        self._stalled = Stalled()
        self._drains = Drains()
        self._promised: dict[str, tuple[str, float]] = {}
        self._assigned = Assigned({}, {})
        self._told: dict[str, Assignment] = {}
        # When each host, in which life, was last given the view.
        self._shown: dict[str, tuple[float, str]] = {}
        self._epoch = 1
        self._number = 0
        self._version = 1
        self._settling_since: float | None = now
        self._begun = False  # whether it has decided anything yet
        self._partitioned = False
        self._due = True
        self._decided = float("-inf")

    @property
    def version(self) -> int:
        """Rises with each change that somebody waits for: of decisions, of who is there, of what is ready where.

        Figures of memory and in-flight requests are in the view of every answer, and wake nobody.
        """
        return self._version

    def changed(self, version: int) -> bool:
        """Whether there is more to tell than at that version."""
        return version != self._version

    def hear(self, report: HostReport, now: float) -> None:
        """Take a report. Doubled, late and reordered ones (by life and sequence) are passed over."""
        now = self._leases.look(now, self._lost_after)
        first = report.node not in self._leases.heard
        before = self._leases.hear(report, now, self._lost_after)
        if before is None:
            return
        self._learn(report, now, first=first)
        self._refused.hear(report, self._assigned.placements, now)
        self._forget_promises(report)
        if material(before) != material(report):
            self._note()
        elif self._surplus or self._is_short(now):
            self._due = True

    def tick(self, now: float) -> None:
        """Look whose lease is over, and decide what follows from all that was heard. Cheap where nothing did."""
        now = self._leases.look(now, self._lost_after)
        if self._leases.expire(now, self._lost_after):
            self._note()
        self._look_for_company(now)
        self._look_for_stalled(now)
        self._due = self._refused.forgive(now) or self._due
        waits = self._settling_since is not None or self._partitioned
        if self._due and not waits and now - self._decided >= APART:
            self._decide(now)

    def answer(self, node: str, version: int, now: float) -> Answer:
        """What a host is told that polls with the version of its last answer (0: it has had none).

        `assignment` is None while nothing is decided for it, and where it has obeyed the last already.
        """
        now = self._leases.look(now, self._lost_after)
        told, lease = self._told.get(node), self._leases.heard.get(node)
        obeyed = lease is not None and told is not None and is_same(lease.report.assignment, told)
        view = self.view(now) if self._wants_view(node, version, now) else None
        return Answer(None if obeyed else told, view, self._version)

    def _wants_view(self, node: str, version: int, now: float) -> bool:
        """Whether a host has not seen what has changed, or has had no figures for a while: they are many."""
        lease = self._leases.heard.get(node)
        life = "" if lease is None else lease.report.life
        shown, of = self._shown.get(node, (float("-inf"), ""))
        if not self.changed(version) and of == life and now - shown < FIGURES * len(self._leases.heard):
            return False
        self._shown[node] = now, life
        return True

    def view(self, now: float) -> FleetView:
        """What everybody sees."""
        now = self._leases.look(now, self._lost_after)
        hosts = {
            node: HostView(lease.shown, max(0.0, now - lease.heard), lease.lost)
            for node, lease in sorted(self._leases.heard.items())
        }
        for node in sorted(self._leases.silent):
            hosts[node] = HostView(HostReport(node), lost=self._begun)
        return FleetView(
            spec=self._files.spec,
            epoch=self._epoch,
            number=self._number,
            hosts=hosts,
            placements=self._assigned.placements,
            refusals=self._assigned.refusals,
            partitioned=self._partitioned,
            settling=self._settling_since is not None,
            old_files=tuple(n for n, host in hosts.items() if self._files.is_old(host.report.spec)),
            drains=self._drains.said,
        )

    def choose(self, model: str, node: str, now: float) -> Choice:
        """Where a model is to run that a request at `node` asks for, and that runs nowhere."""
        view = self.view(now)
        now = self._leases.look(now, self._lost_after)
        self._promised = {name: kept for name, kept in self._promised.items() if now - kept[1] < PROMISE}
        promised = {name: where for name, (where, _) in self._promised.items()}
        drained = {name for name, lease in self._leases.heard.items() if self._drains.on(lease.report)}
        choice = choose(view, model, node, promised=promised, drained=drained)
        if choice.node:
            self._promised.setdefault(model, (choice.node, now))
        return choice

    def drain(self, node: str, on: bool) -> str:
        """Keep a host empty, or no longer; "" or why that can't be. One that is lost is forgotten by being drained."""
        lease = self._leases.heard.get(node)
        if lease is None and node not in {*self._leases.silent, *self._drains.said}:
            return f"{node} is no host of this fleet"
        self._drains.say(node, on=on)
        if on and (lease is None or lease.lost):
            self._leases.forget([node])
        self._note()
        return ""

    @property
    def _lost_after(self) -> float:
        """As in the file in force, or in those that there are while none is."""
        if self._files.spec.digest or not self._leases.heard:
            return self._files.spec.lost_after
        return max(lease.report.spec.lost_after for lease in self._leases.heard.values())

    def _note(self) -> None:
        self._version += 1
        self._due = True

    # what is heard

    def _learn(self, report: HostReport, now: float, *, first: bool) -> None:
        """The file, and the word of another controller: where there has been one since, this one begins anew.

        What a host says of epochs after its `first` report it may have from here.
        """
        obeyed, told = report.assignment, self._told.get(report.node)
        epoch = max(report.epoch, obeyed.epoch)
        if self._drains.learn(report.drains) | self._files.learn(report.spec, obeyed.epoch):
            self._note()
        if not self._begun:
            self._epoch = max(self._epoch, epoch + 1 if first or epoch > self._epoch else 0)
        elif epoch > self._epoch or (told is not None and is_anothers(obeyed, told)):
            self._epoch = max(self._epoch, epoch) + 1
            self._begun, self._settling_since, self._told = False, now, {}
            self._note()
        elif obeyed.epoch == self._epoch:
            self._number = max(self._number, obeyed.number)
        if self._begun and self._settling_since is None:
            self._take_edit(report, now)

    def _take_edit(self, report: HostReport, now: float) -> None:
        self._files.reach(max(report.generation, report.assignment.generation))
        heard, digest = self._leases.heard.values(), self._files.spec.digest
        abandoned = not any(lease.report.spec.digest == digest for lease in heard if not lease.lost)
        if self._files.edit(report.spec, self._epoch, now, abandoned=abandoned):
            self._refused.clear()
            self._note()

    def _forget_promises(self, report: HostReport) -> None:
        """What the host tells of itself needs no promise."""
        for model, (node, _) in list(self._promised.items()):
            found = report.models.get(model)
            if node == report.node and found is not None and (found.held or found.waiting or found.refused):
                del self._promised[model]

    def _is_short(self, now: float) -> bool:
        """Whether somebody waits for memory, which may have come free."""
        return now - self._decided >= ROOM and bool(self._assigned.refusals or self._waiting())

    def _waiting(self) -> bool:
        heard = self._leases.heard
        return any(
            node in heard and not Host(heard[node].report).runs(model)
            for model, nodes in self._assigned.placements.items()
            for node in nodes
        )

    # what follows

    def _look_for_company(self, now: float) -> None:
        """Whether it knows enough to move anything."""
        if self._partitioned:
            if not self._leases.too_few:
                self._partitioned, self._settling_since = False, now
                self._note()
        elif self._settling_since is None:
            if self._leases.too_few:
                self._partitioned = True
                self._note()
        elif self._leases.all_there and (self._begun or self._leases.told_of_others):
            self._settle(now)
        elif self._leases.heard and now - self._settling_since > self._lost_after:
            self._leases.forget(self._drains.among(self._leases.silent))
            if self._leases.too_few:
                self._partitioned, self._settling_since = True, None
                self._note()
            else:
                self._settle(now)

    def _look_for_stalled(self, now: float) -> None:
        """Who keeps the other hosts of a model waiting is taken to refuse it."""
        for each in self._stalled.look(self._files.spec, self._assigned.placements, self._leases.heard, now):
            self._due = self._refused.add(*each, now) or self._due

    def _settle(self, now: float) -> None:
        self._settling_since = None
        if not self._begun:
            self._begun = True
            said = [lease.report for lease in self._leases.heard.values() if not lease.lost]
            self._assigned = Assigned(claims(self._files.spec, said), {})
        for lease in sorted(self._leases.heard.values(), key=lambda each: each.turn):
            self._take_edit(lease.report, now)
        self._note()

    def _decide(self, now: float) -> None:
        """Place everybody anew, and tell each host what has changed for it."""
        self._due, self._decided = False, now
        spec, before = self._files.spec, self._assigned
        hosts = {
            node: Host(lease.report, lease.lost, self._drains.on(lease.report), self._refused.of(node))
            for node, lease in self._leases.heard.items()
        }
        assigned = assign(spec, hosts, before.placements)
        alive = {node: lease for node, lease in self._leases.heard.items() if not lease.lost}
        alone = [model.name for model in active_models(spec) if model.spans == 1]
        kept = self._surplus.stays(assigned, alone, alive, self._leases.turn)
        self._assigned = replace(assigned, refusals=with_kept(assigned, kept))
        if self._tell(alive, kept) or self._assigned != before:
            self._version += 1

    def _tell(self, alive: Mapping[str, Lease], kept: Mapping[str, Sequence[str]]) -> bool:
        """The assignment of each host that is there; whether any is new."""
        spec, placements = self._files.spec, self._assigned.placements
        addresses = {node: lease.report.address for node, lease in alive.items()}
        number, told = self._number + 1, dict[str, Assignment]()
        for node, lease in alive.items():
            new = assigned_to(node, spec, placements, kept.get(node, ()), addresses)
            drained = self._drains.on(lease.report)
            new = replace(new, epoch=self._epoch, number=number, drained=drained)
            old = self._told.get(node)
            told[node] = old if old is not None and replace(old, number=number) == new else new
        news = any(each.number == number for each in told.values())
        self._number = number if news else self._number
        self._told = told
        return news
