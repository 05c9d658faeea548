"""`zoosup wait`: until it is so, for scripts.

Ends at once where waiting is of no use: the file on disk is refused, a model can't be had, or nothing will start it.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zoosup.cli.client import Client
from zoosup.cli.context import client, require
from zoosup.cli.render.format import is_refused, kept, why
from zoosup.errors import (
    ExitCode,
    InvalidFileError,
    UnreachableError,
    UsageError,
    WaitTimeoutError,
    ZoosupError,
)
from zoosup.web.api.health import of_gateway

INTERVAL = 0.1
"""Seconds between two looks; one costs the supervisor a fraction of a millisecond."""

_GONE = frozenset({"stopped", "failed"})
"""Phases in which nothing of a model lives and nothing is about to."""

Snapshot = Mapping[str, Any]
Model = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class GoalCheck:
    """What one look found: whether it is so, what is missing, what is worth saying meanwhile, and what is hopeless."""

    met: bool
    missing: Sequence[str]
    notes: Sequence[str] = ()
    hopeless: Sequence[str] = ()


def wait(given: argparse.Namespace) -> int:
    """Wait for the goal: 0 when it is so, 1 or 78 when it never will be, 124 after the time-out, 3 after one look."""
    if given.goal == "converged" and given.models:
        raise UsageError("--for converged is about the whole zoo, expected no model beside it")
    look, end, said = _Look(client(given), given), time.monotonic() + given.timeout, set[str]()
    while True:
        found = look(patient=time.monotonic() < end)
        if found.met:
            return ExitCode.DONE
        if found.hopeless:
            raise ZoosupError("\n  ".join((f"will not be {given.goal}", *found.hopeless)))
        for sentence in found.notes:
            if sentence not in said:
                print(f"zoosup: {sentence}; still waiting", file=sys.stderr)
                said.add(sentence)
        left = end - time.monotonic()
        if left <= 0:
            return _given_up(given, found)
        time.sleep(min(INTERVAL, left))


def _given_up(given: argparse.Namespace, found: GoalCheck) -> int:
    missing = "\n".join(f"  {sentence}" for sentence in found.missing)
    if not given.timeout:
        print(f"zoosup: not {given.goal}\n{missing}", file=sys.stderr)
        return ExitCode.NOT_READY
    raise WaitTimeoutError(f"not {given.goal} after {given.timeout:g} s\n{missing}")


class _Look:
    """Asks the supervisor again and again; the first time it has the file on disk looked at."""

    def __init__(self, asked: Client, given: argparse.Namespace) -> None:
        self._asked = asked
        self._given = given
        self._file_seen = False

    def __call__(self, *, patient: bool) -> GoalCheck:
        """Look once; InvalidFileError where the file on disk is refused, which no waiting mends."""
        try:
            if not self._file_seen:
                # Else an edit of a moment ago would be judged by what was in force before it.
                self._asked.post("reload")
                self._file_seen = True
            snapshot = self._asked.get("status")
        except UnreachableError as error:
            # `zoosup run & zoosup wait` must not depend on who is faster.
            if not patient:
                raise
            return GoalCheck(met=False, missing=[str(error)], notes=[str(error)])
        config = snapshot["config"]
        if config["error"] and self._given.goal != "stopped":
            raise InvalidFileError(f"{config['error']}\n{kept(config)}")
        require(self._given.models, snapshot["models"], config["path"])
        return check_goal(snapshot, self._given.goal, self._given.models)


def check_goal(snapshot: Snapshot, goal: str, names: Sequence[str]) -> GoalCheck:
    """Whether a snapshot is as `goal` says, for the models `names` or, without any, those the goal is about."""
    if goal == "converged":
        return _converged(snapshot)
    if goal == "stopped":
        models = snapshot["models"]
        chosen = names or [name for name, model in models.items() if not model.get("external")]
        wrong = [name for name in chosen if models[name]["phase"] not in _GONE]
        return GoalCheck(not wrong, [_sentence(name, models[name]) for name in wrong])
    return _ready(snapshot, names)


def _converged(snapshot: Snapshot) -> GoalCheck:
    models = snapshot["models"]
    if snapshot["converged"]:
        return GoalCheck(met=True, missing=())
    unsettled = [
        name
        for name, model in models.items()
        if model["phase"] not in {"ready", "parked", "stopped"} and not model.get("external")
    ]
    missing = [*of_gateway(snapshot), *(_sentence(name, models[name]) for name in unsettled)]
    refused = [name for name, model in models.items() if is_refused(model) and _is_wanted(model)]
    hopeless = [_sentence(name, models[name]) for name in refused]
    return GoalCheck(False, missing or ["zoosup is still at work"], [*of_gateway(snapshot)], hopeless)


def _ready(snapshot: Snapshot, names: Sequence[str]) -> GoalCheck:
    models: Mapping[str, Model] = snapshot["models"]
    chosen = names or [name for name, model in models.items() if model["active"] and not _made_room(model)]
    wrong = [name for name in chosen if models[name]["phase"] != "ready"]
    gateway = [] if names else [*of_gateway(snapshot)]
    missing = [*gateway, *(_sentence(name, models[name]) for name in wrong)]
    hopeless = [text for name in wrong if (text := _hopeless(name, models[name]))]
    asleep = [f"{name} is stopped until a request asks for it" for name in wrong if _rests(models[name])]
    return GoalCheck(not missing, missing, [*gateway, *asleep], hopeless)


def _hopeless(name: str, model: Model) -> str:
    """Why it will not be ready, however long one waits; nothing where it may be."""
    if is_refused(model):
        return _sentence(name, model)
    if model["override"] == "stop":
        return f"{name} was stopped by hand; zoosup start {name} runs it"
    if not _is_wanted(model) and model["phase"] == "stopped" and not model.get("on_demand"):
        return (
            f"{name} is stopped and nothing will start it: it is not in `active`; zoosup start {name} runs it"
        )
    return ""


def _rests(model: Model) -> bool:
    return bool(model["phase"] == "stopped" and model.get("on_demand") and not _is_wanted(model))


def _is_wanted(model: Model) -> bool:
    asked = model["override"] == "start" or model.get("waiting", 0)
    return bool(model["override"] != "stop" and (model["active"] or asked))


def _made_room(model: Model) -> bool:
    """One on demand that has made room for what clients ask for, or sleeps: it comes back by itself."""
    return bool(model.get("on_demand")) and (
        model["reason"] in {"WaitingForEviction", "Unloaded"} or model["phase"] == "parked"
    )


def _sentence(name: str, model: Model) -> str:
    reason = why(model)
    return f"{name} is {model['phase']}" + f" ({reason})" * bool(reason)
