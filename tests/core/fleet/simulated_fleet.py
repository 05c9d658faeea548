"""A fleet in virtual time: hosts that obey, a controller that may die, and messages that are lost, late and doubled.

Hosts have RAM alone; a start takes `LOAD` seconds. What a host may do without the fleet it does: it goes on running
what it was last told, and keeps that over its own restart.
"""

import random
from dataclasses import dataclass, field
from types import SimpleNamespace

from zoosup.core.fleet.controller import Controller
from zoosup.core.fleet.words import (
    Assignment,
    FleetSpec,
    FleetView,
    HostReport,
    ModelNeed,
    ModelReport,
    PoolRoom,
)
from zoosup.core.state.observed import NO_SPAN
from zoosup.runtime.state.span_states import OtherHosts, span_states
from zoosup.spec.model.spans import PART
from zoosup.spec.span_forms import HOSTS_VARIABLE

STEP = 0.5
LOAD = 3.0
EVERY = 1.0
LOST_AFTER = 10.0


@dataclass
class File:
    """A text: its digest and the models that it has."""

    digest: str
    models: tuple

    def spec(self, generation=0, base=0):
        return FleetSpec(self.digest, generation, base, self.models, LOST_AFTER)


@dataclass
class SimulatedHost:
    node: str
    ram: int
    needs: dict
    file: File
    generation: int = 0
    base: int = 0
    runs: dict = field(default_factory=dict)  # when each becomes ready
    peers: dict = field(default_factory=dict)  # the hosts that those over several were started over
    waiting: dict = field(default_factory=dict)  # why those that are to run don't
    heard: float = float("-inf")
    heard_in_life: bool = False
    assignment: Assignment | None = None
    view: FleetView | None = None
    life: int = 0
    sequence: int = 0
    version: int = 0
    alive: bool = True
    connected: bool = True
    died: float = float("-inf")
    reported: float = float("-inf")
    stops: list = field(default_factory=list)

    def edit(self, file):
        if file.digest != self.file.digest:
            self.base, self.generation, self.file = self.generation or self.base, 0, file

    def kill(self, now):
        self.alive, self.died, self.runs, self.peers = False, now, {}, {}

    def start(self):
        self.alive, self.life, self.sequence, self.version = True, self.life + 1, 0, 0
        self.heard_in_life = False

    def report(self, now):
        self.sequence += 1
        models = {}
        for name in (each.name for each in self.file.models):
            need = ModelNeed(self.needs[name])
            if name in self.runs:
                ready = now >= self.runs[name]
                held = {"ram": self.needs[name]}
                phase, peers = "ready" if ready else "starting", self.peers.get(name, ())
                models[name] = ModelReport(phase, ready, need, held, peers=peers)
            elif name in self.waiting:
                models[name] = ModelReport("pending", need=need, reason=self.waiting[name])
            else:
                models[name] = ModelReport(need=need)
        return HostReport(
            self.node,
            address=self.node,
            pools=(PoolRoom("ram", "RAM", self.ram, self.ram),),
            models=models,
            spec=self.file.spec(self.generation, self.base),
            assignment=self.assignment or Assignment(),
            known=() if self.view is None else tuple(self.view.hosts),
            drains={} if self.view is None else self.view.drains,
            epoch=0 if self.view is None else self.view.epoch,
            generation=0 if self.view is None else self.view.spec.generation,
            life=f"{self.node}{self.life}",
            sequence=self.sequence,
        )

    def hear(self, answer, now=0.0):
        self.heard, self.heard_in_life = now, True
        view = answer.view
        if view is not None and self.view is not None and order(view) < order(self.view):
            return
        self.view, self.version = view or self.view, answer.version
        told = answer.assignment
        if told is not None and (self.assignment is None or rank(told) > rank(self.assignment)):
            self.assignment = told
        if view is not None and view.spec.digest == self.file.digest:
            self.generation, self.base = view.spec.generation, 0

    def obey(self, now):
        """Stop what is not to run, start what is, the first of `active` first."""
        known = {each.name for each in self.file.models if each.priority is not None}
        wanted = [] if self.assignment is None else [name for name in self.assignment.models if name in known]
        spans, told = self.spans(now), self.assignment or Assignment()
        for name in list(self.runs):
            span, peers = spans.get(name, NO_SPAN), self.peers.get(name, ())
            stale = name not in wanted or peers != told.peers.get(name, ())
            if span.broken or (stale and not span.needed):
                self.stops.append((now, name, now >= self.runs.pop(name)))
                self.peers.pop(name, None)
        self.waiting = {}
        for name in [name for name in wanted if name not in self.runs]:
            if sum(self.needs[each] for each in self.runs) + self.needs[name] > self.ram:
                self.waiting[name] = "WaitingForMemory"
            elif spans.get(name, NO_SPAN).waits:
                self.waiting[name] = "WaitingForHosts"
            else:
                self.runs[name] = now + LOAD
                if name in told.peers:
                    self.peers[name] = told.peers[name]

    def spans(self, now):
        """What the host itself makes of models over several: the same function as zoosup's."""
        declared = SimpleNamespace(models={each.name: each for each in self.file.models})
        connected = now - self.heard <= LOST_AFTER
        runs = {name: self._run(name, peers) for name, peers in self.peers.items()}
        here = OtherHosts(self.assignment, self.view, connected, self.heard_in_life)
        return span_states(here, declared, runs)

    def _run(self, name, peers):
        spec = SimpleNamespace(
            spans=len(peers) if peers[0] == self.node else PART, env={HOSTS_VARIABLE: ",".join(peers)}
        )
        return SimpleNamespace(name=name, run=SimpleNamespace(spec=spec))


def rank(told):
    return told.generation, told.epoch, told.number


def order(view):
    return view.spec.generation, view.epoch, view.number


class SimulatedFleet:
    """Hosts, one controller (or two, of which each host has one), and the way between them."""

    def __init__(self, hosts, seed=0, *, loss=0.0, doubled=0.0):
        self.hosts = {each.node: each for each in hosts}
        self.now = 0.0
        self.random = random.Random(seed)
        self.loss, self.doubled = loss, doubled
        self.controllers = {"": Controller(self.now)}
        self.of = dict.fromkeys(self.hosts, "")
        self.up = {"": True}
        self.late: list = []
        self.reports = 0

    @property
    def controller(self):
        return self.controllers[""]

    def heal(self):
        """Everybody is there again, and is reached."""
        for host in self.hosts.values():
            host.connected = True
            if not host.alive:
                host.start()

    def run(self, seconds, check=None):
        end = self.now + seconds
        while self.now < end:
            self.step()
            if check is not None:
                check()

    def step(self):
        self.now += STEP
        for host in self.hosts.values():
            if host.alive:
                host.obey(self.now)
        for host in self.hosts.values():
            if host.alive and host.connected and self.now - host.reported >= EVERY:
                host.reported = self.now
                self._poll(host)
        for name, controller in self.controllers.items():
            if self.up[name]:
                controller.tick(self.now)

    def _poll(self, host):
        name = self.of[host.node]
        if not self.up[name]:
            return
        controller = self.controllers[name]
        report = host.report(self.now)
        if self.late and self.random.random() < self.doubled:
            controller.hear(self.random.choice(self.late), self.now)
        if self.random.random() < self.loss:
            self.late = [*self.late, report][-5:]
            return
        self.reports += 1
        controller.hear(report, self.now)
        controller.tick(self.now)
        if self.random.random() >= self.loss:
            host.hear(controller.answer(host.node, host.version, self.now), self.now)
        if self.random.random() < self.doubled:
            controller.hear(report, self.now)

    def restart_controller(self, name=""):
        self.controllers[name] = Controller(self.now)
        self.up[name] = True

    # what is so

    def ready(self, model):
        return [
            h.node for h in self.hosts.values() if h.alive and self.now >= h.runs.get(model, float("inf"))
        ]

    def running(self, model):
        return [h.node for h in self.hosts.values() if h.alive and model in h.runs]

    def placements(self):
        return dict(self.controller.view(self.now).placements)
