"""What the next pass would do, and the passes after it, as JSON-ready data: the answer to `zoosup plan`.

Decides nothing: it asks `core.scheduler.plan`, and `simulation` for the rest of the way.
"""

from collections.abc import Mapping
from typing import Any

from zoosup.core.estimation import need as estimate
from zoosup.core.memory.ledger import Sum
from zoosup.core.scheduler.plan import Plan, plan
from zoosup.core.scheduler.switch import effective
from zoosup.core.scheduler.verdicts import REFUSALS
from zoosup.core.state.actions import (
    Action,
    Drain,
    EndCooldown,
    FallAsleep,
    Hold,
    HoldRoom,
    Inspect,
    Kill,
    ReleaseRoom,
    Start,
    Stop,
    Wake,
)
from zoosup.core.state.observed import Condition, SwitchOutcome
from zoosup.core.state.phases import Cause, ConditionType, Override, Phase
from zoosup.runtime.publish import words
from zoosup.runtime.publish.condition_status import condition_data
from zoosup.runtime.publish.holds_report import holds_data
from zoosup.runtime.publish.need_report import has_gpus, need_data
from zoosup.runtime.publish.pool_status import pool_data
from zoosup.runtime.publish.simulation import Simulation
from zoosup.runtime.publish.snapshot import is_refused
from zoosup.runtime.state.external import ExternalServer
from zoosup.runtime.state.zoo import Zoo
from zoosup.spec.changes import live_changes
from zoosup.spec.model.zoo import ZooSpec


def next_pass(ahead: Zoo) -> dict[str, Any]:
    """What the next pass over such a zoo would do."""
    decided = plan(ahead.spec, ahead.observed())
    now = ahead.clock.now()
    return {
        "generation": ahead.applied.generation,
        "path": ahead.applied.path,
        "actions": [_action(a) for a in decided.actions],
        "models": {name: _verdict(ahead, name, decided) for name in decided.verdicts},
        "external": {name: _external(server) for name, server in ahead.externals.items()},
        "conditions": [condition_data(c) | {"model": c.model} for c in decided.conditions],
        "pools": [pool_data(ahead, pool) for pool in ahead.memory.pools()],
        "holds": holds_data(ahead, decided),
        "wanted": list(decided.wanted),
        "wake_in": None if decided.wake_at is None else max(0.0, decided.wake_at - now),
        "changes": any(_changes(ahead, a) for a in decided.actions),
    }


def _changes(zoo: Zoo, action: Action) -> bool:
    """Whether anything is otherwise after it: neither a look nor another figure in why a model waits is a change."""
    if isinstance(action, Hold):
        model = zoo.models[action.model]
        return (model.phase, model.reason) != (action.phase, action.reason)
    return not isinstance(action, Inspect | EndCooldown)


def _external(server: ExternalServer) -> dict[str, str]:
    """A server elsewhere, with which nothing is done."""
    return {"url": server.spec.external.url, "phase": server.phase.value, "message": server.message}


def whole_way(simulation: Simulation, before: ZooSpec | None) -> dict[str, Any]:
    """What comes after the next pass too: the steps in order, what is applied live, and what is refused.

    `before`: the file in force until now, None where none is.
    """
    zoo, decided = simulation.zoo, simulation.decided
    wanted = [*effective(zoo.spec.active, zoo.switch)]
    wanted += [n for n, m in zoo.models.items() if m.override is Override.START and n not in wanted]
    kept = {c.model for c in decided.conditions if _is_a_refused_edit(c)} if decided is not None else set()
    undone = zoo.spec.active if zoo.switch and zoo.switch.outcome is SwitchOutcome.ROLLED_BACK else ()
    asked = dict.fromkeys((*undone, *wanted))
    refused = [n for n in asked if n in zoo.models and (is_refused(zoo.models[n]) or n in kept)]
    return {
        "steps": _merged([_action(step) for step in simulation.steps]),
        "live": _live(before, zoo.declared) if before is not None else {},
        "refused": refused,
        "settled": simulation.settled,
        "outcome": _outcome(simulation),
    }


def _is_a_refused_edit(condition: Condition) -> bool:
    return condition.type is ConditionType.CURRENT and not condition.status and condition.reason in REFUSALS


def _outcome(simulation: Simulation) -> dict[str, Any]:
    """Each model's verdict at the end, or that of the pass which started it, where it runs."""
    last = simulation.decided
    verdicts = dict(last.verdicts) if last is not None else {}
    shown = {name: _verdict(simulation.zoo, name, last) for name in verdicts if last is not None}
    for name, decided in simulation.admitted.items():
        if name not in shown and name in decided.verdicts:
            shown[name] = _verdict(simulation.zoo, name, decided)
    return shown


def _merged(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One word for the ways of stopping, and "restart" where a model's start comes right after its stop."""
    found: list[dict[str, Any]] = []
    for step in steps:
        shown = step | {"action": "stop"} if step["action"] == "drain" else step
        last = found[-1] if found else None
        if (
            shown["action"] == "stop"
            and last is not None
            and (last["action"], last["model"])
            == (
                "stop",
                shown["model"],
            )
        ):
            continue  # drained first, then ended
        if (
            shown["action"] == "start"
            and last is not None
            and (last["action"], last["model"])
            == (
                "stop",
                shown["model"],
            )
        ):
            found[-1] = shown | {
                "action": "restart",
                "cause": last["cause"],
                "message": last["message"],
                "words": last["words"],
            }
            continue
        found.append(shown)
    return found


def _live(before: ZooSpec, after: ZooSpec) -> dict[str, list[str]]:
    """What changes without touching a process: fields by model, and those of the zoo itself under ""."""
    parts = [n for n in ZooSpec.model_fields if n not in _NOT_SETTINGS]
    found = {"": [n for n in parts if getattr(before, n) != getattr(after, n)]}
    for name in before.models.keys() & after.models.keys():
        found[name] = list(live_changes(before.models[name], after.models[name]))
    for name, spec in after.externals.items():
        known = before.externals.get(name)
        found[name] = ["external"] if known is None else list(live_changes(known, spec))
    order = ["", *after.models, *after.externals]
    return {name: fields for name in order if (fields := found.get(name))}


_NOT_SETTINGS = frozenset({"models", "externals", "active", "vars", "defaults"})


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
        case HoldRoom():
            shown |= {"need": dict(action.amounts), "message": action.why}
        case ReleaseRoom():
            shown |= {"message": action.why}
        case Inspect():
            shown |= {"port": action.port, "message": "look at its files and port"}
    return shown | {"words": words.said(words.REASONS.get(shown.get("cause", ""), ""), shown["message"])}


_VERBS: Mapping[type, str] = {
    Start: "start",
    Drain: "drain",
    Stop: "stop",
    Kill: "kill",
    FallAsleep: "park",
    Wake: "wake",
    Hold: "hold",
    HoldRoom: "hold-room",
    ReleaseRoom: "release-room",
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
        "words": words.REASONS.get(verdict.reason, ""),
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
