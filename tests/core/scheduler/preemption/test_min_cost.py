"""DESIGN §5.3: of all sets that make room and of which nobody could be spared, the one of least cost."""

from itertools import combinations

from hypothesis import given, strategies as st

from zoosup.core.scheduler.preemption.min_cost import (
    FREED_IN_VAIN,
    Victim,
    cheapest,
    first_that_suffice,
    reprieve,
)

GIB = 2**30


def holding(**sizes):
    return {name: amount * GIB for name, amount in sizes.items()}


def needs(gib, sizes):
    """Fits when so much is freed."""
    return lambda gone: sum(sizes[name] for name in gone) >= gib * GIB


def chosen(gib, sizes, idle=None, load=None):
    idle, load = idle or {}, load or {}
    candidates = [Victim(n, s, idle.get(n, 0.0), load.get(n, 10.0)) for n, s in sizes.items()]
    return cheapest(candidates, needs(gib, sizes))


def test_nobody_leaves_where_it_fits_anyway():
    assert () == chosen(0, holding(a=4))


def test_nobody_is_chosen_where_all_of_them_would_not_do():
    assert None is chosen(9, holding(a=4, b=4))


def test_one_that_suffices_is_taken_before_two():
    assert ("c",) == chosen(8, holding(a=4, b=4, c=8))


def test_the_longest_idle_goes():
    assert ("b",) == chosen(8, holding(a=8, b=8, c=8), idle={"a": 60, "b": 3600, "c": 600})


def test_the_one_that_is_soonest_loaded_again_goes():
    assert ("c",) == chosen(8, holding(a=8, b=8, c=8), load={"a": 60, "b": 30, "c": 5})


def test_no_more_is_freed_than_needed():
    assert ("b",) == chosen(8, holding(a=20, b=8))


def test_two_old_ones_go_before_one_that_is_used_all_the_time():
    sizes = holding(a=8, b=4, c=4)
    assert ("b", "c") == chosen(8, sizes, idle={"a": 1, "b": 3600, "c": 3600}, load={"a": 60})


def test_one_that_was_never_seen_to_load_is_taken_to_load_a_gib_a_second():
    assert 8.0 == Victim("a", 8 * GIB, 0.0).loss
    assert 1.0 == Victim("a", 0, 0.0).loss


def test_the_last_is_spared_first():
    sizes = holding(a=4, b=4, c=4)
    assert ("a",) == first_that_suffice(["a", "b", "c"], needs(4, sizes))
    assert ("a", "b") == reprieve(["a", "b", "c"], needs(8, sizes))
    assert ("a", "c") == reprieve(["a", "b", "c"], needs(8, sizes), {"c"})


amounts = st.lists(st.integers(1, 9), min_size=1, max_size=14)


@given(amounts, st.integers(0, 40), st.data())
def test_whoever_is_chosen_suffices_and_nobody_of_them_could_be_spared(gib, need, data):
    sizes = {f"m{i}": amount * GIB for i, amount in enumerate(gib)}
    idle = {name: data.draw(st.floats(0, 7200)) for name in sizes}
    found = chosen(need, sizes, idle)
    fits = needs(need, sizes)
    if found is None:
        assert not fits(set(sizes))
        return
    assert fits(set(found))
    assert all(not fits(set(found) - {one}) for one in found)


@given(
    st.lists(st.tuples(st.integers(1, 9), st.floats(0, 7200), st.floats(0, 90)), min_size=1, max_size=7),
    st.integers(1, 30),
)
def test_no_other_such_set_costs_less(some, need):
    candidates = [Victim(f"m{i}", g * GIB, idle, load) for i, (g, idle, load) in enumerate(some)]
    sizes = {c.name: c.holds for c in candidates}
    fits = needs(need, sizes)
    found = cheapest(candidates, fits)
    if found is None:
        return

    def cost(names):
        return sum(c.loss + FREED_IN_VAIN * c.holds for c in candidates if c.name in names)

    every = [set(s) for n in range(len(sizes) + 1) for s in combinations(sizes, n)]
    minimal = [s for s in every if fits(s) and not any(fits(s - {one}) for one in s)]
    assert set(found) in minimal
    assert cost(found) <= min(map(cost, minimal)) + 1e-9
