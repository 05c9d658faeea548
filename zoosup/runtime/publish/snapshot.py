"""One consistent pass as data: the shape of `GET /status`, of an event about an exit, and of `zoosup plan`.

Everything that people and programs see of the runtime is built here, from the zoo and the plan alone. Values of
environment variables and tokens are in none of it.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from zoosup import __version__
from zoosup.core.estimation import need as estimate
from zoosup.core.estimation.derived import Term
from zoosup.core.memory.gpu_layouts import rebooked
from zoosup.core.memory.ledger import VRAM, Sum
from zoosup.core.scheduler.plan import Plan, plan
from zoosup.core.state.actions import Action, Drain, EndCooldown, Hold, Inspect, Kill, Park, Start, Stop, Wake
from zoosup.core.state.observed import NO_DEMAND, Condition, Model
from zoosup.core.state.phases import Cause, Phase
from zoosup.core.state.pools import Pool
from zoosup.core.state.runs import Exit, Run
from zoosup.runtime.publish.convergence import converged
from zoosup.runtime.state.zoo import Zoo
from zoosup.spec.model.zoo import ModelSpec
from zoosup.spec.parse import HOST


@dataclass(slots=True)
class Stamps:
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
            stamped.setdefault(condition.model, []).append(_condition(condition) | {"since": since})
        self._known = known
        return stamped


def build(zoo: Zoo, decided: Plan, stamps: Stamps, beside: tuple[Condition, ...] = ()) -> dict[str, Any]:
    """The whole snapshot; `beside` are conditions that no plan knows of, since none depends on them."""
    conditions = stamps.stamp((*decided.conditions, *beside))
    return {
        "version": __version__,
        "instance": zoo.instance,
        "node": zoo.node,
        "pid": os.getpid(),
        "at": zoo.clock.wall(),
        "config": _config(zoo),
        "gateway": zoo.gateway.address,
        "phase": "stopping" if zoo.shutdown else "running",
        "converged": converged(zoo),
        "conditions": conditions.get(None, []),
        "pools": [_pool(zoo, pool) for pool in zoo.memory.pools()],
        "models": {name: _model(zoo, model, conditions.get(name, [])) for name, model in zoo.models.items()},
    }


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


def _pool(zoo: Zoo, pool: Pool) -> dict[str, Any]:
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
        "memory": _memory(zoo, model, spec or (run.spec if run is not None else None)),
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


def _memory(zoo: Zoo, model: Model, spec: ModelSpec | None) -> dict[str, Any]:
    run = model.run
    if spec is None:
        return {}
    need = estimate.need(spec, model.weights, model.lessons)
    amounts, source = need.amounts, need.source
    on_host = need.on_gpus or need if _has_gpus(zoo) and spec.gpus != "none" else need
    if run is None:
        amounts = _unplaced(zoo, need)
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
            "terms": _terms(on_host.terms, pool.partition(":")[0]),
        }
        for pool, amount in amounts.items()
    }


@lru_cache(maxsize=1024)  # built for every model at every pass, and hardly ever another
def _terms(terms: tuple[Term, ...], kind: str) -> list[dict[str, Any]]:
    """What a need is the sum of; of memory on GPUs, whichever they are. Shared: never to be changed."""
    return [{"name": t.name, "amount": t.amount, "how": t.how} for t in terms if t.pool == kind]


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


def _condition(condition: Condition) -> dict[str, Any]:
    return {
        "type": condition.type,
        "status": condition.status,
        "reason": str(condition.reason),
        "message": condition.message,
    }


def farewell(model: Model, run: Run) -> tuple[str, str, str, str, dict[str, Any]]:
    """The event of a run's end: type, model, reason, message and figures, the last lines it wrote among them."""
    end = model.last_exit
    cause = run.leaving.cause if run.leaving is not None else "Crashed"
    message = (end.message or end.reason) if end is not None else ""
    data: dict[str, Any] = {"run_id": run.id, "pid": run.pid, "exit": _exit(end), "peak": dict(run.peak)}
    return "Gone", model.name, str(cause), message, data


# zoosup plan


def foretold(ahead: Zoo) -> dict[str, Any]:
    """What the next pass over such a zoo would do."""
    decided = plan(ahead.spec, ahead.observed())
    now = ahead.clock.now()
    return {
        "generation": ahead.applied.generation,
        "path": ahead.applied.path,
        "actions": [_action(a) for a in decided.actions],
        "models": {name: _verdict(ahead, name, decided) for name in decided.verdicts},
        "conditions": [_condition(c) | {"model": c.model} for c in decided.conditions],
        "pools": [_pool(ahead, pool) for pool in ahead.memory.pools()],
        "wanted": list(decided.wanted),
        "wake_in": None if decided.wake_at is None else max(0.0, decided.wake_at - now),
        "changes": any(not isinstance(a, Inspect) for a in decided.actions),
    }


def _action(action: Action) -> dict[str, Any]:
    shown: dict[str, Any] = {"action": _VERBS[type(action)], "model": action.model}
    match action:
        case Start():
            gpus = {} if action.gpus is None else {"gpus": list(action.gpus)}
            shown |= {"need": dict(action.need), "message": action.why} | gpus
        case Drain() | Stop() | Kill():
            shown |= {"cause": action.cause.value, "message": action.message}
        case Park():
            shown |= {
                "cause": Cause.MADE_ROOM.value,
                "asleep": dict(action.asleep),
                "message": action.message,
            }
        case Wake():
            shown |= {"need": dict(action.need), "message": action.why}
        case Hold():
            shown |= {"phase": action.phase.value, "cause": str(action.reason), "message": action.message}
        case EndCooldown():
            shown |= {"cause": action.outcome, "message": action.message}
        case Inspect():
            shown |= {"port": action.port, "message": "look at its files and port"}
    return shown


_VERBS: Mapping[type, str] = {
    Start: "start",
    Drain: "drain",
    Stop: "stop",
    Kill: "kill",
    Park: "park",
    Wake: "wake",
    Hold: "hold",
    Inspect: "inspect",
    EndCooldown: "end-cooldown",
}


def _verdict(zoo: Zoo, name: str, decided: Plan) -> dict[str, Any]:
    verdict = decided.verdicts[name]
    known = zoo.models.get(name)
    return {
        "phase_now": known.phase.value if known is not None else Phase.STOPPED.value,
        "verdict": verdict.outcome,
        "reason": str(verdict.reason),
        "message": verdict.message,
        "sums": [_sum(s) for s in verdict.sums],
        "need": _need(zoo, name),
    }


def _need(zoo: Zoo, name: str) -> dict[str, Any]:
    spec, model = zoo.spec.models.get(name), zoo.models.get(name)
    if spec is None or model is None:
        return {}
    need = estimate.need(spec, model.weights, model.lessons)
    return told(need.on_gpus or need if _has_gpus(zoo) and spec.gpus != "none" else need)


def told(need: estimate.Need) -> dict[str, Any]:
    """A need as JSON-ready data, its terms among it."""
    terms = [{"name": t.name, "amount": t.amount, "how": t.how, "pool": t.pool} for t in need.terms]
    amounts = {**need.amounts, **_of_gpus(need)}
    return {
        "amounts": amounts,
        "source": need.source,
        "note": need.note,
        "certain": need.certain,
        "terms": terms,
    }


def estimated(model: str, need: estimate.Need) -> dict[str, Any]:
    """A need with the name it is known by, and beside it what is needed where there are GPUs, if that differs."""
    found = {"model": model, **told(need)}
    if need.on_gpus is not None:
        found["on_gpus"] = {"model": model, **told(need.on_gpus)}
    return found


def _of_gpus(need: estimate.Need) -> dict[str, int]:
    """Of a model that isn't booked yet nobody knows on which GPU its part for GPUs will be."""
    return {"vram": need.whole_vram} if need.whole_vram and need.certain else {}


def _unplaced(zoo: Zoo, need: estimate.Need) -> dict[str, int]:
    on_host = need.on_gpus or need if _has_gpus(zoo) else need
    return {**on_host.amounts, **_of_gpus(on_host)}


def _has_gpus(zoo: Zoo) -> bool:
    return any(pool.id.startswith(VRAM) for pool in zoo.memory.pools())


def _sum(weighed: Sum) -> dict[str, Any]:
    pool = weighed.pool
    return {
        "pool": pool.id,
        "need": weighed.need,
        "budget": pool.budget,
        "reserve": pool.reserve,
        "total": pool.total,
        "available": pool.available,
        "reserved": dict(weighed.reserved),
        "promised": weighed.promised,
        "credit": weighed.credit,
        "foreign": weighed.foreign,
        "short": max(0, weighed.budget_short, weighed.memory_short or 0),
    }
