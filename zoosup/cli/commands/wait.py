"""`zoosup wait`: until it is so, for scripts.

A model that has failed may yet come up (an edit, a file that appears), so it is waited for; but it is said.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zoosup.cli.client import Client
from zoosup.cli.context import client, require
from zoosup.cli.render.format import why
from zoosup.errors import ExitCode, UnreachableError, UsageError, WaitTimeoutError

INTERVAL = 0.1
"""Seconds between two looks; one costs the supervisor a fraction of a millisecond."""

_GONE = frozenset({"stopped", "failed"})
"""Phases in which nothing of a model lives and nothing is about to."""


@dataclass(frozen=True, slots=True)
class GoalCheck:
    """What one look found: whether it is so, what is missing (a sentence each), and what has gone for good."""

    met: bool
    missing: Sequence[str]
    failed: Sequence[str] = ()


def wait(given: argparse.Namespace) -> int:
    """Wait for the goal; 0 when it is so, 124 after the time-out, 3 after a single look (`--timeout 0s`)."""
    if given.goal == "converged" and given.models:
        raise UsageError("--for converged is about the whole zoo, expected no model beside it")
    asked, end, said = client(given), time.monotonic() + given.timeout, set[str]()
    while True:
        found = _check(asked, given, patient=time.monotonic() < end)
        if found.met:
            return ExitCode.DONE
        for sentence in found.failed:
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
        print(f"not {given.goal}\n{missing}", file=sys.stderr)
        return ExitCode.NOT_READY
    raise WaitTimeoutError(f"not {given.goal} after {given.timeout:g} s\n{missing}")


def _check(asked: Client, given: argparse.Namespace, *, patient: bool) -> GoalCheck:
    try:
        snapshot = asked.get("status")
    except UnreachableError as error:
        # `zoosup run & zoosup wait` must not depend on who is faster.
        if not patient:
            raise
        return GoalCheck(met=False, missing=[str(error)], failed=[str(error)])
    require(given.models, snapshot["models"], snapshot["config"]["path"])
    return check_goal(snapshot, given.goal, given.models)


def check_goal(snapshot: Mapping[str, Any], goal: str, names: Sequence[str]) -> GoalCheck:
    """Whether a snapshot is as `goal` says, for the models `names` or, without any, those the goal is about."""
    models = snapshot["models"]
    if goal == "converged":
        unsettled = [
            name for name, model in models.items() if model["phase"] not in {"ready", "parked", "stopped"}
        ]
        missing = [_sentence(name, models[name]) for name in unsettled] or ["zoosup is still at work"]
        return GoalCheck(bool(snapshot["converged"]), missing)
    if goal == "stopped":
        wrong = [name for name in names or models if models[name]["phase"] not in _GONE]
    else:
        chosen = names or [name for name, model in models.items() if model["active"]]
        wrong = [name for name in chosen if models[name]["phase"] != "ready"]
    failed = [_sentence(name, models[name]) for name in wrong if models[name]["phase"] == "failed"]
    return GoalCheck(not wrong, [_sentence(name, models[name]) for name in wrong], failed)


def _sentence(name: str, model: Mapping[str, Any]) -> str:
    reason = why(model)
    return f"{name} is {model['phase']}" + f" ({reason})" * bool(reason)
