"""Whether the host is as the file says, so that people and scripts can wait for it. Knows no way to get there."""

from zoosup.core.scheduler import switch as switching
from zoosup.core.scheduler.demand import yields
from zoosup.core.state.observed import NO_DEMAND, Condition, Model
from zoosup.core.state.phases import ConditionType, Override, Phase, Reason
from zoosup.runtime.state.zoo import Zoo
from zoosup.spec.changes import outdated


def converged(zoo: Zoo) -> bool:
    """Whether the host is as the file says: each wanted model ready by its word, no other alive."""
    wanted = set(switching.effective(zoo.spec.active, zoo.switch))
    wanted |= {n for n, m in zoo.models.items() if m.override is Override.START}
    stopped = {n for n, m in zoo.models.items() if m.override in {Override.STOP, Override.UNLOAD}}
    by_file = set(zoo.spec.active) <= (wanted - stopped) | stopped
    as_wanted = all(_as_wanted(zoo, m, wanted=m.name in wanted - stopped) for m in zoo.models.values())
    return by_file and as_wanted and zoo.applied.error is None and _share_is_known(zoo)


def refused_parts(zoo: Zoo) -> tuple[Condition, ...]:
    """What of the file on disk is not in force: all of it, or an address."""
    troubles = (
        (ConditionType.FILE_IN_FORCE, zoo.applied.error),
        (ConditionType.GATEWAY_LISTENING, zoo.gateway.trouble),
        (ConditionType.STATUS_LISTENING, zoo.status_trouble),
    )
    return tuple(Condition(None, what, False, "Refused", trouble) for what, trouble in troubles if trouble)


def _share_is_known(zoo: Zoo) -> bool:
    """Whether the fleet has said, of the file as it is, what this host is to run."""
    return zoo.fleet is None or (zoo.fleet.assignment is not None and zoo.fleet.undecided_until is None)


def _as_wanted(zoo: Zoo, model: Model, *, wanted: bool) -> bool:
    spec = zoo.spec.models.get(model.name)
    if spec is not None and model.run is not None and outdated(model.run.spec, spec):
        return False
    if spec is not None and yields(model, spec):
        # It may be there or not; not so what is on its way, and nobody may be left waiting.
        settled = model.run is None or model.phase in {Phase.READY, Phase.ASLEEP}
        return (
            settled
            and not zoo.demand.get(model.name, NO_DEMAND).waiting
            and (not wanted or model.phase is Phase.READY or model.reason == Reason.EVICTION)
        )
    return model.phase is Phase.READY if wanted else model.run is None
