"""`zoosup top`: the zoo on a screen with keys."""

import argparse
import os

from zoosup.cli.context import client
from zoosup.cli.render import terminal
from zoosup.errors import ExitCode, UsageError, ZoosupError


def top(given: argparse.Namespace) -> int:
    """Show it until q; ZoosupError where Textual is missing, UnreachableError where no supervisor answers."""
    if not terminal.is_terminal():
        raise UsageError("top needs a terminal; `zoosup status` prints the same anywhere")
    try:
        import textual  # noqa: F401, PLC0415 - an extra, and half a second
    except ModuleNotFoundError:
        raise ZoosupError("top needs Textual: pip install 'zoosup[top]'") from None
    from zoosup.cli.top.app import TopApp  # noqa: PLC0415 - as above
    from zoosup.cli.top.source import Supervisor  # noqa: PLC0415

    if getattr(given, "no_color", False):
        os.environ["NO_COLOR"] = "1"
    source = Supervisor(client(given))
    TopApp(source, source.look()).run()
    return ExitCode.DONE
