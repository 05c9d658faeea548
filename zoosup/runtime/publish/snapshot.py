"""One consistent pass as data: the shape of `GET /status`, of an event about an exit, and of `zoosup plan`.

Everything that people and programs see of the runtime is built here, from the zoo and the plan alone. Values of
environment variables and tokens are in none of it.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from zoosup import __version__
from zoosup.core.estimation import need as estimate
from zoosup.core.memory.gpu_layouts import rebooked
from zoosup.core.scheduler.plan import Plan
from zoosup.core.scheduler.verdicts import REFUSALS
from zoosup.core.state.observed import NO_DEMAND, Condition, Model, Switch
from zoosup.core.state.phases import Phase
from zoosup.core.state.pools import Pool
from zoosup.core.state.runs import Exit, Run
from zoosup.runtime.publish.convergence import converged
from zoosup.runtime.publish.need_report import has_gpus, terms_of, unplaced
from zoosup.runtime.state.zoo import Zoo
from zoosup.spec.model.model import ModelSpec
from zoosup.spec.parse import HOST


@dataclass(slots=True)
class ConditionTimes:
    """Since when each condition has been as it is (wall time): data that only the one who publishes can know."""

    wall: Callable[[], float]
    _known: dict[tuple[str | None, str], tuple[bool, str, float]] = field(default_factory=dict)

    def stamp(self, conditions: tuple[Condition, ...]) -> dict[str | None, list[dict[str, Any]]]:
        """The conditions by model (None: the zoo's own), each with its `since`; those not named are forgotten."""
        known, stamped = {}, dict[str | None, list[dict[str, Any]]]()
        for condition in conditions:
            key = condition.model, condition.type
            old = self._known.get(key)
            fresh = old is None or old[:2] != (condition.status, condition.reason)
            since = self.wall() if fresh or old is None else old[2]
            known[key] = (condition.status, condition.reason, since)
            stamped.setdefault(condition.model, []).append(condition_data(condition) | {"since": since})
        self._known = known
        return stamped


def build(
    zoo: Zoo, decided: Plan, times: ConditionTimes, extra: tuple[Condition, ...] = ()
) -> dict[str, Any]:
    """The whole snapshot; `extra` are conditions that no plan knows of, since none depends on them."""
    conditions = times.stamp((*decided.conditions, *extra))
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
        "conditions": conditions.get(None, []),
        "pools": [pool_data(zoo, pool) for pool in zoo.memory.pools()],
        "models": {name: _model(zoo, model, conditions.get(name, [])) for name, model in zoo.models.items()},
    }


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
        "loaded_at": applied.loaded_at,
        "error": applied.error,
    }


def pool_data(zoo: Zoo, pool: Pool) -> dict[str, Any]:
    """One pool, with who holds what of it."""
    runs = {m.name: run for m, run in zoo.live() if pool.id in run.reserved}
    held = {name: run.measured.get(pool.id, 0) for name, run in runs.items()}
    reserved = {name: run.reserved[pool.id] for name, run in runs.items()}
    used = None if pool.available is None else pool.total - pool.available
    source = next((r.source for r in zoo.memory.readings if r.id == pool.id), "")
    return {
        "node": pool.node,
        "id": pool.id,
        "kind": pool.kind,
        "name": pool.name,
        "source": source,
        "total": pool.total,
        "free": pool.available,
        "reserve": pool.reserve,
        "budget": pool.budget,
        "reserved": sum(reserved.values()),
        "held": sum(held.values()),
        "foreign": None if used is None else max(0, used - sum(held.values())),
        "models": {name: {"reserved": reserved[name], "held": held[name]} for name in runs},
    }


def _model(zoo: Zoo, model: Model, conditions: list[dict[str, Any]]) -> dict[str, Any]:
    run, spec = model.run, zoo.spec.models.get(model.name)
    backing_off = model.phase is Phase.BACKOFF
    demand = zoo.demand.get(model.name, NO_DEMAND)
    return {
        "phase": model.phase.value,
        "reason": str(model.reason),
        "message": model.message,
        "refused": is_refused(model),
        "active": model.name in zoo.spec.active,
        "on_demand": spec is not None and spec.on_demand,
        "task": spec.task.value if spec is not None and spec.task is not None else None,
        "aliases": list(spec.aliases) if spec is not None else [],
        "pid": run.pid if run is not None else None,
        "port": run.port if run is not None else None,
        "url": f"http://{HOST}:{run.port}" if run is not None else None,
        "run_id": run.id if run is not None else None,
        "gpus": None if run is None or run.gpus is None else list(run.gpus),
        "started_at": run.started_at if run is not None else None,
        "ready_at": _wall(zoo, run.ready_at) if run is not None else None,
        "restarts": model.restarts,
        "backoff_until": _wall(zoo, model.backoff.until) if backing_off else None,
        "last_exit": _exit(model.last_exit),
        "memory": _memory_if_known(zoo, model, spec or (run.spec if run is not None else None)),
        "inflight": demand.inflight,
        "waiting": demand.waiting,
        "last_used": _wall(zoo, demand.last_used),
        "load_time": None if model.load_time is None else round(model.load_time, 3),
        "override": model.override.value if model.override is not None else None,
        "description": spec.description if spec is not None else "",
        "conditions": conditions,
    }


def _wall(zoo: Zoo, at: float | None) -> float | None:
    """A monotonic time as wall time, by what both clocks say now."""
    return None if at is None else round(zoo.clock.wall() + at - zoo.clock.now(), 1)


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
    return {
        pool: {
            "need": amount,
            "source": source,
            "reserved": run.reserved.get(pool, 0) if run is not None else 0,
            "held": run.measured.get(pool, 0) if run is not None else 0,
            "peak": run.peak.get(pool, 0) if run is not None else 0,
            "note": on_host.note,
            "terms": terms_of(on_host.terms, pool.partition(":")[0]),
        }
        for pool, amount in amounts.items()
    }


def _exit(end: Exit | None) -> dict[str, Any] | None:
    if end is None:
        return None
    return {
        "reason": end.reason.value,
        "code": end.code,
        "signal": end.signal,
        "at": end.at,
        "message": end.message,
        "log": list(end.log),
    }


def condition_data(condition: Condition) -> dict[str, Any]:
    """One condition, without the model it is about."""
    return {
        "type": condition.type,
        "status": condition.status,
        "reason": str(condition.reason),
        "message": condition.message,
    }


def end_event(model: Model, run: Run) -> tuple[str, str, str, str, dict[str, Any]]:
    """The event of a run's end: type, model, reason, message and figures, the last lines it wrote among them."""
    end = model.last_exit
    cause = run.leaving.cause if run.leaving is not None else "Crashed"
    message = (end.message or end.reason) if end is not None else ""
    data: dict[str, Any] = {"run_id": run.id, "pid": run.pid, "exit": _exit(end), "peak": dict(run.peak)}
    return "Gone", model.name, str(cause), message, data


# zoosup plan
