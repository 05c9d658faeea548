"""What DESIGN §6 lets clients do to a zoo, who may be started, displaced and sent away for them.

Arithmetic of its own, from the contract and not from `scheduler.demand`. Asked by `laws`, which knows the memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoosup.core.state.observed import Model, Observed, SwitchOutcome
from zoosup.core.state.phases import Override, Phase
from zoosup.core.state.runs import Run

if TYPE_CHECKING:
    from tests.core.simulation.clients import Client
    from tests.core.simulation.simulated_host import SimulatedHost
    from zoosup.core.scheduler.plan import Plan

SETTLING = 2.0
"""Seconds after it has fallen asleep in which a model isn't ended: what it gave back has not been seen."""

LATE = 1.0 + 1e-6
"""Seconds by which a reconciler that hears nothing may be late: it looks once a second."""


def active(sim: SimulatedHost, decided: Plan) -> tuple[str, ...]:
    """Whom the file wants without anybody asking; those that a rolled-back switch took out have come back."""
    switch = decided.switch
    back = switch.outgoing if switch is not None and switch.outcome is SwitchOutcome.ROLLED_BACK else ()
    return (*sim.spec.active, *back)


def unpinned(sim: SimulatedHost, name: str) -> bool:
    """Whether a request for another may cost it its place: the file says on_demand, and no person has started it."""
    spec = sim.spec.models.get(name)
    return spec is not None and spec.on_demand and sim.models[name].override is not Override.START


def asks(sim: SimulatedHost, observed: Observed, name: str) -> bool:
    """Whether clients want it whom it is to be started for."""
    return unpinned(sim, name) and bool(_clients(observed, name))


def _clients(observed: Observed, name: str) -> int:
    demand = observed.demand.get(name)
    return 0 if demand is None else demand.inflight + demand.waiting


def the_order_is_lawful(sim: SimulatedHost, observed: Observed, decided: Plan) -> None:
    """Pinned ones come first, then those asked for, the longest waiting first, then those that rest."""
    ranks = []
    for name in decided.wanted:
        model = sim.models[name]
        assert model.override is not Override.STOP, f"12: {name} is wanted, and was stopped by hand"
        listed = name in active(sim, decided)
        if not unpinned(sim, name):
            assert listed or model.override is Override.START, f"{name} is wanted by nobody"
            ranks.append((0, 0.0))
        elif _clients(observed, name):
            since = observed.demand[name].since
            ranks.append((1, float("inf") if since is None else since))
        else:
            assert listed, f"{name} is wanted, and nobody asks for it"
            ranks.append((2, 0.0))
    assert ranks == sorted(ranks), f"{decided.wanted} in the wrong order: {ranks}"


def who_is_forgotten(sim: SimulatedHost, observed: Observed, decided: Plan) -> None:
    """Whoever has clients, may be started by them and has not been stopped by a person, is wanted."""
    for name in observed.demand:
        stopped = name not in sim.models or sim.models[name].override is Override.STOP
        if not stopped and not sim.shutdown and asks(sim, observed, name):
            assert name in decided.wanted, f"{name} has clients, and is forgotten"


def may_displace(sim: SimulatedHost, observed: Observed, winner: str, victim: str) -> bool:
    """Whether an unpinned one that runs may be sent away for another by now."""
    model, now, rules = sim.models[victim], observed.now, sim.rules
    assert model.run is not None
    demand = observed.demand_for(victim)
    used, busy, rests = demand.last_used, bool(_clients(observed, victim)), not asks(sim, observed, winner)
    if model.phase is Phase.ASLEEP:
        return _may_be_ended_asleep(sim, observed, winner, victim)
    if not busy and used is None and victim in sim.spec.active:
        return True  # nobody has ever asked for it
    ready_at = model.run.ready_at if model.phase in {Phase.READY, Phase.UNREADY} else None
    since = observed.demand_for(winner).since if unpinned(sim, winner) else float("-inf")
    if busy:
        first = demand.since is not None and since is not None and demand.since <= since
        waited = since is not None and now >= since + rules.patience
        return ready_at is not None and not first and waited and (not rests or not unpinned(sim, winner))
    if rests and unpinned(sim, winner):
        return ready_at is not None and now >= max(used or 0, ready_at) + rules.min_residency
    # Clients here have no names, so that each counts as another.
    return ready_at is None or used is None or now >= min(ready_at, used) + rules.min_residency


def _may_be_ended_asleep(sim: SimulatedHost, observed: Observed, winner: str, victim: str) -> bool:
    """What it holds has been seen; and whoever waits for it came after whoever it is ended for."""
    run = sim.models[victim].run
    assert run is not None
    assert run.sleep is not None
    if observed.now < run.sleep.since + SETTLING:
        return False
    if not _clients(observed, victim) or not unpinned(sim, winner):
        return True
    since, theirs = observed.demand_for(winner).since, observed.demand_for(victim).since
    return since is not None and theirs is not None and since < theirs


def idle_end(sim: SimulatedHost, observed: Observed, model: Model, run: Run) -> float | None:
    """When one that nobody asks for has been kept for long enough."""
    spec = sim.spec.models.get(model.name)
    if spec is None or not spec.on_demand or spec.idle_timeout == 0 or run.ready_at is None:
        return None
    used = observed.demand[model.name].last_used if model.name in observed.demand else None
    return max(run.ready_at, used or 0) + spec.idle_timeout


def idle_ones_go(
    sim: SimulatedHost, observed: Observed, decided: Plan, told: set[str], kept: set[str]
) -> None:
    """Stopped after idle_timeout: by this plan, if not before."""
    for model in observed.models.values():
        run = model.run
        stays = model.phase in {Phase.READY, Phase.UNREADY, Phase.ASLEEP}
        if run is None or not stays or run.leaving is not None or _clients(observed, model.name):
            continue
        if model.name in decided.wanted or model.name in kept:
            continue
        end = idle_end(sim, observed, model, run)
        assert end is None or observed.now < end or model.name in told, f"{model.name} outstays idle_timeout"


def grant_is_lawful(sim: SimulatedHost, client: Client) -> None:
    """A client is handed to a run that lives, is ready, and is not on its way out."""
    model = sim.models[client.model]
    assert model.run is not None
    assert client.run_id == model.run.id
    assert model.phase is Phase.READY
    assert model.run.leaving is None, f"{client} is handed to a run that leaves"
    assert model.override is not Override.STOP
    assert sim.process(model.run.id).alive
    assert sim.process(model.run.id).asleep is None, f"{client} is handed to one that sleeps"
    limit, users = sim.spec.models[client.model].max_inflight, len(sim.leases.using(model.run.id))
    assert not limit or users <= limit, f"{users} use {client.model} at once, {limit} may"
    assert not [c for c in sim.leases.waiting(client.model) if c.since < client.since], (
        f"{client} jumps the queue"
    )
    closed = sim.closed.get(client.model)
    assert closed is None or client.since <= closed, f"{client} overtakes one who has waited out of patience"


def nobody_waits_too_long(sim: SimulatedHost) -> None:
    """18: each client that waits has been told by queue_timeout; it is never forgotten."""
    for client in sim.leases.waiting():
        limit = sim.rules.queue_timeout
        assert sim.now <= client.since + limit + LATE, f"{client} has waited for {sim.now - client.since} s"


def inflight_is_true(sim: SimulatedHost, observed: Observed) -> None:
    """What the plan is told of clients is what they are: those of the run that is there."""
    for name, demand in observed.demand.items():
        run = sim.models[name].run if name in sim.models else None
        using = [c for c in sim.leases.clients if c.answering and c.model == name]
        assert all(sim.process(c.run_id or "").gone is None for c in using), f"{name} answers from the grave"
        assert demand.inflight == (0 if run is None else len([c for c in using if c.run_id == run.id]))
