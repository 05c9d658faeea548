"""One host's word to the fleet: its room, its models, what each would need here. A pure function of the zoo.

Room is by the sums that the host itself admits by, so that what is given to it is what it can start. Refuses to judge
who should have what.
"""

from collections.abc import Mapping

from zoosup import __version__
from zoosup.core.estimation import need as estimate
from zoosup.core.fleet.words import (
    Assignment,
    FleetModel,
    FleetSpec,
    HostReport,
    ModelNeed,
    ModelReport,
    PoolRoom,
)
from zoosup.core.memory.gpu_layouts import named_gpus
from zoosup.core.memory.unified import in_ram
from zoosup.core.scheduler.demand import yields
from zoosup.core.state.observed import NO_DEMAND, Model
from zoosup.core.state.phases import Phase, Reason
from zoosup.core.state.pools import VRAM, Make, Pool
from zoosup.runtime.publish.holds_report import room_held
from zoosup.runtime.publish.need_report import has_gpus
from zoosup.runtime.publish.snapshot import is_refused
from zoosup.runtime.state.membership import Membership
from zoosup.runtime.state.zoo import Zoo
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.values.kinds import is_loopback
from zoosup.spec.model.zoo import ZooSpec
from zoosup.spec.span_forms import hosts_of
from zoosup.spec.syntax.addresses import split_address

_EVERYWHERE = frozenset({"0.0.0.0", "::", "*", ""})  # noqa: S104 - read, not listened on


def report(zoo: Zoo, here: Membership, life: str, sequence: int) -> HostReport:
    """All that this host says of itself, as it is now; `life` and `sequence` as in `HostReport`."""
    return HostReport(
        node=here.node,
        address=here.address,
        gateway=gateway_address(zoo.gateway.address, here.address),
        labels=dict(here.spec.labels),
        pools=tuple(_room(zoo, pool) for pool in zoo.memory.pools()),
        models={name: _model(zoo, name, spec) for name, spec in _reported(zoo).items()},
        spec=shared_spec(zoo.declared, here, zoo.applied.revision),
        assignment=here.assignment or Assignment(),
        known=() if here.view is None else tuple(here.view.hosts),
        drains={} if here.view is None else here.view.drains,
        epoch=0 if here.view is None else here.view.epoch,
        generation=0 if here.view is None else here.view.spec.generation,
        life=life,
        sequence=sequence,
        leaving=zoo.shutdown,
        version=__version__,
    )


def _reported(zoo: Zoo) -> dict[str, ModelSpec]:
    """Those of the file, and over several hosts also one that it has no longer: the others wait for its end."""
    leaving = {model.name: run.spec for model, run in zoo.live() if hosts_of(run.spec)}
    return {**leaving, **zoo.declared.models}


def shared_spec(declared: ZooSpec, here: Membership, revision: str) -> FleetSpec:
    """The file as all hosts share it: nothing in it is of this host alone."""
    return FleetSpec(
        digest=here.digest,
        generation=here.generation,
        base=here.base,
        models=tuple(_shared(declared, name, spec) for name, spec in declared.models.items()),
        lost_after=here.spec.lost_after,
        revision=revision,
    )


def _shared(declared: ZooSpec, name: str, spec: ModelSpec) -> FleetModel:
    by_labels = isinstance(spec.hosts, Mapping)
    return FleetModel(
        name=name,
        priority=declared.active.index(name) if name in declared.active else None,
        on_demand=spec.on_demand,
        hosts=() if isinstance(spec.hosts, Mapping) else spec.hosts,
        labels=dict(spec.hosts) if by_labels and isinstance(spec.hosts, Mapping) else {},
        replicas=None if spec.replicas == "all" else spec.replicas,
        spans=spec.spans,
    )


def gateway_address(listen: str | None, address: str) -> str:
    """Where other hosts reach a gateway that listens so; "" where they don't: it is for this host alone."""
    if listen is None:
        return ""
    host, port = split_address(listen)
    if host in _EVERYWHERE:
        host = address
    if not host or (host != address and is_loopback(f"{_bracketed(host)}:{port}")):
        return ""
    return f"{_bracketed(host)}:{port}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _room(zoo: Zoo, pool: Pool) -> PoolRoom:
    return PoolRoom(pool.id, pool.name, _capacity(zoo, pool), pool.total, pool.index, pool.unified, pool.make)


def _capacity(zoo: Zoo, pool: Pool) -> int:
    """The most bytes that all models may hold together: (B) and (M) of `core.memory.ledger` with none of them there.

    Where the pool can't be read it is what they have, since nobody can be given more.
    """
    unified = zoo.memory.node().unified
    booked = [in_ram(run.reserved, unified).get(pool.id, 0) for _, run in zoo.live()]
    if pool.available is None:
        return sum(booked)
    holds = room_held(zoo, pool).values()
    measured = [in_ram(run.measured, unified).get(pool.id, 0) for _, run in zoo.live()]
    theirs = sum(map(min, measured, booked))
    promised = sum(max(0, each["reserved"] - each["held"]) for each in holds)
    free = pool.available + theirs + _coming_back(zoo, pool) - promised - pool.reserve
    return max(0, min(pool.budget - sum(each["reserved"] for each in holds), free))


def _coming_back(zoo: Zoo, pool: Pool) -> int:
    """What those have held that have just ended, as far as it is not seen to be back."""
    waits = [w for w in zoo.memory.cooldowns.values() if w.pool == pool.id and w.baseline is not None]
    missing = (w.expected - max(0, (pool.available or 0) - (w.baseline or 0)) for w in waits)
    return sum(max(0, each) for each in missing)


def _model(zoo: Zoo, name: str, spec: ModelSpec) -> ModelReport:
    model, demand = zoo.models[name], zoo.demand.get(name, NO_DEMAND)
    used = demand.last_used if not demand.busy else None
    return ModelReport(
        phase=model.phase.value,
        ready=model.phase is Phase.READY,
        need=need_of(zoo, model, spec),
        held={} if model.run is None else dict(model.run.reserved),
        inflight=demand.inflight,
        waiting=demand.waiting,
        refused=(model.message or str(model.reason)) if is_refused(model) else None,
        missing=model.preflight is not None and model.preflight.reason is Reason.FILE_MISSING,
        load_time=None if model.load_time is None else round(model.load_time, 3),
        idle=None if used is None else round(max(0.0, zoo.clock.now() - used), 1),
        yields=yields(model, spec),
        reason=str(model.reason),
        peers=() if model.run is None else hosts_of(model.run.spec),
    )


def need_of(zoo: Zoo, model: Model, spec: ModelSpec) -> ModelNeed:
    """What a model would be booked with on this host, by all that is known of it here; bytes."""
    whole = estimate.need_of(model, spec)
    there = has_gpus(zoo) and spec.gpus != "none"
    need = whole.on_gpus or whole if there else whole
    cards = named_gpus(spec, need, _makes(zoo)) if there else ()
    return ModelNeed(
        ram=need.amounts.get("ram", 0),
        vram=need.whole_vram if need.certain else 0,
        gpus=_gpu_count(spec, cards),
        cards=cards,
        each_gpu=need.each_gpu,
        without=whole.amounts.get("ram", 0) if there and need.yields else None,
    )


def _makes(zoo: Zoo) -> set[Make]:
    return {pool.make for pool in zoo.memory.pools() if pool.id.startswith(VRAM)}


def _gpu_count(spec: ModelSpec, cards: tuple[str, ...]) -> int | None:
    if spec.gpus == "none":
        return 0
    if cards:
        return len(cards)
    return spec.gpus if isinstance(spec.gpus, int) else None
