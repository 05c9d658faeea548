"""Whatever people, models and strangers do in whatever order, the laws hold, and in the end there is peace."""

import sys
from dataclasses import replace

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from tests.core.simulation import laws
from tests.core.simulation.clients import ENDINGS
from tests.core.simulation.fault_profile import FaultProfile
from tests.core.simulation.simulated_host import GIB, SimulatedHost
from tests.core.zoo import a_model, a_zoo
from zoosup.core.state.actions import Inspect
from zoosup.core.state.facts import FoundSick, ProbedReady, ProbedUnready
from zoosup.core.state.phases import Phase, Reason
from zoosup.spec.model.gateway import GatewaySpec

NAMES = "abcd"
RESTART = {"initial": "1s", "max": "8s", "reset_after": "20s"}

TURN = 60.0
"""Seconds that one model's clients can keep others waiting: patience, residency, grace, ladder, memory, load."""

SLEEPS = {"sleep": "POST /sleep", "wake": "POST /wake_up"}

names = st.sampled_from(NAMES)
needs = st.sampled_from(["1GiB", "4GiB", "6GiB", "9GiB", "15GiB", "40GiB", "auto"])
specs = st.builds(
    a_model,
    needs,
    command=st.sampled_from([["serve"], ["serve", "better"]]),
    port=st.sampled_from(["auto", "auto", "auto", 8000]),
    ready=st.sampled_from([{"deadline": "10s"}, {"deadline": "20s"}]),
    on_demand=st.booleans(),
    idle_timeout=st.sampled_from(["0s", "5s", "20s"]),
    max_inflight=st.sampled_from([0, 0, 1, 2]),
    park=st.sampled_from([None, None, SLEEPS, SLEEPS | {"holds": {"ram": "1GiB"}}]),
    stop=st.sampled_from(
        [
            {"drain": "30s"},
            {"drain": "30s", "before": {"http": "POST /drain"}},
            {"drain": "1s", "grace": "1s"},
        ]
    ),
    restart=st.sampled_from(
        [RESTART, RESTART | {"limit": {"count": 3, "within": "60s"}}, {"policy": "never"}]
    ),
)
switches = st.fixed_dictionaries(
    {
        "strategy": st.sampled_from(["auto", "auto", "overlap", "replace"]),
        "rollback": st.booleans(),
        "cooldown": st.sampled_from([{"max": "4s"}, {"min": "2s", "max": "4s"}]),
    }
)
gateways = st.sampled_from(
    [
        {"patience": "5s", "min_residency": "3s"},
        {"patience": "5s", "min_residency": "3s", "queue_timeout": "15s"},
        {"patience": "0s", "min_residency": "0s"},
    ]
)
holds = st.sampled_from([0.0, 0.3, 2.0, 8.0, 40.0])
pauses = st.sampled_from([0.0, 0.004, 0.02, 0.3, 1.0, 3.0, 3.0, 8.0, 12.0])
profiles = st.builds(
    FaultProfile,
    load=st.sampled_from([0.1, 3.0, 30.0]),
    holds=st.sampled_from([0.0, 0.5, 0.9, 1.0, 1.2]),
    start=st.sampled_from(["ok", "ok", "refuses", "dies", "hangs"]),
    stop=st.sampled_from([0.0, 0.2, 12.0]),
    stuck=st.sampled_from([False, False, False, True]),
    release=st.sampled_from([0.01, 0.3, 6.0]),
    asleep=st.sampled_from([0.1, 0.1, 0.6]),
    sleep=st.sampled_from(["ok", "ok", "ok", "wont_sleep", "wont_wake"]),
    amiss=st.sampled_from([None, None, None, Reason.FILE_MISSING, Reason.PORT]),
)


class Zoo(RuleBasedStateMachine):
    """Random lives of one host; the laws are asked at every fact and every plan."""

    def __init__(self):
        super().__init__()
        self.sim = SimulatedHost()
        model = a_model("6GiB", ready={"deadline": "20s"}, restart=RESTART)
        patient = {"deadline": "20s"}
        asked = a_model("9GiB", on_demand=True, idle_timeout="20s", ready=patient, restart=RESTART)
        self.sim.edit(a_zoo({"a": model, "b": model, "c": asked, "d": asked}, ["a"]))
        self.sim.advance(3.0)

    # the file

    @rule(
        pause=pauses,
        models=st.dictionaries(names, specs, max_size=4),
        order=st.permutations(NAMES),
        wanted=st.integers(0, 3),
        budget=st.sampled_from(["10GiB", "16GiB", "20GiB", "64GiB"]),
        switch=switches,
        gateway=gateways,
    )
    def rewrite(self, pause, models, order, wanted, budget, switch, gateway):
        active = [n for n in order if n in models][:wanted]
        zoo = a_zoo(models, active, budget, **switch)
        self.sim.edit(zoo.model_copy(update={"gateway": GatewaySpec.model_validate(gateway)}))
        self.sim.advance(pause)

    @rule(pause=pauses, order=st.permutations(NAMES), wanted=st.integers(0, 3))
    def change_active(self, pause, order, wanted):
        active = tuple(n for n in order if n in self.sim.spec.models)[:wanted]
        self.sim.edit(self.sim.spec.model_copy(update={"active": active}))
        self.sim.advance(pause)

    @rule(pause=pauses, name=names, spec=specs)
    def edit_one(self, pause, name, spec):
        models = dict(self.sim.spec.models) | {name: spec}
        self.sim.edit(self.sim.spec.model_copy(update={"models": models}))
        self.sim.advance(pause)

    @rule(pause=pauses, name=names, grace=st.sampled_from(["1s", "2s", "30s"]))
    def live_edit(self, pause, name, grace):
        """8: nothing is stopped for it, unless it was to be stopped anyway."""
        model = self.sim.spec.models.get(name)
        if model is not None:
            new = a_model(stop={"drain": grace, "grace": grace}).stop
            models = dict(self.sim.spec.models) | {name: model.model_copy(update={"stop": new})}
            self.sim.edit(self.sim.spec.model_copy(update={"models": models}))
        self.sim.advance(pause)

    # people

    @rule(pause=pauses, name=names, verb=st.sampled_from(["start", "stop", "restart"]))
    def by_hand(self, pause, name, verb):
        if name in self.sim.spec.models:
            self.sim.ask(name, verb)
        self.sim.advance(pause)

    # clients

    @rule(pause=pauses, name=names, hold=holds, count=st.sampled_from([1, 1, 3]))
    def request(self, pause, name, hold, count):
        for _ in range(count):
            self.sim.request(name, hold)
        self.sim.advance(pause)

    @rule(
        pause=pauses,
        order=st.permutations(NAMES),
        need=st.sampled_from(["6GiB", "9GiB", "15GiB"]),
        wanted=st.integers(0, 2),
        rivals=st.integers(2, 4),
        gap=pauses,
        hold=holds,
        park=st.sampled_from([None, SLEEPS, SLEEPS | {"holds": {"ram": "1GiB"}}]),
        on_demand=st.sampled_from([True, True, True, False]),
    )
    def crowd(self, pause, order, need, wanted, rivals, gap, hold, park, on_demand):
        """More is asked for than fits: whoever comes later has to wait, or to displace somebody."""
        patient = {"deadline": "20s"}
        usual = {"on_demand": on_demand, "idle_timeout": "20s", "ready": patient, "restart": RESTART}
        usual |= {"stop": {"drain": "30s"}}
        model = a_model(need, park=park, **usual)
        zoo = a_zoo(dict.fromkeys(NAMES, model), order[:wanted], cooldown={"max": "4s"})
        self.sim.edit(zoo.model_copy(update={"gateway": GatewaySpec(patience=5.0, min_residency=3.0)}))
        for name in reversed(order[-rivals:]):
            self.sim.request(name, hold)
            self.sim.advance(gap)
        self.sim.advance(pause)

    @rule(pause=pauses, which=st.integers(0, 5))
    def hang_up(self, pause, which):
        there = [c for c in self.sim.leases.clients if c.ended is None]
        if there:
            self.sim.hang_up(there[which % len(there)])
        self.sim.advance(pause)

    # models

    @rule(pause=pauses, name=names, profile=profiles)
    def change_profile(self, pause, name, profile):
        self.sim.profiles[name] = profile
        self.sim.advance(pause)

    @rule(pause=pauses, name=names)
    def crash(self, pause, name):
        if name in self.sim.models:
            self.sim.kill(name)
        self.sim.advance(pause)

    @rule(pause=pauses, name=names, what=st.sampled_from(["sick", "unready", "ready"]))
    def probe(self, pause, name, what):
        model = self.sim.models.get(name)
        if model is None or model.run is None or model.run.ready_at is None:
            return
        run_id, now = model.run.id, self.sim.now
        facts = {
            "sick": FoundSick(run_id, "hangs"),
            "unready": ProbedUnready(run_id, "503", now),
            "ready": ProbedReady(run_id, now),
        }
        self.sim.tell(name, facts[what])
        self.sim.turn()
        self.sim.advance(pause)

    @rule(pause=pauses, name=names, share=st.sampled_from([0.0, 0.5, 1.0]))
    def give_back(self, pause, name, share):
        """One that is awake gives a part of its memory back, or takes it again, as a server does that unloads."""
        for process in self.sim.processes:
            if process.model == name and process.alive:
                process.given_back = share
        self.sim.turn()
        self.sim.advance(pause)

    # the host

    @rule(pause=pauses, amount=st.sampled_from([0, 0, 4, 10, 18, 29, 40]))
    def strangers(self, pause, amount):
        self.sim.foreign = amount * GIB
        self.sim.advance(pause)

    @rule(pause=pauses, share=st.sampled_from([None, 0.0, 0.5]))
    def stalls(self, pause, share):
        self.sim.stalled = share
        self.sim.advance(pause)

    @rule(pause=pauses, room=st.sampled_from([-1.0, 0.1, 0.6, 1.5]))
    def shortage(self, pause, room):
        """Strangers leave so much of what is free above what models hold, in GiB: the reserve is 2."""
        self.sim.foreign += self.sim.free() - int(room * GIB)
        self.sim.advance(pause)
        self.sim.advance(4.0)
        self.sim.foreign = 0

    @rule(pause=pauses, readable=st.sampled_from([True, True, False]))
    def blind(self, pause, readable):
        self.sim.readable = readable
        self.sim.advance(pause)

    @rule(pause=pauses, hints=st.booleans(), doubled=st.booleans())
    def unreliable(self, pause, hints, doubled):
        self.sim.hints, self.sim.doubled = hints, doubled
        self.sim.advance(pause)

    @precondition(lambda self: self.sim.told)
    @rule(pause=pauses, data=st.data())
    def replay(self, pause, data):
        """13: a fact about a run that is gone is told once more."""
        stale = [
            (n, f)
            for n, f in self.sim.told[-200:]
            if hasattr(f, "run_id")
            and n in self.sim.models
            and (self.sim.models[n].run is None or self.sim.models[n].run.id != f.run_id)
        ]
        if stale:
            name, fact = data.draw(st.sampled_from(stale))
            before = self.sim.models[name]
            self.sim.tell(name, fact)
            assert before == self.sim.models[name]
        self.sim.advance(pause)

    # time

    @rule(seconds=st.sampled_from([0.004, 0.02, 0.3, 1.0, 3.0, 12.0, 40.0]))
    def wait(self, seconds):
        self.sim.advance(seconds)

    def teardown(self):
        if sys.exc_info()[0] is not None:
            return  # what a rule has found is not to be hidden by what follows from it
        self.make_peace()
        self.settle()
        self.nothing_more_happens()
        self.leave()

    def make_peace(self):
        """Faults end: what starts from now on works, what was stuck lets go, memory can be read."""
        sim = self.sim
        sim.readable = sim.hints = True
        sim.doubled = False
        sim.foreign, sim.stalled = min(sim.foreign, 18 * GIB), None
        for name in NAMES:
            mended = {"start": "ok", "sleep": "ok", "stuck": False, "amiss": None, "load": 1.0}
            holds = min(1.0, sim.profile(name).holds)
            sim.profiles[name] = replace(sim.profile(name), **mended, holds=holds)
        for process in sim.processes:
            process.profile.stuck, process.given_back = False, 0.0
        for name, model in sim.models.items():
            if model.phase is Phase.UNREADY:
                sim.tell(name, ProbedReady(model.run.id, sim.now))

    def settle(self):
        """9: in bounded time, and with a bounded number of starts."""
        sim = self.sim
        before = len(sim.starts)
        # Whoever is before it is ready, stays, drains for its grace period, ends and gives its memory back.
        turns = {c.model for c in sim.leases.clients if c.ended is None}
        sim.advance(120 + TURN * len(turns))
        laws.settled(sim)
        self.everyone_has_been_answered()
        started = [name for _, name in sim.starts[before:]]
        for name in NAMES:
            assert started.count(name) <= 4, f"{name} was started {started.count(name)} times"
        self.who_waits_first_can_not_run()

    def everyone_has_been_answered(self):
        """18: who still waits does so for what strangers hold, or for a port that a pinned model has."""
        sim = self.sim
        for client in sim.leases.waiting():
            model = sim.models[client.model]
            lasting = model.phase in {Phase.PENDING, Phase.ASLEEP} and model.reason in {
                Reason.MEMORY,
                Reason.PORT,
            }
            assert lasting, f"{client} waits though nothing is amiss: {model.phase} {model.reason}"
        assert not [c for c in sim.leases.clients if c.answering]

    def who_waits_first_can_not_run(self):
        """The most important of those that wait for memory does not fit even without all that may leave for it."""
        sim = self.sim
        for name in sim.last.wanted:
            model = sim.models[name]
            if model.phase is Phase.PENDING and model.reason == Reason.MEMORY and sim.short_since is None:
                later = set(sim.last.wanted[sim.last.wanted.index(name) + 1 :])
                later |= {n for n in sim.models if n in sim.spec.models and n not in sim.last.wanted}
                assert not laws.fits_without(sim, sim.observed(), sim.last, name, later)
                return

    def nothing_more_happens(self):
        """7: a host at peace is left alone, however often it is looked at."""
        sim = self.sim
        before = len(sim.starts), len(sim.stops)
        sim.advance(30)
        assert before == (len(sim.starts), len(sim.stops))
        sim.turn()
        assert not [a for a in sim.last.actions if not isinstance(a, Inspect)]

    def leave(self):
        """When zoosup ends nothing is left."""
        self.sim.end()
        self.sim.advance(120)
        assert not [p for p in self.sim.processes if p.alive]
        assert all(m.phase is Phase.STOPPED for m in self.sim.models.values())
        assert {c.how for c in self.sim.leases.clients} <= ENDINGS


# A failing life is made as short as can be before it is shown, which takes minutes.
TestZoo = pytest.mark.timeout(3600)(Zoo.TestCase)
TestZoo.settings = settings(max_examples=settings().max_examples * 3 // 10, stateful_step_count=30)
