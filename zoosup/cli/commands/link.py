"""`zoosup link`, which zoosup starts for itself where zoo.yaml has a `fleet`: no command for people, and not listed."""

from argparse import Namespace
from pathlib import Path


def link(given: Namespace) -> int:
    """Carry a fleet's words until something fails."""
    from zoosup.fleet.link import run  # noqa: PLC0415 - only there

    return run(Path(given.control), given.head, given.address, of_head=given.of_head)
