"""The guard: who goes when the host itself runs short, one example for each sentence of its policy."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, strategies as st

from tests.core.zoo import (
    GIB,
    NODE,
    NOW,
    State,
    a_host,
    a_model,
    a_zoo,
    acts,
    condition,
    cooling_down,
    leaving,
    on_demand,
    parked,
    ready,
    resting,
    running,
    starting,
    stuck,
    waits,
    why,
)
from zoosup.core.scheduler import pressure
from zoosup.core.scheduler.cycle import Cycle
from zoosup.core.scheduler.demand import wanted
from zoosup.core.scheduler.plan import plan
from zoosup.core.scheduler.verdicts import Level
from zoosup.core.state.actions import Drain, Kill, Start, Stop
from zoosup.core.state.observed import Demand, Observed
from zoosup.core.state.phases import Cause, Phase
from zoosup.core.state.pools import Pool, Pressure
from zoosup.core.state.runs import Leaving
from zoosup.spec.model.zoo import ZooSpec

MIB = 2**20
SPARE = a_model("4GiB", on_demand=True)


def pressed(
    host: Observed,
    short: float | None = 10.0,
    low: float | None = None,
    stalled: float | None = None,
    demand: Mapping[str, Demand] | None = None,
) -> Observed:
    """The host after so many seconds under the reserve, and under half of it."""
    since = [None if seconds is None else host.now - seconds for seconds in (short, low)]
    nodes = tuple(
        replace(n, pressures=tuple(Pressure(p.id, *since, stalled, since[0], 0, host.now) for p in n.pools))
        for n in host.nodes
    )
    return replace(host, nodes=nodes, demand=demand or {})


def going(holds: str) -> State:
    """It leaves, not for the guard, and holds so much still."""
    return running(Phase.STOPPING, holds, leaving=Leaving(Cause.NOT_WANTED, "", NOW - 1, ladder=True))


def busy(inflight: int = 1) -> Demand:
    return Demand(inflight=inflight)


def idle_for(seconds: float) -> Demand:
    return Demand(last_used=NOW - seconds)


def zoo_of(*active: str, **models: Any) -> ZooSpec:
    """The reserve is 2 GiB, of 32 in all: hard under 1 GiB, critical under 491 MiB.

    On-demand models are active as well, so that nothing but the guard has a reason to stop them.
    """
    spare = [n for n, m in models.items() if not isinstance(m, str) and m.on_demand and n not in active]
    return a_zoo(models, (*active, *spare), budget="30GiB")


def victim(spec: ZooSpec, host: Observed) -> str | None:
    """Who goes, by the guard alone."""
    (shortage,) = pressure.shortages(Cycle(spec, host, wanted=wanted(spec, host, spec.active)))
    return shortage.victim


# what counts as pressure

POOL = Pool(NODE, "ram", "ram", "RAM", 32 * GIB, None, 30 * GIB, 2 * GIB)


def history(pool: Pool, *readings: tuple[float, int | None]) -> Pressure:
    known: Pressure | None = None
    for at, available in readings:
        known = pressure.followed(known, replace(pool, available=available), at, None)
    assert known is not None
    return known


def test_a_pool_is_short_since_it_fell_under_its_reserve():
    known = history(POOL, (1.0, 2 * GIB), (2.0, GIB), (3.0, GIB - 1), (4.0, 0))
    assert Pressure("ram", 2.0, 3.0, None, 2.0, 0, 4.0) == known


def test_a_pool_that_has_just_reached_its_reserve_again_still_counts_as_short():
    assert 1.0 == history(POOL, (1.0, GIB), (2.0, 2 * GIB + 127 * MIB)).short_since
    assert history(POOL, (1.0, GIB), (2.0, 2 * GIB + 128 * MIB)).short_since is None


def test_a_moment_above_half_the_reserve_begins_the_count_anew():
    assert 4.0 == history(POOL, (1.0, 0), (2.0, GIB), (4.0, 0)).low_since


def test_a_reading_that_fails_ends_all_pressure():
    assert Pressure("ram", read_at=2.0) == history(POOL, (1.0, 0), (2.0, None))


def test_a_dip_begins_the_count_anew_though_the_pool_has_counted_as_short_for_long():
    known = history(POOL, (1.0, GIB), (2.0, 2 * GIB + MIB), (9.0, 2 * GIB - MIB))
    assert (1.0, 9.0) == (known.short_since, known.settled_since)


@pytest.mark.parametrize(
    ("readings", "settled_since"),
    [
        ([(1.0, 0), (1.5, 500 * MIB)], 1.0),  # less than a third of what is missing
        ([(1.0, 0), (1.5, 700 * MIB)], 1.5),
        ([(1.0, 0), (1.5, 700 * MIB), (2.0, 1400 * MIB)], 2.0),
        ([(1.0, 0), (1.5, 400 * MIB), (2.0, 700 * MIB)], 2.0),
        ([(1.0, 700 * MIB), (1.5, 0), (2.0, 600 * MIB)], 1.0),
        ([(1.0, 2 * GIB - 80 * MIB), (1.5, 2 * GIB - 30 * MIB)], 1.0),  # noise
    ],
)
def test_memory_that_comes_back_by_itself_begins_the_count_anew(readings, settled_since):
    assert settled_since == history(POOL, *readings).settled_since


def test_the_kernels_stalls_are_no_gpus():
    gpu = replace(POOL, id="vram:GPU-a", kind="vram", available=0)
    assert pressure.followed(None, gpu, 1.0, 0.5).stalled is None
    assert 0.5 == pressure.followed(None, replace(POOL, available=0), 1.0, 0.5).stalled


@pytest.mark.parametrize(
    ("total", "reserve", "below"),
    [
        (16 * GIB, 16 * GIB // 10, 256 * MIB),
        (64 * GIB, 64 * GIB // 10, 64 * GIB * 15 // 1000),
        (1024 * GIB, 8 * GIB, 2 * GIB),  # 1.5 % would be 15 GiB, more than may be left in good order
        (32 * GIB, 200 * MIB, 50 * MIB),
        (32 * GIB, 0, 0),
    ],
)
def test_what_is_critical_leaves_the_reserve_its_meaning(total, reserve, below):
    assert below == pressure.critical_below(replace(POOL, total=total, reserve=reserve))


# soft: under the reserve


def test_under_the_reserve_an_idle_on_demand_model_leaves():
    spec = zoo_of("a", a="8GiB", b=SPARE)
    host = pressed(a_host(spec, free="1.5GiB", a=ready(), b=ready()))
    assert ["stop b MemoryPressure"] == acts(spec, host)
    assert (
        "ram: 1.5 GiB available, reserve 2 GiB, 512 MiB missing; models hold 12 GiB; b goes: it holds 4 GiB"
        == (why(spec, host, None, "MemoryPressure"))
    )


def test_a_model_that_wants_to_be_told_first_is_drained():
    told = a_model("4GiB", on_demand=True, stop={"before": {"http": "POST /drain"}})
    spec = zoo_of(b=told)
    assert ["drain b MemoryPressure"] == acts(spec, pressed(a_host(spec, free="1.5GiB", b=ready())))


def test_a_short_dip_stops_nobody():
    spec = zoo_of(b=SPARE)
    host = pressed(a_host(spec, free="1.5GiB", b=ready()), short=0.5)
    assert "stop b MemoryPressure" not in acts(spec, host)
    assert "Soft" == condition(spec, host, None, "MemoryPressure").reason


@pytest.mark.parametrize("demand", [busy(), Demand(waiting=1, since=NOW)])
def test_a_model_in_demand_stays(demand):
    spec = zoo_of("a", a="8GiB", b=SPARE)
    host = pressed(a_host(spec, free="1.5GiB", a=ready(), b=ready()), demand={"b": demand})
    assert "stop b MemoryPressure" not in acts(spec, host)


def test_a_pinned_model_stays_and_the_condition_says_that_nothing_is_started():
    spec = zoo_of("a", a="8GiB")
    host = pressed(a_host(spec, free="1.5GiB", a=ready()))
    assert [] == acts(spec, host)
    said = condition(spec, host, None, "MemoryPressure")
    assert (True, "Soft") == (said.status, said.reason)
    assert said.message.endswith("none is idle on demand and worth stopping, nothing is started")


def test_one_goes_at_a_time():
    spec = zoo_of(b=SPARE, c=SPARE, d=SPARE)
    host = pressed(a_host(spec, free="1GiB", b=ready(), c=ready(), d=leaving(cause=Cause.PRESSURE)))
    assert not [word for word in acts(spec, host) if "MemoryPressure" in word]


def test_the_next_goes_only_when_the_last_ones_memory_has_been_seen():
    spec = zoo_of("a", a="8GiB", b=SPARE)
    cooling = [cooling_down("x")]
    host = pressed(a_host(spec, free="1GiB", cooling=cooling, a=ready(), b=ready()))
    assert "stop b MemoryPressure" not in acts(spec, host)


def test_nobody_waits_for_the_proof_of_one_that_is_stuck():
    spec = zoo_of("a", a="8GiB", b=SPARE, c=SPARE)
    host = pressed(a_host(spec, free="1GiB", a=ready(), b=ready(), c=stuck(NOW + 20)))
    assert "stop b MemoryPressure" in acts(spec, host)


@pytest.mark.parametrize(
    ("load_times", "demand", "goes"),
    [
        ({"b": 10.0, "c": 60.0}, {}, "b"),
        ({"b": 60.0, "c": 60.0}, {"b": idle_for(60), "c": idle_for(5)}, "b"),
        ({"b": 60.0, "c": 10.0}, {"b": idle_for(1800), "c": idle_for(1)}, "b"),  # 60 s fade to 3
    ],
)
def test_of_several_the_cheapest_to_lose_goes(load_times, demand, goes):
    spec = a_zoo({"b": SPARE, "c": SPARE})
    long_ago = ready(booked_at=NOW - 9010, ready_at=NOW - 9000)
    host = a_host(spec, free="1.5GiB", b=long_ago, c=long_ago)
    models = {n: replace(m, load_time=load_times[n]) for n, m in host.models.items()}
    assert goes == victim(spec, pressed(replace(host, models=models), demand=demand))


def test_one_that_is_active_goes_after_one_that_is_not():
    spec = a_zoo({"b": SPARE, "c": SPARE}, ["b"])
    host = a_host(spec, free="1.5GiB", b=ready(), c=ready())
    assert "c" == victim(spec, pressed(host))
    assert "c" == victim(a_zoo(spec.models, ["b", "c"]), pressed(host))
    assert "b" == victim(a_zoo(spec.models, ["c", "b"]), pressed(host))


# nothing is started


def test_under_pressure_nothing_is_started_that_would_fit():
    spec = zoo_of("a", a=a_model("1GiB"))
    roomy = a_host(spec, free="20GiB")
    assert ["start a"] == acts(spec, roomy)
    # just above the reserve again, so that something of no weight would be admitted
    spec = zoo_of("a", a=a_model("16MiB"))
    near = a_host(spec, free=2 * GIB + 64 * MIB)
    assert ["start a"] == acts(spec, near)
    assert ["hold a pending WaitingForMemory"] == acts(spec, pressed(near))
    assert why(spec, pressed(near), "a").startswith("memory is short: ram: 2.1 GiB available")


def test_under_pressure_nobody_is_woken_who_would_fit():
    park = {"sleep": "POST /sleep", "wake": "POST /wake_up"}
    spec = a_zoo({"a": on_demand("1GiB", park=park)})
    host, demand = a_host(spec, free=2 * GIB + 64 * MIB, a=parked("1GiB")), {"a": waits()}
    assert ["wake a"] == acts(spec, pressed(host, short=None, demand=demand))
    assert ["hold a parked WaitingForMemory"] == acts(spec, pressed(host, demand=demand))


def test_a_model_that_went_comes_back_when_it_fits_again_and_not_before():
    spec = zoo_of("a", a=a_model("4GiB"))
    assert ["hold a pending WaitingForMemory"] == acts(spec, pressed(a_host(spec, free="5GiB"), short=None))
    assert ["start a"] == acts(spec, pressed(a_host(spec, free="6GiB"), short=None))


# hard: three seconds under half the reserve, or stalls


def test_three_seconds_under_half_the_reserve_the_offender_goes():
    spec = zoo_of("a", "b", a="4GiB", b="4GiB")
    host = pressed(a_host(spec, free="900MiB", a=ready(holds="9GiB"), b=ready()), low=3.0)
    assert ["stop a MemoryPressure"] == acts(spec, host)
    assert why(spec, host, None, "MemoryPressure").endswith("a goes: it holds 9 GiB, 5 GiB above its need")


def test_before_that_it_stays():
    spec = zoo_of("a", a="4GiB")
    host = pressed(a_host(spec, free="900MiB", a=ready(holds="9GiB")), low=2.9)
    assert [] == acts(spec, host)


def test_stalls_under_the_reserve_are_pressure_at_once():
    spec = zoo_of("a", a="4GiB")
    host = pressed(a_host(spec, free="1.9GiB", a=ready(holds="9GiB")), short=0.25, stalled=0.2)
    assert ["stop a MemoryPressure"] == acts(spec, host)
    assert "everything stalls 20% of the time" in why(spec, host, None, "MemoryPressure")


def test_stalls_with_memory_to_spare_stop_nobody():
    spec = zoo_of("a", a="4GiB")
    host = pressed(a_host(spec, free="9GiB", a=ready()), short=None, stalled=0.9)
    assert [] == acts(spec, host)
    assert condition(spec, host, None, "MemoryPressure") is None


def test_the_largest_overshoot_goes():
    spec = zoo_of("a", "b", a="4GiB", b="8GiB")
    host = pressed(a_host(spec, free="900MiB", a=ready(holds="7GiB"), b=ready(holds="10GiB")), low=3.0)
    assert ["stop a MemoryPressure"] == acts(spec, host)


def test_an_overshoot_that_explains_nothing_makes_no_offender():
    spec = zoo_of("a", "b", a="4GiB", b="4GiB")
    host = pressed(a_host(spec, free="900MiB", a=ready(holds="4.1GiB"), b=ready()), low=3.0)
    assert ["stop b MemoryPressure"] == acts(spec, host)


@pytest.mark.parametrize(
    ("demand", "goes"),
    [({"d": busy()}, "c"), ({"c": busy(), "d": busy()}, "d"), ({"c": busy(), "d": idle_for(9)}, "d")],
)
def test_without_an_offender_it_is_on_demand_models_first_and_idle_ones_before_busy(demand, goes):
    spec = zoo_of("a", "c", a="4GiB", c=SPARE, d=SPARE)
    host = a_host(spec, free="900MiB", a=ready(), c=ready(), d=ready())
    assert goes == victim(spec, pressed(host, low=3.0, demand=demand))


def test_of_pinned_models_the_last_in_active_goes():
    spec = zoo_of("a", "b", "c", a="4GiB", b="4GiB", c="4GiB")
    host = pressed(a_host(spec, free="900MiB", a=ready(), b=ready(), c=ready()), low=3.0)
    assert ["stop c MemoryPressure"] == acts(spec, host)


def test_one_that_gives_back_next_to_nothing_goes_only_where_no_other_gives_more():
    spec = zoo_of("a", "b", a="4GiB", b="4GiB")
    host = a_host(spec, free="900MiB", a=ready(), b=ready(holds="100MiB"))
    assert ["stop a MemoryPressure"] == acts(spec, pressed(host, low=3.0))


def test_one_that_holds_nothing_never_goes_for_others_that_hold_little():
    spec = zoo_of("a", "b", "c", a="4GiB", b="4GiB", c="4GiB")
    little, nothing = ready(holds="300MiB"), ready(measured={"ram": 0})
    host = a_host(spec, free="900MiB", a=little, b=little, c=nothing)
    assert "b" == victim(spec, pressed(host, low=3.0))


def test_a_hard_stop_asks_nobody_to_finish_first():
    asked = a_model("4GiB", stop={"before": {"http": "POST /drain"}})
    spec = zoo_of("a", a=asked)
    host = pressed(a_host(spec, free="900MiB", a=ready()), low=3.0)
    assert ["stop a MemoryPressure"] == acts(spec, host)


def test_one_that_leaves_anyhow_and_holds_little_keeps_nobody_waiting():
    spec = zoo_of("a", a="4GiB", b="4GiB")
    host = a_host(spec, free="900MiB", a=ready(holds="9GiB"), b=going("10MiB"))
    assert "stop a MemoryPressure" in acts(spec, pressed(host, low=3.0))
    host = a_host(spec, free="900MiB", a=ready(holds="9GiB"), b=going("3GiB"))
    assert "stop a MemoryPressure" not in acts(spec, pressed(host, low=3.0))


# critical: SIGKILL at once


def test_nearly_without_memory_the_offender_is_killed_at_once():
    spec = zoo_of("a", "b", a="4GiB", b="4GiB")
    host = pressed(a_host(spec, free="400MiB", a=ready(holds="9GiB"), b=ready()), short=0.0, low=0.0)
    (action,) = plan(spec, host).actions
    assert isinstance(action, Kill)
    assert ("a", "a-1", Cause.PRESSURE) == (action.model, action.run_id, action.cause)
    assert "Critical" == condition(spec, host, None, "MemoryPressure").reason


def test_one_that_is_being_stopped_is_killed_before_another_has_to_go():
    spec = zoo_of("a", "b", a="4GiB", b="4GiB")
    host = a_host(spec, free="400MiB", a=ready(holds="9GiB"), b=leaving(Phase.DRAINING))
    assert ["kill b MemoryPressure"] == acts(spec, pressed(host))


def test_what_was_to_be_stopped_in_this_pass_is_killed_instead_and_all_else_stays():
    spec = zoo_of(a="8GiB", c="4GiB")
    host = pressed(a_host(spec, free="400MiB", a=leaving(ladder=False), c=leaving(ladder=False)))
    assert ["stop c NotWanted", "kill a MemoryPressure"] == acts(spec, host)


def test_nobody_else_is_killed_while_a_killed_one_dies():
    spec = zoo_of("a", "b", a="4GiB", b="4GiB")
    dying = Leaving(Cause.PRESSURE, "", NOW - 0.1, ladder=True, at_once=True)
    host = pressed(a_host(spec, free="400MiB", a=ready(), b=running(Phase.STOPPING, leaving=dying)))
    assert [] == acts(spec, host)


@pytest.mark.parametrize(("gone_for", "expected"), [(0.9, []), (1.1, ["kill a MemoryPressure"])])
def test_nor_before_its_death_can_show_in_the_figures(gone_for, expected):
    spec = zoo_of("a", a="4GiB")
    cooling = [cooling_down("x", since=NOW - gone_for, baseline=None)]
    host = pressed(a_host(spec, free="400MiB", cooling=cooling, a=ready()))
    assert expected == acts(spec, host)


# strangers


@pytest.mark.parametrize(("short", "low"), [(10.0, None), (10.0, 5.0)])
def test_where_strangers_hold_the_memory_nobody_goes_and_it_is_said(short, low):
    spec = zoo_of("a", a=a_model("64MiB"), b=a_model("128MiB", on_demand=True))
    host = pressed(a_host(spec, free="900MiB", a=ready(), b=ready()), short, low)
    assert not [word for word in acts(spec, host) if "MemoryPressure" in word]
    said = condition(spec, host, None, "MemoryPressure")
    assert "ExternalPressure" == said.reason
    assert said.message.endswith("others hold the rest, and stopping models would not help")


def test_strangers_are_told_apart_even_when_it_is_critical():
    spec = zoo_of("a", a=a_model("256MiB"))
    host = pressed(a_host(spec, free="100MiB", a=ready()), low=9.0)
    assert [] == acts(spec, host)
    assert "ExternalPressure" == condition(spec, host, None, "MemoryPressure").reason


# what isn't known


def test_a_pool_that_cannot_be_read_stops_nobody():
    spec = zoo_of(b=SPARE, a="4GiB")
    host = pressed(a_host(spec, unknown=True, a=ready(), b=ready()), low=9.0, stalled=1.0)
    assert () == plan(spec, host).shortages


def test_a_model_that_was_never_measured_is_never_chosen():
    spec = zoo_of("a", "b", a="4GiB", b="4GiB")
    host = pressed(a_host(spec, free="100MiB", a=ready(), b=ready(measured={})), low=9.0)
    assert ["kill a MemoryPressure"] == acts(spec, host)


def test_one_that_is_loading_can_go_too():
    spec = zoo_of("a", "b", a="4GiB", b="4GiB")
    host = pressed(a_host(spec, free="900MiB", a=ready(), b=starting(holds="3GiB")), low=9.0)
    assert ["stop b MemoryPressure"] == acts(spec, host)


def test_nobody_goes_while_memory_comes_back_by_itself():
    spec = zoo_of("a", a="4GiB", b=SPARE)
    host = pressed(a_host(spec, free="900MiB", a=ready(), b=ready()), low=9.0)
    (pressed_pool,) = host.nodes[0].pressures
    for ago, goes in ((0.0, None), (0.1, None), (0.25, "b")):
        coming = replace(pressed_pool, settled_since=NOW - ago)
        assert goes == victim(spec, replace(host, nodes=(replace(host.nodes[0], pressures=(coming,)),)))


def test_an_old_reading_confirms_no_shortage():
    """A driver that hangs says the same for seconds."""
    spec = zoo_of(b=SPARE)
    host = with_gpu(a_host(spec, b=ready()), 100 * MIB)
    old = replace(host.nodes[0].pressures[0], read_at=NOW - 9.0)
    assert victim(spec, replace(host, nodes=(replace(host.nodes[0], pressures=(old,)),))) is None


# GPUs


def with_gpu(host: Observed, available: int) -> Observed:
    """The same host with a GPU of 24 GiB on which b holds 8."""
    gpu = Pool(NODE, "vram:GPU-a", "vram", "GPU", 24 * GIB, available, 23 * GIB, 512 * MIB)
    models = dict(host.models)
    run = models["b"].run
    models["b"] = replace(models["b"], run=replace(run, measured={**run.measured, gpu.id: 8 * GIB}))
    (node,) = host.nodes
    short = (Pressure(gpu.id, NOW - 9.0, NOW - 9.0, None, NOW - 9.0, 0, NOW),)
    return replace(host, nodes=(replace(node, pools=(*node.pools, gpu), pressures=short),), models=models)


def test_a_gpu_under_its_reserve_costs_an_idle_on_demand_model_its_place():
    spec = zoo_of(b=SPARE)
    host = with_gpu(a_host(spec, b=ready()), 100 * MIB)
    assert "b" == victim(spec, host)
    assert "Soft" == pressure.shortages(Cycle(spec, host))[0].reason


def test_a_full_gpu_costs_a_busy_model_nothing():
    spec = zoo_of(b=SPARE)
    assert victim(spec, replace(with_gpu(a_host(spec, b=ready()), 0), demand={"b": busy()})) is None


# what is told


def test_the_plan_wakes_soon_while_a_pool_is_short():
    spec = zoo_of("a", a="8GiB")
    assert NOW + pressure.PACE == plan(spec, pressed(a_host(spec, free="1.5GiB", a=ready()))).wake_at


def test_every_shortage_carries_its_figures():
    spec = zoo_of("a", a="8GiB", b=SPARE)
    (shortage,) = plan(spec, pressed(a_host(spec, free="1.5GiB", a=ready(), b=ready()))).shortages
    figures = {"available": 3 * GIB // 2, "reserve": 2 * GIB, "missing": GIB // 2}
    assert {"pool": "ram", **figures, "held": 12 * GIB, "freeable": 4 * GIB} == shortage.figures()


# whatever the host

AMOUNTS = st.integers(0, 12 * 2**10).map(lambda mib: mib * MIB)
RUNS = st.fixed_dictionaries(
    {
        "state": st.sampled_from(["ready", "starting", "leaving", "killed", "stuck", "resting"]),
        "holds": st.none() | AMOUNTS,
        "on_demand": st.booleans(),
        "busy": st.booleans(),
    }
)
SECONDS = st.none() | st.floats(0, 20)


@st.composite
def hosts(draw: st.DrawFn) -> tuple[ZooSpec, Observed]:
    drawn = {name: draw(RUNS) for name in draw(st.sets(st.sampled_from("abcd"), min_size=1))}
    models = {n: a_model("4GiB", on_demand=d["on_demand"]) for n, d in drawn.items()}
    spec = a_zoo(models, draw(st.permutations(sorted(drawn))))
    states = {n: _state(d) for n, d in drawn.items()}
    free = draw(st.none() | st.integers(-GIB, 4 * GIB))
    host = a_host(spec, free=free or 0, unknown=free is None, **states)
    demand = {n: busy() for n, d in drawn.items() if d["busy"]}
    stalled = draw(st.none() | st.floats(0, 1))
    return spec, pressed(host, draw(SECONDS), draw(SECONDS), stalled, demand)


def _state(drawn: Mapping[str, Any]) -> State:
    facts: dict[str, Any] = {"measured": {} if drawn["holds"] is None else {"ram": drawn["holds"]}}
    out = Leaving(Cause.NOT_WANTED, "", NOW - 1, ladder=True, at_once=drawn["state"] == "killed")
    match drawn["state"]:
        case "resting":
            return resting()
        case "ready":
            return running(Phase.READY, **facts)
        case "starting":
            return running(Phase.STARTING, ready_at=None, ready_since=None, **facts)
        case "stuck":
            return running(Phase.STOPPING, leaving=replace(out, ladder=False), stuck="pid 7 (D)", **facts)
    return running(Phase.STOPPING, leaving=out, **facts)


@given(hosts())
def test_whatever_the_host_no_act_breaks_the_guards_laws(world):
    spec, host = world
    decided = plan(spec, host)
    (pool,) = host.nodes[0].pools
    victims = [s.victim for s in decided.shortages if s.victim is not None]
    assert len(victims) <= 1, "more than one at a time"
    ends = [a for a in decided.actions if isinstance(a, Drain | Stop | Kill) and a.cause is Cause.PRESSURE]
    assert victims == [a.model for a in ends]
    for name in victims:
        shortage, run, demand = decided.shortages[0], host.models[name].run, host.demand_for(name)
        assert pool.available is not None, "an act on a figure that is not known"
        assert pool.available < pool.reserve
        assert run is not None, "a victim without a run"
        assert run.measured["ram"] > 0, "an act that nobody knows to help"
        assert not run.stuck, "a victim that SIGKILL has not moved"
        known = sum(m.run.measured.get("ram", 0) for m in host.models.values() if m.run is not None)
        assert known >= pressure.WORTH * (pool.reserve - pool.available), "strangers hold the memory"
        if shortage.level is Level.SOFT:
            assert spec.models[name].on_demand, "a soft act on a model that is not on demand"
            assert not demand.busy, "a soft act on a model in use"
        if shortage.level is not Level.CRITICAL:
            assert run.leaving is None
            assert not any(m.run and m.run.leaving and m.run.leaving.at_once for m in host.models.values())
    if pool.available is None:
        assert () == decided.shortages


@given(hosts())
def test_whatever_the_host_nothing_is_started_while_it_is_short(world):
    spec, host = world
    decided = plan(spec, host)
    assert not decided.shortages or not any(isinstance(a, Start) for a in decided.actions)


@given(hosts(), st.integers(1, 8))
def test_models_that_hold_next_to_nothing_never_go_for_what_strangers_hold(world, held):
    spec, host = world
    tiny = {"ram": held}
    models = {n: replace(m, run=m.run and replace(m.run, measured=tiny)) for n, m in host.models.items()}
    host = replace(host, models=models)
    decided = plan(spec, host)
    short = [s for s in decided.shortages if s.missing > 8 * 8 * 4]
    assert ["ExternalPressure"] * len(short) == [s.reason for s in short]
    assert [] == [s.victim for s in short if s.victim]
