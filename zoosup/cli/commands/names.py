"""`zoosup __models`: the names of models, one a line, for the completion of command lines.

Those that a supervisor knows, else those of the file. Says nothing where there are none: a shell has no use for it.
"""

import argparse
from collections.abc import Iterable
from contextlib import suppress

from zoosup.cli.commands.files import check
from zoosup.cli.context import client, settings
from zoosup.errors import ExitCode, UnreachableError, ZoosupError


def names(given: argparse.Namespace) -> int:
    """Print them."""
    with suppress(ZoosupError):
        for name in _known(given):
            print(name)
    return ExitCode.DONE


def _known(given: argparse.Namespace) -> Iterable[str]:
    try:
        found: dict[str, object] = client(given).get("status")["models"]
    except UnreachableError:
        return check.read(settings(given).zoo_file()).models
    return found
