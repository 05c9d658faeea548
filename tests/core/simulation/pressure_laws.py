"""What DESIGN §5.5 lets the guard do when the host runs short: who goes, when, and what must be proved before.

Arithmetic of its own, written from the contract not from `core.scheduler.pressure`. Asked by `laws` about each plan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.core.simulation import demand_laws
from zoosup.core.state.actions import Drain, EndCooldown, Kill, Stop
from zoosup.core.state.observed import Model, Observed, SwitchOutcome
from zoosup.core.state.phases import Cause, Phase

if TYPE_CHECKING:
    from tests.core.simulation.simulated_host import SimulatedHost
    from zoosup.core.scheduler.plan import Plan

SETTLED, HARD, STALLED, WORTH = 1.0, 3.0, 0.15, 0.3
MIB = 2**20


def nothing_starts(sim: SimulatedHost) -> None:
    """Soft: no admissions."""
    assert sim.short_since is None, "a start while the host is short of memory"


def is_hard(sim: SimulatedHost) -> bool:
    """3 s under half the reserve, or under the reserve while everything stalls."""
    low = sim.low_since is not None and sim.now - sim.low_since >= HARD
    stalls = sim.stalled is not None and sim.stalled >= STALLED
    return low or (stalls and sim.short_since is not None) or is_critical(sim)


def is_critical(sim: SimulatedHost) -> bool:
    """Under max(256 MiB, 1.5 %), but a small reserve is filled in good order."""
    bound = min(max(256 * MIB, sim.total * 15 // 1000), sim.reserve // 4)
    return sim.readable and sim.free() < bound


def kill_is_lawful(sim: SimulatedHost, observed: Observed, action: Kill) -> None:
    """SIGKILL at once is for a host that is nearly out of memory, and is not sent twice."""
    model = sim.models[action.model]
    assert model.run is not None, f"5: {action} for a model without a run"
    assert model.run.id == action.run_id, f"5: {action} for another run"
    assert action.cause is Cause.PRESSURE, f"{action} for another reason"
    assert is_critical(sim), f"{action}, and {sim.free()} bytes are free"
    assert model.run.leaving is None or not model.run.leaving.at_once, f"{action}, and it was killed already"


def who_goes_for_the_host(sim: SimulatedHost, observed: Observed, decided: Plan) -> None:
    """One by one, with proof between, and only where it helps; under soft pressure idle on-demand ones alone."""
    acts = [a for a in decided.actions if isinstance(a, Drain | Stop | Kill) and a.cause is Cause.PRESSURE]
    fresh = [a for a in acts if isinstance(a, Kill) or not _leaves(observed.models[a.model])]
    assert len(fresh) <= 1, f"more than one at a time: {fresh}"
    for action in fresh:
        model = observed.models[action.model]
        assert model.run is not None, f"5: {action} for a model without a run"
        assert sim.short_since is not None, f"{action}, and the host is not short"
        missing = sim.reserve - sim.free()
        assert missing > 0, f"{action}, and the reserve is there"
        assert model.run.measured.get("ram", 0) > 0, f"{action}: nobody knows that it holds anything"
        may = [m for m in observed.models.values() if m.run is not None and _may_go(sim, observed, m)]
        freed = sum(m.run.measured.get("ram", 0) for m in may if m.run is not None)
        assert freed >= WORTH * missing, f"{action}: {freed} would come back, {missing} are missing"
        assert model in may, f"{action} under soft pressure"
        if not is_critical(sim):
            _proof_is_there(sim, observed, decided, action.model)
        _the_least_valuable_goes(sim, observed, decided, model, missing)


def _may_go(sim: SimulatedHost, observed: Observed, model: Model) -> bool:
    if _leaves(model):
        return is_critical(sim) and model.run is not None and not model.run.stuck
    idle = demand_laws.unpinned(sim, model.name) and not observed.demand_for(model.name).busy
    return is_hard(sim) or idle or model.name not in sim.spec.models


def _proof_is_there(sim: SimulatedHost, observed: Observed, decided: Plan, name: str) -> None:
    for other in observed.models.values():
        run = other.run
        if run is None or run.leaving is None or run.stuck or other.name == name:
            continue
        assert run.leaving.cause is not Cause.PRESSURE, f"{name} goes, and {other.name} still does"
    over = {a.model for a in decided.actions if isinstance(a, EndCooldown)}
    waited = {c.model for c in observed.nodes[0].cooldowns} - over
    assert not waited, f"{name} goes while the memory of {waited} is being waited for"
    settled = sim.short_since is not None and sim.now - sim.short_since >= SETTLED
    assert settled or is_hard(sim), f"{name} goes for a moment's shortage"


def _the_least_valuable_goes(
    sim: SimulatedHost, observed: Observed, decided: Plan, victim: Model, missing: int
) -> None:
    """No pinned or used one goes, unless it has outgrown its need, where an idle on-demand one would do."""
    run = victim.run
    assert run is not None
    switch = decided.switch
    serves_on = switch is not None and switch.outcome is SwitchOutcome.OPEN and victim.name in switch.outgoing
    on_its_way = _leaves(victim) or (victim.name not in decided.wanted and not serves_on)
    for_itself = sim.shutdown or run.recalled or bool(run.sick) or victim.phase is Phase.STARTING
    if on_its_way or for_itself or run.outgrown:
        return
    if demand_laws.unpinned(sim, victim.name) and not observed.demand_for(victim.name).busy:
        return
    for other in observed.models.values():
        idle = demand_laws.unpinned(sim, other.name) and not observed.demand_for(other.name).busy
        if other.run is not None and idle and not _leaves(other):
            enough = other.run.measured.get("ram", 0) >= WORTH * missing
            assert not enough, f"{victim.name} goes, and {other.name} could be spared: {decided.actions}"


def _leaves(model: Model) -> bool:
    return model.run is not None and model.run.leaving is not None
