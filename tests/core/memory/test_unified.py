"""GPUs that take their memory from RAM: what stands on one stands in RAM as well, and is never counted twice."""

from dataclasses import replace

from hypothesis import given, strategies as st

from tests.core.gpus import a_gpu, gpu_host, gpu_zoo, on_gpu, placed, shown, start_of
from tests.core.zoo import GIB, NODE, NOW, a_host, a_model, acts, decide, why
from zoosup.core.memory.unified import in_ram
from zoosup.core.state.actions import HoldRoom, Start, Stop
from zoosup.core.state.holds import RoomHold
from zoosup.core.state.phases import Phase
from zoosup.core.state.pools import Pressure

CAP = 16


def unified_host(spec, *, held=0, cap=CAP, **given_host):
    """A host of 32 GiB of RAM, at most 16 of which its GPU may take; so many GiB are held there."""
    host = a_host(spec, **given_host)
    ram = host.nodes[0].pools[0]
    free = None if ram.available is None else min(cap - held, ram.available // GIB)
    card = replace(a_gpu(spec, "GPU-u", "amd0", free, cap * GIB), unified=True, make="amd")
    return replace(host, nodes=(replace(host.nodes[0], pools=(ram, card)),))


def sums(spec, host, model):
    """What one more would need of each pool, GiB."""
    return {s.pool.id: s.need / GIB for s in decide(spec, host).verdicts[model].sums}


# examples


def test_what_it_needs_of_the_gpu_it_needs_of_ram_too():
    spec = gpu_zoo({"a": on_gpu("6GiB")}, ["a"])
    host = unified_host(spec)
    (start,) = [action for action in decide(spec, host).actions if isinstance(action, Start)]
    assert ({"ram": GIB, "vram:GPU-u": 6 * GIB}, ("GPU-u",)) == (start.need, start.gpus)
    short = unified_host(spec, free="6GiB")
    assert {"ram": 7, "vram:GPU-u": 6} == sums(spec, short, "a")
    assert why(spec, short, "a").startswith("ram is short of 3 GiB: needs 7 GiB")


def test_the_gpu_takes_no_more_than_it_may_though_ram_has_room():
    spec = gpu_zoo({"a": on_gpu("17GiB")}, ["a"])
    assert ["hold a pending ExceedsBudget"] == acts(spec, unified_host(spec))
    assert "vram:GPU-u is short of 1 GiB" in why(spec, unified_host(spec), "a")


def test_the_file_bounds_it_as_any_gpu():
    spec = gpu_zoo({"a": on_gpu("6GiB")}, ["a"], budget={"vram": {"amd0": "5GiB"}})
    assert ["hold a pending ExceedsBudget"] == acts(spec, unified_host(spec))


def test_a_budget_of_ram_counts_what_stands_on_the_gpu():
    spec = gpu_zoo({"a": on_gpu("10GiB"), "b": on_gpu("0B", ram="10GiB")}, ["a", "b"])
    host = unified_host(spec, held=10, a=placed({"GPU-u": "10GiB"}), free="21GiB")
    assert ["hold b pending ExceedsBudget"] == acts(spec, host)
    assert "ram is short of 1 GiB: needs 10 GiB, budget 20 GiB less a 11 GiB" in why(spec, host, "b")


def test_while_it_loads_its_promise_stands_in_both():
    spec = gpu_zoo({"a": on_gpu("10GiB"), "b": on_gpu("0B", ram="4GiB")}, ["a", "b"])
    loading = placed({"GPU-u": "10GiB"}, Phase.STARTING, holds={"GPU-u": "4GiB"})
    fits = unified_host(
        spec, held=4, a=loading, free="12GiB"
    )  # of which 6 are still promised, and 2 the reserve
    assert ["start b"] == acts(spec, fits)
    host = unified_host(spec, held=4, a=loading, free="11GiB")
    assert "promised to loading models 6 GiB" in why(spec, host, "b")


def test_who_holds_the_gpu_leaves_for_one_that_needs_only_ram():
    spec = gpu_zoo({"a": on_gpu("0B", ram="12GiB"), "b": on_gpu("8GiB")}, ["a", "b"])
    host = unified_host(spec, held=8, b=placed({"GPU-u": "8GiB"}), free="8GiB")
    assert ["stop b MadeRoom", "hold a pending WaitingForEviction"] == acts(spec, host)


def test_a_guess_counts_once():
    spec = gpu_zoo({"a": a_model("auto", command=["llama-server", "-ngl", "99"])}, ["a"])
    host = unified_host(spec)
    (start,) = [action for action in decide(spec, host).actions if isinstance(action, Start)]
    counted = in_ram(start.need, host.nodes[0].unified)
    assert (8 * GIB, {"ram", "vram:GPU-u"}) == (counted["ram"], set(counted))


def test_beside_gpus_with_memory_of_their_own_it_is_for_who_names_it():
    models = {"a": on_gpu("20GiB"), "b": on_gpu("4GiB", gpus=["amd0"]), "c": on_gpu("2GiB", gpus=1)}
    spec = gpu_zoo(models, list(models))
    host = gpu_host(spec, [24, 24])
    card = replace(a_gpu(spec, "GPU-u", "amd0", 30, 30 * GIB), unified=True, make="amd")
    host = replace(host, nodes=(replace(host.nodes[0], pools=(*host.nodes[0].pools, card)),))
    assert [{"GPU-0": 20}, {"GPU-u": 4}, {"GPU-1": 2}] == [start_of(spec, host, name) for name in models]
    assert ("GPU-u",) == shown(spec, host, "b")


def test_it_is_never_split_over_to():
    spec = gpu_zoo({"a": on_gpu("30GiB")}, ["a"], budget={"ram": "60GiB"})
    host = gpu_host(spec, [24], total="64GiB")
    card = replace(a_gpu(spec, "GPU-u", "amd0", 30, 30 * GIB), unified=True, make="amd")
    host = replace(host, nodes=(replace(host.nodes[0], pools=(*host.nodes[0].pools, card)),))
    assert ["hold a pending ExceedsBudget"] == acts(spec, host)


def test_room_held_on_it_stands_in_ram():
    hold, idle = RoomHold("h", ram=0, vram=12 * GIB, since=NOW - 1), gpu_zoo({}, [])
    (had,) = [x for x in decide(idle, unified_host(idle, holds=(hold,))).actions if isinstance(x, HoldRoom)]
    assert 12 * GIB == had.amounts["vram:GPU-u"]
    spec = gpu_zoo({"a": on_gpu("0B", ram="9GiB")}, ["a"])
    host = unified_host(spec, holds=(replace(hold, booked=had.amounts, held_since=NOW - 1),))
    assert "ram is short of 1 GiB" in why(spec, host, "a")


def test_the_guard_sees_that_ram_comes_back_with_the_gpu():
    spec = gpu_zoo({"a": on_gpu("10GiB"), "b": on_gpu("0B")}, ["b"], budget={"ram": "30GiB"})
    host = unified_host(spec, held=10, a=placed({"GPU-u": "10GiB"}), free="1GiB")
    node = replace(host.nodes[0], pressures=(Pressure("ram", NOW - 60, NOW - 60, None, NOW - 60, 0, NOW),))
    decided = decide(spec, replace(host, nodes=(node,)))
    (shortage,) = [s for s in decided.shortages if s.pool.id == "ram"]
    assert 11 * GIB == shortage.held


# laws

sizes = st.integers(0, 20)


@st.composite
def hosts(draw):
    """Models that run, load or want to, with RAM and a GPU that takes its memory from it; `held` as both tell."""
    models = {n: on_gpu(f"{draw(sizes)}GiB", ram=f"{draw(st.integers(1, 12))}GiB") for n in "abcd"}
    spec = gpu_zoo(models, draw(st.permutations("abcd")), budget={"ram": f"{draw(st.integers(8, 30))}GiB"})
    cap, ram, card, states = draw(st.integers(4, 30)), 0, 0, {}
    for name, model in models.items():
        amounts = {"ram": model.memory.ram, "vram:GPU-u": model.memory.vram}
        if not model.memory.vram or not draw(st.booleans()):
            continue
        phase = draw(st.sampled_from([Phase.READY, Phase.STARTING]))
        held = {pool: draw(st.integers(0, n // GIB)) * GIB for pool, n in amounts.items()}
        states[name] = placed({"GPU-u": amounts["vram:GPU-u"]}, phase, reserved=amounts, measured=held)
        ram, card = ram + held["ram"], card + held["vram:GPU-u"]
    free = 32 - (ram + card) // GIB - draw(st.integers(0, 6))
    return spec, unified_host(spec, held=card // GIB, cap=cap, free=f"{max(0, free)}GiB", **states)


def after(host, decided):
    """(needs, held) of everybody who lives once the starts are made, bytes by pool; the GPU's not in RAM."""
    leaving = {a.model for a in decided.actions if isinstance(a, Stop)}
    runs = [m.run for m in host.models.values() if m.run is not None and m.name not in leaving]
    new = [action.need for action in decided.actions if isinstance(action, Start)]
    return [(run.reserved, run.measured) for run in runs] + [(need, {}) for need in new]


@given(hosts())
def test_ram_and_the_gpu_together_never_have_more_than_the_budget_of_ram(case):
    spec, host = case
    decided = decide(spec, host)
    if not any(isinstance(action, Start) for action in decided.actions):
        return
    ram, card = host.nodes[0].pools
    everybody = after(host, decided)
    whole = sum(need["ram"] + need.get(card.id, 0) for need, _ in everybody)
    assert whole <= ram.budget
    still = sum(max(0, need["ram"] + need.get(card.id, 0) - sum(held.values())) for need, held in everybody)
    assert still <= ram.available - ram.reserve, "all of them may still take what they were promised"


@given(hosts())
def test_who_starts_on_the_gpu_keeps_within_what_it_may_take(case):
    spec, host = case
    decided = decide(spec, host)
    card = host.nodes[0].pools[1]
    starts = [a for a in decided.actions if isinstance(a, Start) and a.need.get(card.id)]
    if starts:
        assert sum(need.get(card.id, 0) for need, _ in after(host, decided)) <= card.budget


@given(sizes, st.integers(1, 12), st.integers(0, 32))
def test_it_counts_once_as_on_a_host_that_shows_no_gpu(vram, ram, free):
    spec = gpu_zoo({"a": on_gpu(f"{vram}GiB", ram=f"{ram}GiB")}, ["a"])
    alone = decide(spec, a_host(spec, free=f"{free}GiB"))
    beside = decide(spec, unified_host(spec, cap=64, free=f"{free}GiB"))
    assert [type(action) for action in alone.actions] == [type(action) for action in beside.actions]


@given(st.dictionaries(st.sampled_from(["ram", "vram:a", "vram:b"]), st.integers(0, 9)))
def test_ram_grows_by_what_is_unified_alone(amounts):
    counted = in_ram(amounts, {"vram:a"})
    assert counted.get("ram", 0) == amounts.get("ram", 0) + amounts.get("vram:a", 0)
    assert {p: n for p, n in counted.items() if p != "ram"} == {
        p: n for p, n in amounts.items() if p != "ram"
    }


def test_a_node_knows_which_pools_are_a_part_of_ram():
    spec = gpu_zoo({}, [])
    assert ({"vram:GPU-u"}, NODE) == (unified_host(spec).nodes[0].unified, unified_host(spec).nodes[0].name)
