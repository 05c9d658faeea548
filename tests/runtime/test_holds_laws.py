"""Whatever is held: never over budget, no active model leaves unasked, no hold is ended, all models come back."""

from hypothesis import given, strategies as st

from tests.runtime.builders import GIB, ManualClock, a_zoo, text_of
from zoosup.core.state.facts import Inspected
from zoosup.core.state.holds import RoomHold
from zoosup.core.state.phases import Phase
from zoosup.core.state.runs import Preflight
from zoosup.runtime.publish.simulation import Simulation
from zoosup.runtime.state.zoo import Zoo

BUDGET = 20
STEPS = 80

MODELS = st.dictionaries(
    st.sampled_from("abcde"), st.tuples(st.integers(1, 12), st.booleans()), min_size=1, max_size=5
)
ASKED = st.lists(st.tuples(st.integers(1, 22), st.booleans()), min_size=1, max_size=4)


def made(models) -> Zoo:
    """A host whose file wants all of these; on demand are those that say so."""
    parts = {
        name: {"memory": {"ram": f"{size}GiB"}, "on_demand": demand}
        for name, (size, demand) in models.items()
    }
    budget = {"ram": f"{BUDGET}GiB", "ram_reserve": "1GiB"}
    return a_zoo(ManualClock(), text_of(parts, list(models), budget=budget))


def settle(zoo: Zoo, check=lambda: None) -> None:
    """Pass after pass, until nothing changes any more; `check` after each."""
    simulation = Simulation(zoo)
    for _ in range(STEPS):
        for look in simulation.step():
            zoo.tell(look.model, Inspected(Preflight(zoo.clock.now())))
        check()
        if simulation.settled:
            return
    raise AssertionError(f"it never settles: {simulation.steps[-5:]}")


def ready(zoo: Zoo) -> set[str]:
    return {name for name, model in zoo.models.items() if model.phase is Phase.READY}


def booked(zoo: Zoo) -> dict[str, int]:
    return {h.id: h.booked["ram"] for h in zoo.holds.by_id.values() if h.booked is not None}


def within_budget(zoo: Zoo) -> None:
    promised = sum(run.reserved["ram"] for _, run in zoo.live()) + sum(booked(zoo).values())
    assert promised <= BUDGET * GIB


@given(models=MODELS, asked=ASKED)
def test_holds_and_models_share_one_budget_and_everybody_comes_back(models, asked):
    zoo = made(models)
    settle(zoo)
    before = ready(zoo)
    pinned = {name for name in before if not models[name][1]}
    for number, (size, forced) in enumerate(asked):
        had, serving = booked(zoo), ready(zoo)
        zoo.holds.ask(RoomHold(f"h{number}", size * GIB, 0, since=zoo.clock.now(), forced=forced))

        def check(had=had, serving=serving, forced=forced):
            within_budget(zoo)
            assert had.items() <= booked(zoo).items(), "a hold was ended, or shrank"
            if not forced:
                assert pinned & serving <= ready(zoo), "an active model left for a hold that is not forced"

        settle(zoo, check)
        if f"h{number}" not in booked(zoo):
            zoo.holds.end(f"h{number}", "it can't be had")
            settle(zoo, lambda: within_budget(zoo))
    for hold in list(zoo.holds.by_id):
        zoo.holds.end(hold, "released")
    settle(zoo, lambda: within_budget(zoo))
    assert before == ready(zoo)


@given(models=MODELS, size=st.integers(1, 22), forced=st.booleans())
def test_a_hold_that_can_not_be_had_costs_nobody_a_moment(models, size, forced):
    zoo = made(models)
    settle(zoo)
    serving = ready(zoo)
    zoo.holds.ask(RoomHold("h", size * GIB, 0, since=zoo.clock.now(), forced=forced))
    seen = []
    settle(zoo, lambda: seen.append(ready(zoo)))
    if not booked(zoo):
        assert all(each == serving for each in seen)
    stays = sum(models[name][0] for name in serving if not (forced or models[name][1]))
    assert bool(booked(zoo)) == (size + stays <= BUDGET)
