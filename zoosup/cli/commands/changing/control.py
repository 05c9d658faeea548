"""The commands that ask the supervisor to do something: `start`, `stop`, `restart`, `unload`, `auto`, `reload`."""

import argparse
import time
from collections.abc import Mapping
from typing import Any

from zoosup.cli.client import Client
from zoosup.cli.context import client, print_json
from zoosup.cli.render.format import is_refused, kept, why
from zoosup.errors import ExitCode, InvalidFileError, ZoosupError

INTERVAL = 0.05
"""Seconds between two looks for a verdict."""

VERDICT_WITHIN = 20.0
"""Seconds; a look at files takes milliseconds, one at a disk that is asleep or far away some seconds."""


def command(given: argparse.Namespace) -> int:
    """Start, stop, restart or unload a model by hand, and say what became of it: 1 where it can't be had, with the sum.

    Only the verdict is waited for, not the load: `zoosup wait` does that.
    """
    asked = client(given)
    model = asked.post("models", given.model, given.verb)
    ends = given.verb in {"stop", "unload"}
    if not ends:
        model = _verdict(asked, given.model, model)
    refused = not ends and is_refused(model)
    reason = why(model)
    said = f"{given.model} is {model['phase']}" + f" ({reason})" * bool(reason)
    if given.json:
        print_json(model)
    elif refused:
        raise ZoosupError(said)
    else:
        print(said)
    return ExitCode.FAILED if refused else ExitCode.DONE


def _verdict(asked: Client, name: str, model: Mapping[str, Any]) -> Mapping[str, Any]:
    """Look until its files and its port have been looked at: only then is it known whether it can be had."""
    end = time.monotonic() + VERDICT_WITHIN
    while model["phase"] == "pending" and model["reason"] == "Checking" and time.monotonic() < end:
        time.sleep(INTERVAL)
        model = asked.get("status", name)
    return model


def reload(given: argparse.Namespace) -> int:
    """Have the file looked at again; InvalidFileError when it is refused."""
    config = client(given).post("reload")
    if given.json:
        print_json(config)
    if config["error"]:
        if given.json:
            return ExitCode.INVALID_FILE
        raise InvalidFileError(f"{config['error']}\n{kept(config)}")
    if not given.json:
        print(f"{config['path']} is in force, generation {config['generation']}")
    return ExitCode.DONE
