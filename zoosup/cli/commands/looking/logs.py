"""`zoosup logs`: what a model wrote, and what it goes on to write."""

import argparse
import sys
import time
from collections.abc import Iterator

from zoosup.cli import disk
from zoosup.cli.absence import STOPPED, Absence
from zoosup.cli.client import Client
from zoosup.cli.context import client, settings
from zoosup.errors import ExitCode, UnreachableError, UsageError

PAUSE = 0.15
"""Seconds between looks at what a model has written."""

LOOK = 1.0
"""Seconds between looks at whether the supervisor is there."""


def logs(given: argparse.Namespace) -> int:
    """Print a model's output, byte for byte."""
    asked, out = client(given), sys.stdout.buffer
    if not given.follow:
        out.write(_tail(given, asked))
        return ExitCode.DONE
    if given.previous:
        raise UsageError("--previous and --follow: the run before has ended, expected one of them")
    asked.text("logs", given.model, lines=0)  # NoSuchModelError, or nobody runs
    chunks = disk.followed_log(settings(given).state_directory, given.model, given.lines)
    for chunk in _streamed(given, asked) if chunks is None else _paced(chunks, asked):
        out.write(chunk)
        out.flush()
    raise UnreachableError(STOPPED)


def _paced(chunks: Iterator[bytes], asked: Client) -> Iterator[bytes]:
    """What is read from the disk, for as long as a supervisor is there, or comes back."""
    away, look_at = Absence(), time.monotonic() + LOOK
    away.over()  # it has just answered
    for chunk in chunks:
        if chunk:
            yield chunk
        elif time.monotonic() < look_at:
            time.sleep(PAUSE)
        else:
            try:
                asked.greet()
            except UnreachableError as error:
                away.endure(error)
            else:
                away.over()
                look_at = time.monotonic() + LOOK


def _streamed(given: argparse.Namespace, asked: Client) -> Iterator[bytes]:
    """What the supervisor reads, where its logs are out of our reach."""
    with asked.stream("logs", given.model, lines=given.lines, follow=1, silence=None) as chunks:
        yield from chunks


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
