"""On any host with GPUs, whatever runs there: what a pass does obeys §5.3 in every pool, and pools are never summed."""

from hypothesis import given, strategies as st

from tests.core.gpus import gpu_host, gpu_zoo, on_gpu, placed
from tests.core.zoo import GIB, NODE, NOW, decide
from zoosup.core.state.actions import Start, Stop
from zoosup.core.state.observed import Observed
from zoosup.core.state.phases import Cause, Phase, Reason
from zoosup.core.state.pools import Cooldown

NAMES = "abcde"
MAKES = ("nvidia", "amd")
ROUNDING = 16  # bytes: a credit is rounded for each model

sizes = st.integers(1, 30)
wishes = st.sampled_from(["auto", "auto", "auto", 1, 2, 3, ["GPU-0"], ["GPU-1"], ["GPU-0", "GPU-1"]])


@st.composite
def hosts(draw):
    """Two to four GPUs of 24 GiB; models that run on some of them, and models that want to."""
    cards = draw(st.integers(2, 4))
    models = {n: on_gpu(f"{draw(sizes)}GiB", gpus=draw(wishes)) for n in draw(st.permutations(NAMES))}
    spec = gpu_zoo(
        models, list(models), budget={"ram": "64GiB", "vram": draw(st.sampled_from(["auto", "20GiB"]))}
    )
    held = [0] * cards
    states = {}
    for name, model in models.items():
        if draw(st.booleans()):
            states[name] = draw(lives(held, model))
    foreign = [draw(st.sampled_from([0, 0, 3, 12])) for _ in held]
    free = [None if draw(st.integers(0, 9)) == 0 else 24 - h - f for h, f in zip(held, foreign, strict=True)]
    cooling = []
    if draw(st.integers(0, 3)) == 0:
        samples = tuple((NOW - 0.05 + i / 100, (free[0] or 0) * GIB) for i in range(draw(st.integers(0, 2))))
        cooling = [Cooldown(NODE, "vram:GPU-0", "x", NOW - 0.1, 40 * GIB, 0, samples)]
    makes = draw(st.sampled_from([["nvidia"] * cards, [draw(st.sampled_from(MAKES)) for _ in held]]))
    return spec, gpu_host(spec, free, cooling=cooling, makes=makes, **states)


@st.composite
def lives(draw, held, model):
    """It runs, as it was laid out once: equally over some GPUs, holding all of it or part of it."""
    cards = draw(st.lists(st.integers(0, len(held) - 1), min_size=1, max_size=2, unique=True))
    share = -(-model.memory.vram // len(cards))
    part = draw(st.integers(0, share // GIB))
    for card in cards:
        held[card] += part
    phase = draw(st.sampled_from([Phase.READY, Phase.READY, Phase.STARTING]))
    told = draw(st.integers(0, 4)) > 0
    on = {f"GPU-{card}": share for card in cards}
    return placed(on, phase, holds=dict.fromkeys(on, part * GIB) if told else {}, spec=model)


def needs(observed: Observed, pool: str) -> dict[str, int]:
    runs = {m.name: m.run for m in observed.models.values() if m.run is not None}
    return {n: r.reserved[pool] for n, r in runs.items() if pool in r.reserved}


def spare(observed: Observed, pool, without=frozenset()) -> tuple[int, float]:
    """What (B) and (M) leave in one pool for one more, as the contract writes them, once `without` have gone."""
    budget, free, blind = pool.budget, pool.available, False
    for model in observed.models.values():
        run = model.run
        if run is None or pool.id not in run.reserved:
            continue
        need, held = run.reserved[pool.id], run.measured.get(pool.id)
        if held is None:
            blind = blind or model.phase is not Phase.STARTING
            held = 0 if model.phase is Phase.STARTING else need
        if model.name in without:
            free += 0.95 * min(need, held)
        else:
            budget -= need
            free -= max(0, need - held)
    if blind:
        cap = pool.total - sum(needs(observed, pool.id).values())
        free -= max(0, pool.available - cap)
    return budget, free - pool.reserve


def starts(decided):
    return [a for a in decided.actions if isinstance(a, Start)]


@given(hosts())
def test_what_starts_fits_beside_all_that_lives_in_every_pool(case):
    spec, host = case
    decided = decide(spec, host)
    for pool in host.nodes[0].pools:
        new = sum(a.need.get(pool.id, 0) for a in starts(decided))
        if new:
            assert pool.available is not None, f"a start on {pool.id}, which can't be read"
            within, free = spare(host, pool)
            assert new <= within, f"{pool.id}: over its budget"
            assert new <= free, f"{pool.id}: more than is free"


@given(hosts())
def test_a_start_is_laid_out_as_the_file_says(case):
    spec, host = case
    for action in starts(decide(spec, host)):
        wanted, whole = spec.models[action.model].gpus, spec.models[action.model].memory.vram
        cards = {p: n for p, n in action.need.items() if p != "ram"}
        assert {f"vram:{uuid}" for uuid in action.gpus} == set(cards)
        assert whole <= sum(cards.values()) < whole + len(cards)
        assert 1 == len(set(cards.values())), "shares are equal"
        if isinstance(wanted, tuple):
            assert {f"vram:{uuid}" for uuid in wanted} == set(cards)
        elif isinstance(wanted, int):
            assert wanted == len(cards)


@given(hosts())
def test_a_model_has_gpus_of_one_make(case):
    spec, host = case
    makes = {p.id: p.make for p in host.nodes[0].pools[1:]}
    for action in starts(decide(spec, host)):
        assert 1 == len({makes[pool] for pool in action.need if pool != "ram"})


@given(hosts())
def test_at_most_one_loads_on_a_gpu(case):
    spec, host = case
    decided = decide(spec, host)
    for pool in host.nodes[0].pools[1:]:
        live = [m for m in host.models.values() if m.phase is Phase.STARTING and pool.id in m.run.reserved]
        new = [a for a in starts(decided) if pool.id in a.need]
        assert len(new) <= 1
        assert not (new and live)


@given(hosts())
def test_who_leaves_makes_the_other_fit_on_some_gpus_and_could_not_have_stayed(case):
    spec, host = case
    decided = decide(spec, host)
    stops = [a for a in decided.actions if isinstance(a, Stop)]
    first = next(
        (a.message.removeprefix("makes room for ") for a in stops if a.cause is Cause.MADE_ROOM), None
    )
    if first is None:
        return
    victims = {a.model for a in stops if a.message == f"makes room for {first}"}
    order = list(decided.wanted)
    promised = order[: order.index(first)]
    if any(host.models[n].run is None and decided.verdicts[n].outcome != "refused" for n in promised):
        return  # what waits before it has room promised to it, which this arithmetic does not know
    assert all(order.index(v) > order.index(first) for v in victims)
    assert fits_somewhere(spec, host, first, victims), f"{victims} leave in vain"
    for one in victims:
        layouts = ways(spec, host, first)
        chosen = [w for w in layouts if fits(host, w, victims)]
        assert any(not fits(host, w, victims - {one}) for w in chosen), f"{one} could have stayed"


def ways(spec, host, name):
    """Every layout that the file allows, by brute force: bytes by pool."""
    model, pools = spec.models[name], host.nodes[0].pools[1:]
    found = []
    for mask in range(1, 1 << len(pools)):
        cards = [p for i, p in enumerate(pools) if mask >> i & 1]
        named = isinstance(model.gpus, tuple) and {p.id.removeprefix("vram:") for p in cards} != set(
            model.gpus
        )
        counted = isinstance(model.gpus, int) and model.gpus != len(cards)
        if not named and not counted and 1 == len({p.make for p in cards}):
            found.append({p.id: -(-model.memory.vram // len(cards)) for p in cards})
    return found


def fits(host, way, without=frozenset()):
    pools = {p.id: p for p in host.nodes[0].pools}
    for pool, share in way.items():
        if pools[pool].available is None:
            return False
        within, free = spare(host, pools[pool], without)
        if share > within or share > free + ROUNDING:
            return False
    return True


def fits_somewhere(spec, host, name, without=frozenset()):
    return any(fits(host, way, without) for way in ways(spec, host, name))


@given(hosts())
def test_what_can_start_does(case):
    """The first in order that has no run: if any layout fits and is at rest, it starts."""
    spec, host = case
    decided = decide(spec, host)
    first = next((n for n in decided.wanted if host.models[n].run is None), None)
    if first is None:
        return
    restless = {c.pool for c in host.nodes[0].cooldowns}
    for model in host.models.values():
        if model.phase is Phase.STARTING:
            restless |= set(model.run.reserved) - {"ram"}
    single = [w for w in ways(spec, host, first) if len(w) == 1 or spec.models[first].gpus != "auto"]
    ram = {"ram": GIB}
    calm = [w for w in single if not restless & set(w) and fits(host, w | ram)]
    if calm:
        assert first in {a.model for a in starts(decided)}, f"{first} could start on {calm}"


@given(hosts())
def test_nobody_is_refused_who_could_ever_have_a_layout(case):
    spec, host = case
    decided = decide(spec, host)
    kept: set[str] = set()
    for name in decided.wanted:
        verdict = decided.verdicts.get(name)
        model = host.models[name]
        if model.run is None and verdict is not None and verdict.reason == Reason.EXCEEDS_BUDGET:
            pools = {p.id: p for p in host.nodes[0].pools}
            for way in ways(spec, host, name):
                room = {
                    p: min(pools[p].budget, pools[p].total - pools[p].reserve)
                    - sum(amount for n, amount in needs(host, p).items() if n in kept)
                    for p in way
                }
                assert any(share > room[p] for p, share in way.items()), f"{name} could have {way}"
        elif model.run is None:
            return  # room is promised to it from here on, on GPUs that only the plan knows
        kept.add(name)
