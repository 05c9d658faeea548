"""The commands that ask the supervisor to do something: `start`, `stop`, `restart`, `reload`."""

import argparse

from zoosup.cli.context import client, print_json
from zoosup.cli.render.format import why
from zoosup.errors import ExitCode, InvalidFileError


def command(given: argparse.Namespace) -> int:
    """Start, stop or restart a model by hand, and say what it is doing then; nothing is waited for."""
    model = client(given).post("models", given.model, given.verb)
    if given.json:
        print_json(model)
    else:
        reason = why(model)
        print(f"{given.model} is {model['phase']}" + f" ({reason})" * bool(reason))
    return ExitCode.DONE


def reload(given: argparse.Namespace) -> int:
    """Have the file looked at again; InvalidFileError when it is refused."""
    config = client(given).post("reload")
    if given.json:
        print_json(config)
    if config["error"]:
        if given.json:
            return ExitCode.INVALID_FILE
        raise InvalidFileError(f"{config['error']}\ngeneration {config['generation']} stays in force")
    if not given.json:
        print(f"{config['path']} is in force, generation {config['generation']}")
    return ExitCode.DONE
