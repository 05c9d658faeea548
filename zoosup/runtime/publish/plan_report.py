"""What the next pass would do, as JSON-ready data: the answer to `zoosup plan`.

Decides nothing: it asks `core.scheduler.plan`.
"""

from collections.abc import Mapping
from typing import Any

from zoosup.core.estimation import need as estimate
from zoosup.core.memory.ledger import Sum
from zoosup.core.scheduler.plan import Plan, plan
from zoosup.core.state.actions import (
    Action,
    Drain,
    EndCooldown,
    FallAsleep,
    Hold,
    Inspect,
    Kill,
    Start,
    Stop,
    Wake,
)
from zoosup.core.state.phases import Cause, Phase
from zoosup.runtime.publish.need_report import has_gpus, need_data
from zoosup.runtime.publish.snapshot import condition_data, pool_data
from zoosup.runtime.state.zoo import Zoo


def next_pass(ahead: Zoo) -> dict[str, Any]:
    """What the next pass over such a zoo would do."""
    decided = plan(ahead.spec, ahead.observed())
    now = ahead.clock.now()
    return {
        "generation": ahead.applied.generation,
        "path": ahead.applied.path,
        "actions": [_action(a) for a in decided.actions],
        "models": {name: _verdict(ahead, name, decided) for name in decided.verdicts},
        "conditions": [condition_data(c) | {"model": c.model} for c in decided.conditions],
        "pools": [pool_data(ahead, pool) for pool in ahead.memory.pools()],
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
        case FallAsleep():
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
    FallAsleep: "park",
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
    need = estimate.need(spec, model.weights, model.learned)
    return need_data(need.on_gpus or need if has_gpus(zoo) and spec.gpus != "none" else need)


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
