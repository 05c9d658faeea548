"""What clients' demand means: which models are wanted for it, and when one that runs may make room for another.

DESIGN §6 in four lines:

    active, not on demand    pinned: runs always; only the file or a person ends it
    active, on demand        resting: runs while nothing else needs the room, and comes back when the demand is over
    not active, on demand    asked for by clients, or kept for idle_timeout, or as long as they have said
    neither                  off

Turns: whose clients came first is served first. A busy model makes room for a waiter of another once its own clients
that came before, and those it has let in as it became ready, are answered; it is open to later ones for `patience`. An
idle one does so at once, unless another client than the waiter's has used it a moment ago.

A lease is one client's claim. Demand for a model is its leases, those waited for and those held. Knows no memory: what
has to leave for whom is chosen in `preempt`, among those that may.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

from zoosup.core.state.observed import Demand, Model, Observed
from zoosup.core.state.phases import Override, Phase
from zoosup.spec.model.gateway import GatewaySpec
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.zoo import ZooSpec

_ONCE_READY = frozenset({Phase.READY, Phase.UNREADY})
SETTLING = 2.0
"""Seconds after a model has gone to sleep before it is ended for room: what it holds by then has been measured."""

LET_IN = 0.1
"""Seconds after which one that lets its clients in is looked at again: it has, then."""

_NO_GATEWAY = GatewaySpec()


@dataclass(frozen=True, slots=True)
class Claim:
    """On whose behalf room is asked for: when they came, and the client who came first, if that is known.

    What the file or a person has pinned comes before every client, and what only rests comes after them all.
    """

    since: float
    client: str = ""


PINNED, RESTING = Claim(float("-inf")), Claim(float("inf"))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Who is wanted, by what weight, each in order of priority."""

    pinned: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()  # the longest waiting first
    resting: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """All of them in the order in which they are placed."""
        return tuple(dict.fromkeys((*self.pinned, *self.asked, *self.resting)))


def wanted(spec: ZooSpec, observed: Observed, listed: Iterable[str]) -> Wanted:
    """Who is wanted; `listed` are the active ones as a switch has left them."""
    models = observed.models
    by_file = [n for n in listed if n in spec.models and models[n].override is not Override.STOP]
    by_hand = [n for n, m in models.items() if m.override is Override.START and n in spec.models]
    pinned = [n for n in (*by_file, *by_hand) if not yields(models[n], spec.models[n])]
    asked = [n for n in observed.demand if _may_ask(n, spec, observed)]
    return Wanted(
        pinned=tuple(dict.fromkeys(pinned)),
        asked=tuple(sorted(asked, key=lambda n: _turn(observed.demand_for(n)))),
        resting=tuple(n for n in by_file if n not in pinned and _rests(n, observed)),
    )


def _rests(name: str, observed: Observed) -> bool:
    """Whether it runs for nobody: no client asks for it, and no person has unloaded it until one does."""
    return observed.models[name].override is not Override.UNLOAD and not observed.demand_for(name).busy


def yields(model: Model, spec: ModelSpec) -> bool:
    """Whether demand for others may displace it."""
    return spec.on_demand and model.override is not Override.START


def gateway(spec: ZooSpec) -> GatewaySpec:
    """The gateway's rules; a file that turns it off has none to ask by, and the usual ones do no harm."""
    return spec.gateway or _NO_GATEWAY


def claim_of(name: str, wanted: Wanted, observed: Observed) -> Claim:
    """By what right a wanted model asks for room; or a hold, which comes as a client does, or before all."""
    hold = next((each for each in observed.holds if each.name == name), None)
    if hold is not None:
        return PINNED if hold.forced else Claim(hold.since)
    if name in wanted.pinned:
        return PINNED
    if name in wanted.resting:
        return RESTING
    demand = observed.demand_for(name)
    return Claim(observed.now if demand.since is None else demand.since, demand.client)


def may_leave_at(claim: Claim, model: Model, spec: ZooSpec, observed: Observed) -> float | None:
    """From when on an on-demand model may make room; None while it may not for as long as things are as they are."""
    run, demand = model.run, observed.demand_for(model.name)
    assert run is not None  # noqa: S101 - only who runs can leave
    if model.phase is Phase.ASLEEP and run.sleep is not None:
        # One that sleeps serves nobody; but it isn't ended for those who came after its own clients.
        return None if demand.busy and _comes_first(demand, claim) else run.sleep.since + SETTLING
    asked_for = demand.busy or demand.last_used is not None or model.name not in spec.active
    if not asked_for:
        return observed.now  # what nobody has asked for is protected by nothing, not even while it loads
    ready_at = run.ready_at if model.phase in _ONCE_READY else None
    rules = gateway(spec)
    if demand.busy:
        waits = ready_at is None or claim is RESTING or _comes_first(demand, claim) or lets_in(model, demand)
        return None if waits else claim.since + rules.patience
    if claim is RESTING:
        return None if ready_at is None else max(ready_at, demand.last_used or 0.0) + rules.min_residency
    used = demand.used_by_others(claim.client)
    if ready_at is None or used is None:
        return observed.now  # also while it loads for a client who has gone
    return min(ready_at, used) + rules.min_residency


def lets_in(model: Model, demand: Demand) -> bool:
    """Whether it has just become ready: whoever waits for it is let in first, also before one who waits for longer.

    Else a turn would serve fewer than come while their model loads, and the queues would grow for ever.
    """
    run, waits = model.run, demand.waiting and not demand.inflight
    if model.phase is not Phase.READY or run is None or run.ready_at is None or not waits:
        return False
    return demand.last_used is None or demand.last_used < run.ready_at


def _comes_first(demand: Demand, claim: Claim) -> bool:
    """Whether a client of its own came before whoever asks for the room, and has not been served yet."""
    return claim is RESTING or (demand.since is not None and demand.since <= claim.since)


def idle_until(model: Model, spec: ModelSpec, demand: Demand) -> float | None:
    """Until when one that is only kept may stay, a time of `Observed.now`'s clock; None: nothing bounds it yet."""
    run, stay = model.run, idle_timeout(spec, demand)
    if run is None or run.ready_at is None or stay is None:
        return None
    return max(run.ready_at, demand.last_used or run.ready_at) + stay


def idle_timeout(spec: ModelSpec, demand: Demand) -> float | None:
    """Seconds that a model on demand stays unused, a client's word before the file's; None: for ever."""
    if demand.stay is not None:
        return demand.stay if demand.stay < inf else None
    return spec.idle_timeout or None


def given_back(model: Model, spec: ModelSpec, demand: Demand) -> bool:
    """Whether its clients want the memory of a model back that they are done with."""
    return demand.stay == 0 and not demand.busy and model.run is not None and yields(model, spec)


def _may_ask(name: str, spec: ZooSpec, observed: Observed) -> bool:
    model, declared = observed.models.get(name), spec.models.get(name)
    if model is None or declared is None or model.override is Override.STOP:
        return False
    return yields(model, declared) and observed.demand_for(name).busy


def _turn(demand: Demand) -> float:
    return inf if demand.since is None else demand.since
