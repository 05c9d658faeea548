"""`zoosup events`: what happened, and what happens next."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from zoosup.cli import disk
from zoosup.cli.client import SUPERVISOR_STOPPED, Client
from zoosup.cli.context import client, require, settings
from zoosup.cli.render import terminal
from zoosup.cli.render.events import event_line
from zoosup.errors import ExitCode, UnreachableError

USUAL_LIMIT = 1000
"""Events that are printed when nobody said how many."""

EVERYTHING = 1_000_000
"""More events than any journal keeps."""


FOLLOWED_LIMIT = 20
"""Events shown before the new ones when nobody said how many."""


def events(given: argparse.Namespace) -> int:
    """Print events, oldest first; with --json one document each a line."""
    asked = client(given)
    if not given.follow:
        found = _selected(given, asked)
        _print(given, [event for event in found if event["at"] >= given.since.at])
        return ExitCode.DONE
    with asked.stream("events", model=given.model, **_past(given, FOLLOWED_LIMIT)) as chunks:
        for event in parsed(chunks):
            if event["at"] >= given.since.at:
                _print(given, [event])
    raise UnreachableError(SUPERVISOR_STOPPED)


def _selected(given: argparse.Namespace, asked: Client) -> list[dict[str, Any]]:
    """Those asked for; NoSuchModelError for a model of which neither the journal nor the file knows."""
    past = _past(given, None)
    try:
        found: list[dict[str, Any]] = asked.get("events", model=given.model, **past)["events"]
    except UnreachableError:
        if not (settings(given).state_directory / "journal.db").is_file():
            raise
        print("zoosup: no supervisor runs; this is what was written down", file=sys.stderr)
        limit = USUAL_LIMIT if past["limit"] is None and not past["since"] else past["limit"]
        return disk.events(
            settings(given).state_directory, past["since"] or 0, given.model, limit or EVERYTHING
        )
    if not found and given.model is not None:
        snapshot = asked.get("status")
        require([given.model], snapshot["models"], snapshot["config"]["path"])
    return found


def _past(given: argparse.Namespace, usual: int | None) -> dict[str, int | None]:
    """Where to begin: after a number, at a time (asked for by reading all there is), or so many from the end."""
    if given.since.at:
        return {"since": 0, "limit": EVERYTHING}
    return {
        "since": given.since.seq,
        "limit": usual if given.limit is None and not given.since.seq else given.limit,
    }


def parsed(chunks: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The data of server-sent events, however the bytes are cut into chunks; comments are heartbeats."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for each in lines:
            if each.startswith(b"data: "):
                yield json.loads(each[len(b"data: ") :])


def _print(given: argparse.Namespace, found: Iterable[Mapping[str, Any]]) -> None:
    if given.json:
        for event in found:
            print(json.dumps(event, ensure_ascii=False), flush=True)
    else:
        terminal.show(given, lambda _width: [event_line(event) for event in found])
        sys.stdout.flush()
