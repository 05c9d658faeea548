"""DESIGN §6: under any load that doesn't end nobody starves; `patience` and `min_residency` bound what each one waits.

More models are asked for than fit, each of them without a pause, so that none is ever idle. No faults: what is late is
late by policy.
"""

import pytest
from hypothesis import given, settings, strategies as st

from tests.core.simulation.fault_profile import FaultProfile
from tests.core.simulation.simulated_host import SimulatedHost
from tests.core.zoo import a_model, a_zoo
from zoosup.spec.model.gateway import GatewaySpec

NAMES = "abcd"
GRACE, STOP, RELEASE, COOLDOWN = 2.0, 0.5, 0.3, 4.0
LONG = 80.0
"""Seconds that the load is watched; it doesn't end."""


@st.composite
def loads(draw):
    """A file with on-demand models, and for each the seconds between its requests and until each answer's end."""
    fits = draw(st.sampled_from([1, 2]))
    rivals = draw(st.integers(fits + 1, len(NAMES)))
    park = draw(st.sampled_from([None, {"sleep": "POST /sleep", "wake": "POST /wake_up"}]))
    patience, residency = draw(st.sampled_from([0.0, 2.0, 4.0])), draw(st.sampled_from([0.0, 2.0, 4.0]))
    active = draw(st.sampled_from([(), ("a",)]))
    spec = a_crowded_zoo(fits, rivals, patience, residency, park, active)
    pace = st.tuples(st.sampled_from([1.0, 2.0, 5.0]), st.sampled_from([1.5, 3.0]))
    paces = draw(st.lists(pace, min_size=rivals, max_size=rivals))
    starts = draw(st.lists(st.sampled_from([0.0, 0.5, 4.0, 20.0]), min_size=rivals, max_size=rivals))
    load = draw(st.sampled_from([0.5, 3.0]))
    return spec, paces, starts, load


def a_crowded_zoo(fits, rivals, patience, residency, park=None, active=()):
    """So many on-demand models, of which so many fit at once."""
    rest = {"idle_timeout": "0s", "stop": dict.fromkeys(("drain", "grace"), f"{GRACE:g}s"), "park": park}
    model = a_model("9GiB" if fits == 1 else "6GiB", on_demand=True, **rest)
    spec = a_zoo(dict.fromkeys(NAMES[:rivals], model), active, "16GiB", cooldown={"max": f"{COOLDOWN:g}s"})
    rules = GatewaySpec(patience=patience, min_residency=residency, queue_timeout=3600.0)
    return spec.model_copy(update={"gateway": rules})


def turn(spec, load):
    """What one model may take: it loads, stays for all of residency and patience, then ends and is gone."""
    return spec.gateway.patience + spec.gateway.min_residency + GRACE + STOP + COOLDOWN + load + 1.0


def keep_asking(sim, name, gap, hold):
    """One more client each `gap` seconds, whose answer takes longer than that: the model is never idle."""
    sim.request(name, hold)
    sim.after(gap, lambda: keep_asking(sim, name, gap, hold))


def waits(spec, paces, starts, load):
    """The longest that a client has waited so far, every two seconds; none may be refused."""
    sim = SimulatedHost()
    sim.profiles = {name: FaultProfile(load=load, stop=STOP, release=RELEASE) for name in spec.models}
    sim.edit(spec)
    for name, (gap, factor), start in zip(spec.models, paces, starts, strict=True):
        sim.after(start, lambda n=name, g=gap, f=factor: keep_asking(sim, n, g, f * g))
    begun = sim.now
    while sim.now < begun + LONG:
        sim.advance(2.0)
        yield max((sim.now - client.since for client in sim.leases.waiting()), default=0.0)
        for client in sim.leases.clients:
            assert client.how != "refused", f"{client} is refused though it fits, in its turn"
        sim.leases.clients = [c for c in sim.leases.clients if c.ended is None]


@pytest.mark.timeout(3600)
@settings(max_examples=settings().max_examples // 8)
@given(loads())
def test_nobody_waits_for_longer_than_the_rules_and_the_rivals_take(drawn):
    """Every rival comes before it in turn, and its own model too, where it was closed to those who came late."""
    spec, _, _, load = drawn
    bound = len(spec.models) * turn(spec, load)
    for waited in waits(*drawn):
        assert waited <= bound, f"somebody has waited for {waited:.1f} s, {bound:.1f} would do"


def test_one_who_comes_when_its_model_is_closed_waits_for_the_rivals_alone():
    """By seed 184676945640371489688373416865980037571: once it waited for the rest of its own turn, too."""
    spec = a_crowded_zoo(1, 4, patience=0.0, residency=0.0)
    assert max(waits(spec, [(1.0, 1.5)] * 3 + [(2.0, 1.5)], [0.0, 0.0, 0.5, 0.5], 3.0)) <= 3 * turn(spec, 3.0)


def test_clients_who_come_while_their_model_loads_share_its_turn():
    """Else a turn serves fewer than come meanwhile, and the queues grow for ever; the look at files once hid that."""
    spec = a_crowded_zoo(1, 2, patience=0.0, residency=0.0)
    assert max(waits(spec, [(1.0, 1.5)] * 2, [0.0] * 2, 0.5)) <= turn(spec, 0.5)
