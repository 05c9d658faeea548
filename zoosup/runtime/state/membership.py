"""This host as one of a fleet: what it was last told to run, what is known of all hosts, and how old that is.

    the spec in force  =  the file, `active` narrowed to what the fleet has given this host, and of models over
                          several hosts what this one runs

An answer is taken in whenever it comes, and counts only where it is later than the last; the single writer looks at
what has come of it at its next turn, so that one that is lost, late or doubled costs latency and nothing else. Refuses
to know how the fleet is reached. Imported only where zoo.yaml has a `fleet`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from zoosup.core.fleet import wire
from zoosup.core.fleet.words import Answer, Assignment, FleetView, HostReport, HostView
from zoosup.core.state.observed import Model, Span, Switch, SwitchOutcome
from zoosup.runtime.clock import Clock
from zoosup.runtime.state.span_states import OtherHosts, span_states
from zoosup.spec.model.fleet import FleetSpec
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.zoo import ZooSpec
from zoosup.spec.span_forms import on_host

_NOTHING = Assignment()

NEVER_HEARD = "the fleet has not answered yet"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the fleet does not answer, as far as somebody knows: a code for programs, and words."""

    reason: str
    message: str


@dataclass(slots=True)
class Membership:
    """One host's place in the fleet. `named` is what the host is called where the file does not say.

    `digest`, `generation` and `base` are the text's in force, as in `FleetSpec`; `heard_at` is a time of `clock.now`.
    """

    clock: Clock
    spec: FleetSpec
    named: str
    digest: str = ""
    generation: int = 0
    base: int = 0
    assignment: Assignment | None = None
    view: FleetView | None = None
    heard_at: float | None = None
    trouble: Trouble | None = None
    address: str = ""  # by which other hosts reach this one; "" where it is not known yet
    joined_at: float = field(default=0.0)  # when this zoosup began to be one of the fleet
    _edited_at: float | None = field(
        default=None, repr=False
    )  # an edit of the file that the fleet has not seen
    _kept: tuple[FleetView, dict[str, Any]] | None = field(default=None, repr=False, compare=False)

    # what others look at

    @property
    def node(self) -> str:
        """What this host is called."""
        return self.spec.node or self.named

    @property
    def age(self) -> float | None:
        """Seconds since the fleet has last answered, `view` being as old as that; None: it never has."""
        return None if self.heard_at is None else max(0.0, self.clock.now() - self.heard_at)

    @property
    def connected(self) -> bool:
        """Whether the fleet answers: it has within `lost_after`."""
        age = self.age
        return age is not None and age <= self.spec.lost_after

    @property
    def drained(self) -> bool:
        """Whether a person has told the fleet that this host is to be empty."""
        return self.assignment is not None and self.assignment.drained

    @property
    def file_is_old(self) -> bool:
        """Whether the fleet has a file that is newer than this host's."""
        return self.view is not None and self.node in self.view.old_files

    @property
    def twin(self) -> str:
        """The address of another host that is called like this one, and is heard in its place; "" where none is."""
        known = None if self.view is None else self.view.hosts.get(self.node)
        there = "" if known is None else known.report.address
        return there if self.address and there != self.address else ""

    # what the fleet says

    def hear(self, answer: Answer) -> bool:
        """Take an answer in; whether anything in it concerns the single writer."""
        view = answer.view
        if view is not None and self.view is not None and _order(view) < _order(self.view):
            return False  # of a controller that has been followed by another, or overtaken on its way
        before = self._concerns()
        self.view = self.view if view is None else _with_unheard(view, self.view)
        self.heard_at, self.trouble = self.clock.now(), None
        told = answer.assignment
        if (
            told is not None
            and not self.twin
            and (self.assignment is None or rank(told) > rank(self.assignment))
        ):
            self.assignment = told
        if view is not None and view.spec.digest == self.digest:
            self.generation, self.base = view.spec.generation, 0
            if _is_decided(view):  # until then, what it says is of the file before
                self._edited_at = None
        return before != self._concerns()

    def note_trouble(self, trouble: Trouble | None) -> bool:
        """Remember why the fleet does not answer; whether that is news."""
        before, self.trouble = self.trouble, trouble
        return before != trouble

    def _concerns(self) -> object:
        """All that a turn acts on, shows or writes down for the next zoosup."""
        view, unheard = self.view, self.heard_at is None
        seen = None if view is None else (view.partitioned, view.settling, view.placements, view.drains)
        others = () if view is None else tuple(_parts(view))
        file = self.file_is_old, self.generation, self.base, self._edited_at
        return self.assignment, seen, others, file, self.trouble, unheard, self.twin

    # what the file says

    def take_file(self, spec: FleetSpec, digest: str) -> None:
        """The text with this digest is in force from now on."""
        self.spec = spec
        if digest == self.digest:
            return
        self.base = self.generation or self.base
        self.generation, self.digest = 0, digest
        if self.view is not None and self.view.spec.digest == digest:
            self.generation, self.base = self.view.spec.generation, 0
        self._edited_at = None if self.generation else self.clock.now()

    @property
    def undecided_until(self) -> float | None:
        """Until when the fleet may still say who takes over from those that an edit took out; None: it has, or may not.

        As long as that they serve on, as before a switch on one host.
        """
        if self._edited_at is None or self.assignment is None:
            return None
        until = self._edited_at + self.spec.lost_after
        return until if until > self.clock.now() else None

    # both together

    def in_force(self, declared: ZooSpec) -> ZooSpec:
        """What of the file is for this host: the models it is to run, and those that a request may start here."""
        active = tuple(name for name in declared.active if self._is_here(name, declared.models[name]))
        shut = {
            name: spec.model_copy(update={"on_demand": False})
            for name, spec in declared.models.items()
            if spec.on_demand and name not in active and not self.may_run(spec)
        }
        told = self.assignment or _NOTHING
        shared = {
            name: on_host(spec, told.peers[name], told.ranks[name])
            for name, spec in declared.models.items()
            if spec.spans > 1 and name in told.ranks
        }
        if active == declared.active and not shut and not shared:
            return declared
        return declared.model_copy(update={"active": active, "models": {**declared.models, **shut, **shared}})

    def spans(self, declared: ZooSpec, models: Mapping[str, Model]) -> dict[str, Span]:
        """What the others' reports say of each model over several hosts."""
        heard = self.heard_at is not None and self.heard_at >= self.joined_at
        return span_states(OtherHosts(self.assignment, self.view, self.connected, heard), declared, models)

    def may_run(self, spec: ModelSpec) -> bool:
        """Whether a request may start it here: the file lets this host have it, and no person wants it empty."""
        if self.drained:
            return False
        if isinstance(spec.hosts, Mapping):
            return spec.hosts.items() <= self.spec.labels.items()
        return not spec.hosts or self.node in spec.hosts

    def _is_here(self, name: str, spec: ModelSpec) -> bool:
        if self.assignment is None:
            return spec.hosts == (self.node,)  # nobody else can have it, so that there is nothing to ask
        return name in self.assignment.models

    def kept_switch(self, switch: Switch | None, declared: ZooSpec, here: ZooSpec) -> Switch | None:
        """A switch without those that the fleet has given to other hosts: none of them is to be brought back.

        While it has not decided on an edit, those that come may still come here.
        """
        if switch is None or switch.outcome is SwitchOutcome.DONE:
            return switch
        open_to_all = self.undecided_until is not None
        coming = tuple(
            n for n in switch.incoming if n in here.active or (open_to_all and n in declared.active)
        )
        going = tuple(n for n in switch.outgoing if n not in declared.active)
        if (coming, going) == (switch.incoming, switch.outgoing):
            return switch
        return replace(switch, incoming=coming, outgoing=going) if coming and going else None

    # across restarts

    def written(self) -> dict[str, Any]:
        """What the next zoosup has to know; only what routes requests is kept of the view."""
        return {
            "head": self.spec.head,
            "digest": self.digest,
            "generation": self.generation,
            "base": self.base,
            "assignment": None if self.assignment is None else wire.to_wire(self.assignment),
            "view": self._written_view(),
            "heard_at": None if self.heard_at is None else round(self.clock.wall_of(self.heard_at), 1),
        }

    def read(self, kept: Mapping[str, Any], stamp: Any) -> None:
        """Take in what an earlier zoosup, of any version, has written.

        ValueError, TypeError or KeyError where it can't be read.
        """
        if (assignment := kept.get("assignment")) is not None:
            self.assignment = wire.from_wire(Assignment, assignment)
        if kept.get("digest") == self.digest:
            self.generation, self.base = int(kept["generation"]), int(kept.get("base", 0))
            self._edited_at = None
        else:
            self.base = int(kept["generation"]) or int(kept.get("base", 0))
        if (view := kept.get("view")) is not None:
            self.view = wire.from_wire(FleetView, view)
            self.heard_at = self.clock.recall(float(kept["heard_at"]), stamp)

    def _written_view(self) -> dict[str, Any] | None:
        if self.view is None:
            return None
        if self._kept is None or self._kept[0] is not self.view:
            self._kept = self.view, wire.to_wire(_routes(self.view))
        return self._kept[1]


def rank(told: Assignment) -> tuple[int, int, int]:
    """By which of two assignments the later is known."""
    return told.generation, told.epoch, told.number


def _is_decided(view: FleetView) -> bool:
    """Whether the fleet has said of each active model of its file where it runs, or why nowhere."""
    active = {model.name for model in view.spec.models if model.priority is not None}
    return not view.settling and active <= {*view.placements, *view.refusals}


def _parts(view: FleetView) -> Iterator[object]:
    """What each host has of models over several, as far as the others wait for it."""
    for model in (each.name for each in view.spec.models if each.spans > 1):
        for host in view.hosts.values():
            told, found = host.report.assignment.peers.get(model), host.report.models.get(model)
            has = None if found is None else (bool(found.held), found.ready, found.peers)
            yield host.report.address, host.lost, told, has


def _with_unheard(view: FleetView, before: FleetView | None) -> FleetView:
    """What a controller says that has not heard everybody yet, with what is known from before of the others.

    They answer for their models all the same; once it has settled it is believed that they are lost.
    """
    if before is None or not (view.settling or view.partitioned):
        return view
    silent = {
        n: host for n, host in before.hosts.items() if n not in view.hosts or not view.hosts[n].report.life
    }
    return replace(view, hosts={**view.hosts, **silent}, placements=view.placements or before.placements)


def _order(view: FleetView) -> tuple[int, int, int]:
    return view.spec.generation, view.epoch, view.number


def _routes(view: FleetView) -> FleetView:
    """The view without what changes all the time, and without what means nothing after a restart."""
    return replace(
        view, hosts={node: _route(each) for node, each in view.hosts.items()}, settling=False, refusals={}
    )


def _route(host: HostView) -> HostView:
    report = host.report
    ready = {n: replace(m, inflight=0, waiting=0, idle=None) for n, m in report.models.items() if m.ready}
    return HostView(
        HostReport(report.node, report.address, report.gateway, report.labels, models=ready), lost=host.lost
    )
