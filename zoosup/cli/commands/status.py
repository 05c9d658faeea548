"""`zoosup status`: once, for one model, or for as long as somebody looks."""

import argparse
import json
import time
from collections.abc import Iterator
from typing import Any

from zoosup.cli.client import Client
from zoosup.cli.context import client, print_json, require
from zoosup.cli.render import terminal
from zoosup.cli.render.detail import detail
from zoosup.cli.render.layout import Line, line, plain, wrapped
from zoosup.cli.render.overview import listing, page
from zoosup.errors import ExitCode, UnreachableError

INTERVAL = 0.5
"""Seconds between two looks at a zoo that somebody watches."""


def status(given: argparse.Namespace) -> int:
    """Show the zoo, or one model of it."""
    asked = client(given)
    if given.watch:
        return _watch(given, asked)
    snapshot = asked.get("status")
    if given.model is not None:
        require([given.model], snapshot["models"], snapshot["config"]["path"])
    if given.json:
        print_json(snapshot if given.model is None else snapshot["models"][given.model])
    else:
        terminal.show(given, lambda width: _lines(snapshot, given.model, width))
    return ExitCode.DONE


def _lines(snapshot: dict[str, Any], model: str | None, width: int | None) -> list[Line]:
    if model is not None and model in snapshot["models"]:
        return detail(model, snapshot["models"][model], snapshot["at"], width)
    if model is not None:
        return [line(f"{model} is no longer in {snapshot['config']['path']}")]
    return listing(snapshot) if width is None else page(snapshot, width)


def _watch(given: argparse.Namespace, asked: Client) -> int:
    if given.json or not terminal.is_terminal():
        return _report_changes(given, asked)
    with terminal.live(given) as redraw:
        for snapshot, trouble in _snapshots(asked):
            redraw(lambda width, height: _fitted(snapshot, given.model, trouble, width, height))  # noqa: B023
    return ExitCode.DONE


def _report_changes(given: argparse.Namespace, asked: Client) -> int:
    """A line of JSON, or a listing, for each change; ends when the supervisor does."""
    before = None
    for snapshot, trouble in _snapshots(asked):
        if trouble:
            raise UnreachableError(trouble)
        shown = snapshot if given.model is None else snapshot["models"].get(given.model)
        now = {key: value for key, value in shown.items() if key != "at"} if shown else None
        if now != before:
            text = json.dumps(shown, ensure_ascii=False) + "\n" if given.json else None
            print(text or plain([*_lines(snapshot, given.model, None), ()]), end="", flush=True)
        before = now
    return ExitCode.DONE


def _snapshots(asked: Client) -> Iterator[tuple[dict[str, Any], str]]:
    """Look again and again, for ever: the newest snapshot, and what keeps a newer one from coming."""
    snapshot = asked.get("status")
    yield snapshot, ""
    while True:
        time.sleep(INTERVAL)
        try:
            snapshot = asked.get("status")
        except UnreachableError as error:
            yield snapshot, str(error)
        else:
            yield snapshot, ""


def _fitted(
    snapshot: dict[str, Any], model: str | None, trouble: str, width: int, height: int | None
) -> list[Line]:
    """The page for a screen: what does not fit below is counted, and trouble stands above."""
    above = [*wrapped(f"{trouble}. This is what it said last:", width, 0, "bold red"), ()] if trouble else []
    lines = [*above, *_lines(snapshot, model, width)]
    if height is None or len(lines) <= height:
        return lines
    left = len(lines) - height + 1
    return [*lines[: height - 1], line((f"… {left} more lines; `zoosup status` shows them", "dim"))]
