"""`zoosup run`: supervise until told to end."""

import argparse

from zoosup.cli.context import settings
from zoosup.cli.light_imports import lightly
from zoosup.host.system import early_signals


def run(given: argparse.Namespace) -> int:
    """Supervise until told to end."""
    early_signals.note()  # before all that takes time
    with lightly():
        from zoosup.supervisor.run import run as supervise  # noqa: PLC0415 - the whole house, for this command alone

    return supervise(settings(given))
