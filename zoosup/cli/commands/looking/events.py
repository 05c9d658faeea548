"""`zoosup events`: what happened, and what happens next."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from zoosup.cli import disk
from zoosup.cli.absence import STOPPED, Absence
from zoosup.cli.client import Client
from zoosup.cli.context import client, require, settings
from zoosup.cli.render import terminal
from zoosup.cli.render.events import event_line
from zoosup.errors import ExitCode, UnreachableError

USUAL_LIMIT = 1000
"""Events that are printed when nobody said how many."""

EVERYTHING = 1_000_000
"""More events than any journal keeps."""

REMEMBERED = 100
"""Events of late that are known again when a supervisor comes back."""

FOLLOWED_LIMIT = 20
"""Events shown before the new ones when nobody said how many."""


def events(given: argparse.Namespace) -> int:
    """Print events, oldest first; with --json one document each a line."""
    asked = client(given)
    if not given.follow:
        found = _selected(given, asked)
        _print(given, [event for event in found if event["at"] >= given.since.at])
        return ExitCode.DONE
    for event in _followed(given, asked):
        if event["at"] >= given.since.at:
            _print(given, [event])
    raise UnreachableError(STOPPED)


def _followed(given: argparse.Namespace, asked: Client) -> Iterator[dict[str, Any]]:
    """Those to come, each once, also of a supervisor that takes over from the one that was asked first."""
    away, seen, past = Absence(), _Seen(), _past(given, FOLLOWED_LIMIT)
    while True:
        try:
            with asked.stream("events", model=given.model, **past) as chunks:
                away.over()
                yield from filter(seen.is_new, parsed(chunks))
        except UnreachableError as error:
            away.endure(error)
        else:
            away.endure(UnreachableError(STOPPED))
        past = seen.past() or past


class _Seen:
    """The events of late. A supervisor that is killed may not have written its last ones: their numbers come again."""

    def __init__(self) -> None:
        self._at: dict[int, float] = {}

    def is_new(self, event: Mapping[str, Any]) -> bool:
        """Whether it was not seen yet; from now on it was."""
        new: bool = self._at.get(event["seq"]) != event["at"]
        self._at[event["seq"]] = event["at"]
        if len(self._at) > REMEMBERED:
            del self._at[next(iter(self._at))]
        return new

    def past(self) -> dict[str, int | None] | None:
        """Where to go on, a little before the last one; None where there was none."""
        return {"since": min(self._at) - 1, "limit": EVERYTHING} if self._at else None


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
