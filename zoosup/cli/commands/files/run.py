"""`zoosup run`: supervise until told to end."""

import argparse

from zoosup.cli.context import settings
from zoosup.cli.light_imports import lightly


def run(given: argparse.Namespace) -> int:
    """Supervise until told to end."""
    with lightly():
        from zoosup.supervisor.run import run as supervise  # noqa: PLC0415 - the whole house, for this command alone

    return supervise(settings(given))
