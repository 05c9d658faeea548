"""Whatever people, models and strangers do in whatever order, the laws hold, and in the end there is peace."""

import os
import sys
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from tests.core import laws
from tests.core.clients import ENDINGS
from tests.core.temper import Temper
from tests.core.world import GIB, World
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
    stop=st.sampled_from([{}, {"before": {"http": "POST /drain"}}, {"grace": "1s"}]),
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
tempers = st.builds(
    Temper,
    load=st.sampled_from([0.1, 3.0, 30.0]),
    holds=st.sampled_from([0.0, 0.5, 0.9, 1.0, 1.2]),
    start=st.sampled_from(["ok", "ok", "refuses", "dies", "hangs"]),
    stop=st.sampled_from([0.0, 0.2, 12.0]),
    stuck=st.sampled_from([False, False, False, True]),
    release=st.sampled_from([0.01, 0.3, 6.0]),
    asleep=st.sampled_from([0.1, 0.1, 0.6]),
    sleepers=st.sampled_from(["ok", "ok", "ok", "insomniac", "oversleeps"]),
    amiss=st.sampled_from([None, None, None, Reason.FILE_MISSING, Reason.PORT]),
)


class Zoo(RuleBasedStateMachine):
    """Random lives of one host; the laws are asked at every fact and every plan."""

    def __init__(self):
        super().__init__()
        self.world = World()
        model = a_model("6GiB", ready={"deadline": "20s"}, restart=RESTART)
        patient = {"deadline": "20s"}
        asked = a_model("9GiB", on_demand=True, idle_timeout="20s", ready=patient, restart=RESTART)
        self.world.edit(a_zoo({"a": model, "b": model, "c": asked, "d": asked}, ["a"]))
        self.world.advance(3.0)

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
        self.world.edit(zoo.model_copy(update={"gateway": GatewaySpec.model_validate(gateway)}))
        self.world.advance(pause)

    @rule(pause=pauses, order=st.permutations(NAMES), wanted=st.integers(0, 3))
    def change_active(self, pause, order, wanted):
        active = tuple(n for n in order if n in self.world.spec.models)[:wanted]
        self.world.edit(self.world.spec.model_copy(update={"active": active}))
        self.world.advance(pause)

    @rule(pause=pauses, name=names, spec=specs)
    def edit_one(self, pause, name, spec):
        models = dict(self.world.spec.models) | {name: spec}
        self.world.edit(self.world.spec.model_copy(update={"models": models}))
        self.world.advance(pause)

    @rule(pause=pauses, name=names, grace=st.sampled_from(["1s", "2s", "30s"]))
    def live_edit(self, pause, name, grace):
        """8: nothing is stopped for it, unless it was to be stopped anyway."""
        model = self.world.spec.models.get(name)
        if model is not None:
            new = a_model(stop={"grace": grace}).stop
            models = dict(self.world.spec.models) | {name: model.model_copy(update={"stop": new})}
            self.world.edit(self.world.spec.model_copy(update={"models": models}))
        self.world.advance(pause)

    # people

    @rule(pause=pauses, name=names, verb=st.sampled_from(["start", "stop", "restart"]))
    def by_hand(self, pause, name, verb):
        if name in self.world.spec.models:
            self.world.ask(name, verb)
        self.world.advance(pause)

    # clients

    @rule(pause=pauses, name=names, hold=holds, count=st.sampled_from([1, 1, 3]))
    def request(self, pause, name, hold, count):
        for _ in range(count):
            self.world.request(name, hold)
        self.world.advance(pause)

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
        model = a_model(need, park=park, **usual)
        zoo = a_zoo(dict.fromkeys(NAMES, model), order[:wanted], cooldown={"max": "4s"})
        self.world.edit(zoo.model_copy(update={"gateway": GatewaySpec(patience=5.0, min_residency=3.0)}))
        for name in reversed(order[-rivals:]):
            self.world.request(name, hold)
            self.world.advance(gap)
        self.world.advance(pause)

    @rule(pause=pauses, which=st.integers(0, 5))
    def hang_up(self, pause, which):
        there = [c for c in self.world.desk.clients if c.ended is None]
        if there:
            self.world.hang_up(there[which % len(there)])
        self.world.advance(pause)

    # models

    @rule(pause=pauses, name=names, temper=tempers)
    def change_temper(self, pause, name, temper):
        self.world.tempers[name] = temper
        self.world.advance(pause)

    @rule(pause=pauses, name=names)
    def crash(self, pause, name):
        if name in self.world.models:
            self.world.kill(name)
        self.world.advance(pause)

    @rule(pause=pauses, name=names, what=st.sampled_from(["sick", "unready", "ready"]))
    def probe(self, pause, name, what):
        model = self.world.models.get(name)
        if model is None or model.run is None or model.run.ready_at is None:
            return
        run_id, now = model.run.id, self.world.now
        facts = {
            "sick": FoundSick(run_id, "hangs"),
            "unready": ProbedUnready(run_id, "503", now),
            "ready": ProbedReady(run_id, now),
        }
        self.world.tell(name, facts[what])
        self.world.turn()
        self.world.advance(pause)

    # the host

    @rule(pause=pauses, amount=st.sampled_from([0, 0, 4, 10, 18, 29, 40]))
    def strangers(self, pause, amount):
        self.world.foreign = amount * GIB
        self.world.advance(pause)

    @rule(pause=pauses, share=st.sampled_from([None, 0.0, 0.5]))
    def stalls(self, pause, share):
        self.world.stalled = share
        self.world.advance(pause)

    @rule(pause=pauses, room=st.sampled_from([-1.0, 0.1, 0.6, 1.5]))
    def shortage(self, pause, room):
        """Strangers leave so much of what is free above what models hold, in GiB: the reserve is 2."""
        self.world.foreign += self.world.free() - int(room * GIB)
        self.world.advance(pause)
        self.world.advance(4.0)
        self.world.foreign = 0

    @rule(pause=pauses, readable=st.sampled_from([True, True, False]))
    def blind(self, pause, readable):
        self.world.readable = readable
        self.world.advance(pause)

    @rule(pause=pauses, hints=st.booleans(), doubled=st.booleans())
    def unreliable(self, pause, hints, doubled):
        self.world.hints, self.world.doubled = hints, doubled
        self.world.advance(pause)

    @precondition(lambda self: self.world.told)
    @rule(pause=pauses, data=st.data())
    def replay(self, pause, data):
        """13: a fact about a run that is gone is told once more."""
        stale = [
            (n, f)
            for n, f in self.world.told[-200:]
            if hasattr(f, "run_id")
            and n in self.world.models
            and (self.world.models[n].run is None or self.world.models[n].run.id != f.run_id)
        ]
        if stale:
            name, fact = data.draw(st.sampled_from(stale))
            before = self.world.models[name]
            self.world.tell(name, fact)
            assert before == self.world.models[name]
        self.world.advance(pause)

    # time

    @rule(seconds=st.sampled_from([0.004, 0.02, 0.3, 1.0, 3.0, 12.0, 40.0]))
    def wait(self, seconds):
        self.world.advance(seconds)

    def teardown(self):
        if sys.exc_info()[0] is not None:
            return  # what a rule has found is not to be hidden by what follows from it
        self.make_peace()
        self.settle()
        self.nothing_more_happens()
        self.leave()

    def make_peace(self):
        """Faults end: what starts from now on works, what was stuck lets go, memory can be read."""
        world = self.world
        world.readable = world.hints = True
        world.doubled = False
        world.foreign, world.stalled = min(world.foreign, 18 * GIB), None
        for name in NAMES:
            mended = {"start": "ok", "sleepers": "ok", "stuck": False, "amiss": None, "load": 1.0}
            holds = min(1.0, world.temper(name).holds)
            world.tempers[name] = replace(world.temper(name), **mended, holds=holds)
        for process in world.processes:
            process.temper.stuck = False
        for name, model in world.models.items():
            if model.phase is Phase.UNREADY:
                world.tell(name, ProbedReady(model.run.id, world.now))

    def settle(self):
        """9: in bounded time, and with a bounded number of starts."""
        world = self.world
        before = len(world.starts)
        # Whoever is before it is ready, stays, drains for its grace period, ends and gives its memory back.
        turns = {c.model for c in world.desk.clients if c.ended is None}
        world.advance(120 + TURN * len(turns))
        laws.settled(world)
        self.everyone_has_been_answered()
        started = [name for _, name in world.starts[before:]]
        for name in NAMES:
            assert started.count(name) <= 4, f"{name} was started {started.count(name)} times"
        self.who_waits_first_can_not_run()

    def everyone_has_been_answered(self):
        """18: who still waits does so for what strangers hold, or for a port that a pinned model has."""
        world = self.world
        for client in world.desk.waiting():
            model = world.models[client.model]
            lasting = model.phase in {Phase.PENDING, Phase.ASLEEP} and model.reason in {
                Reason.MEMORY,
                Reason.PORT,
            }
            assert lasting, f"{client} waits though nothing is amiss: {model.phase} {model.reason}"
        assert not [c for c in world.desk.clients if c.answering]

    def who_waits_first_can_not_run(self):
        """The most important of those that wait for memory does not fit even without all that may leave for it."""
        world = self.world
        for name in world.last.wanted:
            model = world.models[name]
            if model.phase is Phase.PENDING and model.reason == Reason.MEMORY and world.short_since is None:
                later = set(world.last.wanted[world.last.wanted.index(name) + 1 :])
                later |= {n for n in world.models if n in world.spec.models and n not in world.last.wanted}
                assert not laws.fits_without(world, world.observed(), world.last, name, later)
                return

    def nothing_more_happens(self):
        """7: a host at peace is left alone, however often it is looked at."""
        world = self.world
        before = len(world.starts), len(world.stops)
        world.advance(30)
        assert before == (len(world.starts), len(world.stops))
        world.turn()
        assert not [a for a in world.last.actions if not isinstance(a, Inspect)]

    def leave(self):
        """When zoosup ends nothing is left."""
        self.world.end()
        self.world.advance(120)
        assert not [p for p in self.world.processes if p.alive]
        assert all(m.phase is Phase.STOPPED for m in self.world.models.values())
        assert {c.how for c in self.world.desk.clients} <= ENDINGS


TestZoo = pytest.mark.timeout(3600)(
    Zoo.TestCase
)  # a failing life is made as short as can be before it is shown
TestZoo.settings = settings(
    max_examples=int(os.environ.get("ZOOSUP_EXAMPLES", "80")),
    stateful_step_count=30,
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
