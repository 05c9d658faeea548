"""May traffic come, and is all as the file says: the answers to health checkers, from a snapshot.

Pure. Never says more than the snapshot does, and never asks a model itself.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from zoosup.errors import NoSuchModelError

STALLED_AFTER = 5.0
"""Seconds without a turn of the loop after which it no longer counts as alive; a turn takes milliseconds."""

_AMISS = frozenset({"StateWritable", "FleetConnected", "FleetPartitioned", "FleetFileOld"})
"""Conditions of the zoo that are told beside what is not as the file says."""

Snapshot = Mapping[str, Any]
Model = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Readiness:
    """`missing` has a sentence for each thing that is not so yet; empty means ready.

    `refused` has one for each model that zoo.yaml wants and can't have: said, and nothing waits for it.
    """

    missing: tuple[str, ...]
    waiting: tuple[str, ...] = ()  # the models among them
    refused: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        """Nothing is missing."""
        return not self.missing

    def as_text(self) -> str:
        """For people and for logs of health checkers."""
        lines = ["ready" if self.ready else "not ready", *self.missing]
        return "".join(f"{line}\n" for line in (*lines, *(f"not to be had: {each}" for each in self.refused)))


def readiness(snapshot: Snapshot, names: Iterable[str] | None = None) -> Readiness:
    """Whether traffic may come: to every active model that can be had, or to the models `names`.

    NoSuchModelError for a name that zoo.yaml does not have.
    """
    if not snapshot:
        return Readiness(("zoosup has not looked at anything yet",))
    models: Mapping[str, Model] = snapshot["models"]
    refused: list[str] = []
    if names is not None:
        waiting = [name for name in names if not _answers(snapshot, name, find_model(snapshot, name))]
    else:
        wanted = _wanted(snapshot)
        refused = [name for name in wanted if _given_up(models[name])]
        waiting = [n for n in wanted if n not in refused and not _answers(snapshot, n, models[n])]
    missing = [*_general(snapshot), *(_sentence(name, models[name]) for name in waiting)]
    return Readiness(tuple(missing), tuple(waiting), tuple(_sentence(name, models[name]) for name in refused))


def troubles(snapshot: Snapshot) -> tuple[str, ...]:
    """What is not as the file says, a sentence each: the file itself, the gateway, the disk, models."""
    if not snapshot:
        return ("zoosup has not looked at anything yet",)
    found = list(_general(snapshot))
    if snapshot["config"]["error"]:
        found.append(f"zoo.yaml is refused: {snapshot['config']['error']}")
    found += [
        _condition(each)
        for each in snapshot["conditions"]
        if each["type"] in _AMISS and each.get("problem", True)
    ]
    amiss = [name for name, model in snapshot["models"].items() if _is_amiss(snapshot, name, model)]
    found += [_sentence(name, snapshot["models"][name]) for name in amiss]
    if not (snapshot["converged"] or found):
        found = list(_outdated(snapshot)) or ["zoosup is still at work"]
    return tuple(found)


def verdict(snapshot: Snapshot, wrong: tuple[str, ...]) -> tuple[str, str]:
    """Whether all is as the file says, will be so by itself, or needs somebody: a tone (ok, move, warn, bad), words."""
    if not wrong:
        return "ok", "all is well"
    if not snapshot or snapshot["phase"] != "running":
        return "move", f"zoosup is {snapshot.get('phase', 'starting')}"
    if _needs_somebody(snapshot):
        return "bad", "needs attention"
    return ("warn", "not all is well") if snapshot["converged"] else ("move", "at work")


def _needs_somebody(snapshot: Snapshot) -> bool:
    wanted = [m for m in snapshot["models"].values() if m["active"] or m["override"] == "start"]
    broken = any(
        each["type"] in {"GatewayListening", "StateWritable"} and not each["status"]
        for each in snapshot["conditions"]
    )
    hopeless = any(model["refused"] or model["crashes"] > 1 for model in wanted)
    return broken or hopeless or bool(snapshot["config"]["error"])


def summary(snapshot: Snapshot, found: Readiness, wrong: tuple[str, ...]) -> dict[str, Any]:
    """`/healthz` for programs: what is wrong, whether traffic may come, and counts."""
    models: Mapping[str, Model] = snapshot.get("models", {})
    phases: dict[str, int] = {}
    for model in models.values():
        phases[model["phase"]] = phases.get(model["phase"], 0) + 1
    config = snapshot.get("config", {})
    tone, words = verdict(snapshot, wrong)
    return {
        "healthy": not wrong,
        "tone": tone,
        "verdict": words,
        "wrong": list(wrong),
        "ready": found.ready,
        "missing": list(found.missing),
        "waiting": list(found.waiting),
        "refused": list(found.refused),
        "phases": phases,
        "converged": snapshot.get("converged", False),
        "generation": config.get("generation", 0),
        "config_error": config.get("error"),
    }


def find_model(snapshot: Snapshot, name: str) -> Model:
    """One model of the snapshot; NoSuchModelError that says which there are."""
    models: Mapping[str, Model] = snapshot.get("models", {})
    if name not in models:
        known = ", ".join(list(models)[:20]) + (", …" if len(models) > 20 else "")  # noqa: PLR2004 - one line
        raise NoSuchModelError(
            f"no model {name!r}; there are {known}" if models else f"no model {name!r}; there is none"
        )
    return models[name]


def _wanted(snapshot: Snapshot) -> list[str]:
    """Who is to answer: the active models; after a roll-back also those that were brought back."""
    switch = snapshot.get("switch") or {}
    back = switch.get("outgoing", ()) if switch.get("outcome") == "rolled-back" else ()
    return [name for name, model in snapshot["models"].items() if model["active"] or name in back]


def _answers(snapshot: Snapshot, name: str, model: Model) -> bool:
    """Whether a request for it is answered: by it, or in a switch by the one that it takes over from.

    One on demand that sleeps, was unloaded, or made room for what clients ask for, comes back with the next request.
    """
    if model["phase"] == "ready":
        return True
    if model["active"] and model.get("on_demand"):
        return model["reason"] in {"WaitingForEviction", "Unloaded"} or model["phase"] == "parked"
    switch = snapshot.get("switch") or {}
    if switch.get("outcome") != "open" or name not in switch["incoming"]:
        return False
    models = snapshot["models"]
    return any(models[each]["phase"] == "ready" for each in switch["outgoing"] if each in models)


def _given_up(model: Model) -> bool:
    """Whether waiting for it is of no use: it can't be had, or a person has stopped it."""
    return bool(model["refused"]) or (model["override"] == "stop" and model["phase"] == "stopped")


def _is_amiss(snapshot: Snapshot, name: str, model: Model) -> bool:
    if model["refused"] or model["phase"] == "backoff" or model["crashes"]:
        return True
    wanted = model["active"] and model["override"] != "stop"
    return wanted and model["phase"] != "ready" and not _answers(snapshot, name, model)


def _general(snapshot: Snapshot) -> Iterable[str]:
    config = snapshot["config"]
    if not config["generation"]:
        error = f": {config['error']}" if config["error"] else ""
        yield f"no zoo.yaml has been applied yet{error}"
    elif config["observed_generation"] < config["generation"]:
        yield f"generation {config['generation']} of zoo.yaml is being applied"
    if snapshot["phase"] != "running":
        yield f"zoosup is {snapshot['phase']}"
    if (fleet := snapshot.get("fleet")) and not fleet["assigned"]:
        yield "the fleet has not said yet what this host is to run"
    yield from of_gateway(snapshot)


def of_gateway(snapshot: Snapshot) -> Iterable[str]:
    """Why the gateway is not to be had where zoo.yaml says; nothing where it is."""
    for each in snapshot["conditions"]:
        if each["type"] == "GatewayListening" and not each["status"]:
            yield _condition(each)


def _outdated(snapshot: Snapshot) -> Iterable[str]:
    """Models that serve on as they were, and what their next run waits for."""
    for name, model in snapshot["models"].items():
        for each in model["conditions"]:
            if each["type"] == "Current" and not each["status"]:
                yield f"{name} {_condition(each)}"


def _condition(condition: Mapping[str, Any]) -> str:
    return f"{condition['words']}: {condition['message']}"


def _sentence(name: str, model: Model) -> str:
    why = model["why"] or model["message"]
    return f"{name} is {model['phase']}" + (f" ({why})" if why else "")
