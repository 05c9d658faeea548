"""`zoosup run`: supervise until told to end."""

import argparse
from typing import TYPE_CHECKING

from zoosup.cli.context import settings
from zoosup.cli.light_imports import lightly

if TYPE_CHECKING:
    pass


def run(given: argparse.Namespace) -> int:
    """Supervise until told to end."""
    with lightly():
        from zoosup import supervisor  # noqa: PLC0415 - loads the whole house, which no other command needs

    return supervisor.run(settings(given))
