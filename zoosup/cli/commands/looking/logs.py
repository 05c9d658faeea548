"""`zoosup logs`: what a model wrote, and what it goes on to write."""

import argparse
import sys

from zoosup.cli import disk
from zoosup.cli.client import SUPERVISOR_STOPPED, Client
from zoosup.cli.context import client, settings
from zoosup.errors import ExitCode, UnreachableError, UsageError


def logs(given: argparse.Namespace) -> int:
    """Print a model's output, byte for byte."""
    asked, out = client(given), sys.stdout.buffer
    if not given.follow:
        out.write(_tail(given, asked))
        return ExitCode.DONE
    if given.previous:
        raise UsageError("--previous and --follow: the run before has ended, expected one of them")
    with asked.stream("logs", given.model, lines=given.lines, follow=1, silence=None) as chunks:
        for chunk in chunks:
            out.write(chunk)
            out.flush()
    raise UnreachableError(SUPERVISOR_STOPPED)


def _tail(given: argparse.Namespace, asked: Client) -> bytes:
    """The last lines, from the disk where no supervisor runs."""
    try:
        return asked.text("logs", given.model, lines=given.lines, previous=1 if given.previous else None)
    except UnreachableError:
        directory = settings(given).state_directory
        found = disk.log(directory, given.model, given.lines, previous=given.previous)
        if found is None:
            raise
        return found
