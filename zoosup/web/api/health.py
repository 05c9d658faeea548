"""Is it ready, and if not, what is missing: the answers to health checkers, from a snapshot.

Pure. Never says more than the snapshot does, and never asks a model itself.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from zoosup.errors import NoSuchModelError

STALLED_AFTER = 5.0
"""Seconds without a turn of the loop after which it no longer counts as alive; a turn takes milliseconds."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """`missing` has a sentence for each thing that is not so yet; empty means ready."""

    missing: tuple[str, ...]
    waiting: tuple[str, ...] = ()  # the models among them

    @property
    def ready(self) -> bool:
        """Nothing is missing."""
        return not self.missing

    def as_text(self) -> str:
        """For people and for logs of health checkers."""
        return "ready\n" if self.ready else "not ready\n" + "".join(f"{line}\n" for line in self.missing)


def readiness(snapshot: Mapping[str, Any], names: Iterable[str] | None = None) -> Readiness:
    """Whether the file is applied and every active model is ready, or just the models `names`.

    NoSuchModelError for a name that zoo.yaml does not have.
    """
    if not snapshot:
        return Readiness(("zoosup has not looked at anything yet",))
    models: Mapping[str, Any] = snapshot["models"]
    if names is not None:
        waiting = [name for name in names if find_model(snapshot, name)["phase"] != "ready"]
        return Readiness(tuple(_sentence(name, models[name]) for name in waiting), tuple(waiting))
    waiting = [name for name, model in models.items() if _is_missing(model)]
    sentences = [*_general(snapshot), *(_sentence(name, models[name]) for name in waiting)]
    return Readiness(tuple(sentences), tuple(waiting))


def _is_missing(model: Mapping[str, Any]) -> bool:
    """Whether it should be ready; one that has made room for what clients ask for comes back by itself."""
    made_room = model.get("on_demand") and model["reason"] == "WaitingForEviction"
    return model["active"] and model["phase"] != "ready" and not made_room


def summary(snapshot: Mapping[str, Any], found: Readiness) -> dict[str, Any]:
    """`/healthz`: the same answer for programs, with counts and what is wrong with the file."""
    models: Mapping[str, Any] = snapshot.get("models", {})
    phases: dict[str, int] = {}
    for model in models.values():
        phases[model["phase"]] = phases.get(model["phase"], 0) + 1
    config = snapshot.get("config", {})
    return {
        "ready": found.ready,
        "missing": list(found.missing),
        "waiting": list(found.waiting),
        "phases": phases,
        "converged": snapshot.get("converged", False),
        "generation": config.get("generation", 0),
        "config_error": config.get("error"),
    }


def find_model(snapshot: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """One model of the snapshot; NoSuchModelError that says which there are."""
    models: Mapping[str, Mapping[str, Any]] = snapshot.get("models", {})
    if name not in models:
        known = ", ".join(list(models)[:20]) + (", …" if len(models) > 20 else "")  # noqa: PLR2004 - one line
        raise NoSuchModelError(
            f"no model {name!r}; there are {known}" if models else f"no model {name!r}; there is none"
        )
    return models[name]


def _general(snapshot: Mapping[str, Any]) -> Iterable[str]:
    config = snapshot["config"]
    if not config["generation"]:
        yield "no zoo.yaml has been applied yet"
    elif config["observed_generation"] < config["generation"]:
        yield f"generation {config['generation']} of zoo.yaml is being applied"
    if snapshot["phase"] != "running":
        yield f"zoosup is {snapshot['phase']}"


def _sentence(name: str, model: Mapping[str, Any]) -> str:
    why = ": ".join(part for part in (model["reason"], model["message"]) if part)
    return f"{name} is {model['phase']}" + (f" ({why})" if why else "")
