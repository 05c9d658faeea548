"""One consistent pass as data: the shape of `GET /status`, of an event about an exit, and of `zoosup plan`.

Everything that people and programs see of the runtime is built here, from the zoo and the plan alone. Values of
environment variables and tokens are in none of it.
"""

import math
import os
from typing import Any

from zoosup import __version__
from zoosup.core.estimation import need as estimate
from zoosup.core.lifecycle.backoff import unsettled
from zoosup.core.lifecycle.exits import CRASHES
from zoosup.core.lifecycle.load_progress import in_words, shown
from zoosup.core.memory.gpu_layouts import rebooked
from zoosup.core.memory.other_gpus import elsewhere
from zoosup.core.scheduler.plan import Plan
from zoosup.core.scheduler.verdicts import REFUSALS
from zoosup.core.state.observed import NO_DEMAND, Condition, Model, Switch
from zoosup.core.state.phases import ConditionType, Phase
from zoosup.core.state.runs import Exit, Run
from zoosup.runtime.events.words import EventType
from zoosup.runtime.publish import words
from zoosup.runtime.publish.condition_status import ConditionTimes
from zoosup.runtime.publish.convergence import converged
from zoosup.runtime.publish.external_status import external_data
from zoosup.runtime.publish.holds_report import holds_data
from zoosup.runtime.publish.need_report import has_gpus, terms_of, unplaced
from zoosup.runtime.publish.pool_status import pool_data
from zoosup.runtime.state.zoo import Zoo
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.model.process.short_forms.base import HOST


def build(
    zoo: Zoo, decided: Plan, times: ConditionTimes, extra: tuple[Condition, ...] = ()
) -> dict[str, Any]:
    """The whole snapshot; `extra` are conditions that no plan knows of, since none depends on them."""
    conditions = times.stamp((*decided.conditions, *_fleet_conditions(zoo), *extra))
    return {
        "version": __version__,
        "instance": zoo.instance,
        "node": zoo.node,
        "pid": os.getpid(),
        "at": zoo.clock.wall(),
        "config": _config(zoo),
        "gateway": zoo.gateway.address,
        "phase": "stopping" if zoo.shutdown else "running",
        "converged": converged(zoo) and not zoo.gateway.trouble,
        "switch": _switch(zoo.switch),
        "fleet": _fleet(zoo),
        "conditions": conditions.get(None, []),
        "pools": [pool_data(zoo, pool) for pool in zoo.memory.pools()],
        "holds": holds_data(zoo, decided),
        "models": _models(zoo, conditions),
    }


def _fleet(zoo: Zoo) -> dict[str, Any] | None:
    """The other hosts; None where there is no fleet, of which nothing is imported then."""
    if zoo.fleet is None:
        return None
    from zoosup.runtime.publish.fleet_status import fleet_data  # noqa: PLC0415

    return fleet_data(zoo, zoo.fleet)


def _fleet_conditions(zoo: Zoo) -> tuple[Condition, ...]:
    if zoo.fleet is None:
        return _left(zoo.left_fleet)
    from zoosup.runtime.publish.fleet_status import conditions  # noqa: PLC0415

    return conditions(zoo.fleet)


def _left(head: str) -> tuple[Condition, ...]:
    """That the file has lost its fleet, which may be a slip: said until the next edit, or the next zoosup."""
    if not head:
        return ()
    message = (
        f"zoo.yaml has no fleet any more: this host has left that of {head}, runs all of active by itself, "
        "and the other hosts count it as lost"
    )
    return (Condition(None, ConditionType.FLEET_LEFT, True, "NoFleetInFile", message),)


def _models(zoo: Zoo, conditions: dict[str | None, list[dict[str, Any]]]) -> dict[str, Any]:
    """This host's, then those elsewhere; a run whose name an edit has given to one of those is shown to its end."""
    ours = {name: _model(zoo, model, conditions.get(name, [])) for name, model in zoo.models.items()}
    others = {n: external_data(zoo, server) for n, server in zoo.externals.items() if n not in ours}
    return ours | others


def _switch(switch: Switch | None) -> dict[str, Any] | None:
    """The newest change of `active`: who comes, who goes, and how far it is."""
    if switch is None:
        return None
    return {
        "incoming": list(switch.incoming),
        "outgoing": list(switch.outgoing),
        "outcome": switch.outcome.value,
    }


def is_refused(model: Model) -> bool:
    """Whether it can't be had as things are, whoever leaves and however long one waits."""
    return model.phase is Phase.FAILED or (model.phase is Phase.PENDING and model.reason in REFUSALS)


def _config(zoo: Zoo) -> dict[str, Any]:
    applied = zoo.applied
    return {
        "path": applied.path,
        "generation": applied.generation,
        "observed_generation": applied.generation,
        "hash": applied.hash,
        "revision": applied.revision or None,
        "loaded_at": applied.loaded_at,
        "error": applied.error,
    }


def _model(zoo: Zoo, model: Model, conditions: list[dict[str, Any]]) -> dict[str, Any]:
    run, spec = model.run, zoo.spec.models.get(model.name)
    backing_off = model.phase is Phase.BACKOFF
    demand = zoo.demand.get(model.name, NO_DEMAND)
    return {
        "phase": model.phase.value,
        "reason": str(model.reason),
        "message": model.message,
        "why": _why(zoo, model),
        "refused": is_refused(model),
        "active": model.name in zoo.spec.active,
        "on_demand": spec is not None and spec.on_demand,
        "external": False,
        "task": spec.task.value if spec is not None and spec.task is not None else None,
        "aliases": list(spec.aliases) if spec is not None else [],
        "variants": list(spec.variants) if spec is not None else [],
        "pid": run.pid if run is not None else None,
        "port": run.port if run is not None else None,
        "url": f"http://{HOST}:{run.port}" if run is not None else None,
        "run_id": run.id if run is not None else None,
        "gpus": None if run is None or run.gpus is None else list(run.gpus),
        "weights": {name: there.path for name, there in (run.located if run is not None else model.located)},
        "started_at": run.started_at if run is not None else None,
        "ready_at": _wall(zoo, run.ready_at) if run is not None else None,
        "restarts": model.restarts,
        "crashes": _crashes(zoo, model),
        "backoff_until": _wall(zoo, model.backoff.until) if backing_off else None,
        "last_exit": _exit(model.last_exit),
        "memory": _memory_if_known(zoo, model, spec or (run.spec if run is not None else None)),
        "inflight": demand.inflight,
        "waiting": demand.waiting,
        "last_used": _wall(zoo, demand.last_used),
        "progress": _progress(model),
        "warm": _warm(zoo, model),
        "load_time": None if model.load_time is None else round(model.load_time, 3),
        "override": model.override.value if model.override is not None else None,
        "description": spec.description if spec is not None else "",
        "conditions": conditions,
    }


def _progress(model: Model) -> dict[str, Any] | None:
    """How far its load is; None where nothing is known of it, or it doesn't load."""
    found = model.run.progress if model.run is not None and model.phase is Phase.STARTING else None
    if found is None:
        return None
    left = None if found.left is None else math.ceil(found.left)
    amounts = {"read": shown(found), "total": found.total, "left": left}
    share = round(found.share, 3)
    return {"share": share, "source": found.source.value, **amounts, "words": in_words(found)}


def _warm(zoo: Zoo, model: Model) -> dict[str, Any] | None:
    """What of its weights was read ahead, or was in memory already; of one that runs nobody has looked."""
    warm = zoo.warm.get(model.name)
    if warm is None:
        return None
    return {"there": warm.there, "size": model.weights_size, "reading": warm.reading}


def _crashes(zoo: Zoo, model: Model) -> int:
    """Its crashes in a row, for as long as it is not known that they are over; 0 of one that nobody runs."""
    run = model.run
    if run is None:
        return model.backoff.count if model.phase is Phase.BACKOFF else 0
    if run.leaving is not None and run.leaving.cause not in CRASHES:
        return 0
    policy = zoo.spec.models.get(model.name, run.spec).restart
    return unsettled(model.backoff.count, run.ready_for(zoo.clock.now()), policy)


def _why(zoo: Zoo, model: Model) -> str:
    said = words.why(model.reason, model.message, active=model.name in zoo.spec.active)
    crashes = _crashes(zoo, model)
    if model.phase is Phase.STARTING and said:
        return f"not ready yet: {said}"  # what its server last answered
    return said or (words.crashed(crashes, model.last_exit) if crashes else "")


def _wall(zoo: Zoo, at: float | None) -> float | None:
    return None if at is None else round(zoo.clock.wall_of(at), 1)


def _memory_if_known(zoo: Zoo, model: Model, spec: ModelSpec | None) -> dict[str, Any]:
    try:
        return _memory(zoo, model, spec)
    except Exception:  # noqa: BLE001 - a bug of ours, of which the plan has told; the others are shown all the same
        return {}


def _memory(zoo: Zoo, model: Model, spec: ModelSpec | None) -> dict[str, Any]:
    run = model.run
    if spec is None:
        return {}
    need = estimate.need(spec, model.weights, model.learned)
    amounts, source = need.amounts, need.source
    on_host = need.on_gpus or need if has_gpus(zoo) and spec.gpus != "none" else need
    if run is None:
        amounts = unplaced(zoo, need)
    elif spec.memory == "auto" and (run.gpus or (source == "default" and run.source not in {"", "default"})):
        # Laid out over GPUs when it was booked; or adopted, and booked by somebody who had looked at its weights.
        amounts, source = run.reserved, run.source or source
    else:
        amounts = rebooked(need, run)
    others = {} if run is None else elsewhere(run)
    return {
        pool: {
            "need": amount,
            "source": source,
            "reserved": run.reserved.get(pool, 0) if run is not None else 0,
            "held": run.measured.get(pool, 0) if run is not None else 0,
            "peak": run.peak.get(pool, 0) if run is not None else 0,
            "mapped": run.mapped if run is not None and pool == "ram" else None,
            "note": on_host.note,
            "terms": [] if pool in others else terms_of(on_host.terms, pool.partition(":")[0]),
        }
        for pool, amount in {**amounts, **dict.fromkeys(others, 0)}.items()
    }


def _exit(end: Exit | None) -> dict[str, Any] | None:
    if end is None:
        return None
    return {
        "reason": end.reason.value,
        "code": end.code,
        "signal": end.signal,
        "at": end.at,
        "words": words.ending(end),
        "message": end.message,
        "log": list(end.log),
    }


def end_event(model: Model, run: Run) -> tuple[EventType, str, str, str, dict[str, Any]]:
    """The event of a run's end: type, model, reason, message and figures, the last lines it wrote among them."""
    end = model.last_exit
    cause = run.leaving.cause if run.leaving is not None else "Crashed"
    message = (end.message or end.reason) if end is not None else ""
    data: dict[str, Any] = {"run_id": run.id, "pid": run.pid, "exit": _exit(end), "peak": dict(run.peak)}
    return "Gone", model.name, str(cause), message, data
