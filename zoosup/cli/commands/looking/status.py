"""`zoosup status`: once, for one model, or for as long as somebody looks."""

import argparse
import json
import time
from collections.abc import Mapping
from typing import Any

from zoosup.cli.absence import Absence
from zoosup.cli.client import Client
from zoosup.cli.commands.changing.fleet import show as show_fleet
from zoosup.cli.context import client, print_json, require
from zoosup.cli.render import terminal
from zoosup.cli.render.layout import Line, line, plain, wrapped
from zoosup.cli.render.screen import Seen, screen
from zoosup.cli.render.status.detail import detail
from zoosup.cli.render.status.overview import listing, page
from zoosup.cli.watcher import INTERVAL, Watcher
from zoosup.errors import ExitCode, UnreachableError


def status(given: argparse.Namespace) -> int:
    """Show the zoo, one model of it, or all hosts."""
    if given.fleet:
        return show_fleet(given)
    asked = client(given)
    snapshot = _look(asked)
    if given.model is not None:
        require([given.model], snapshot["models"], snapshot["config"]["path"])
    if given.watch:
        return _watch(given, asked)
    if given.json:
        print_json(snapshot if given.model is None else snapshot["models"][given.model])
    else:
        terminal.show(given, lambda width: _lines(snapshot, given.model, width))
    return ExitCode.DONE


def _look(asked: Client) -> dict[str, Any]:
    """The snapshot, with what `/healthz` says of it."""
    found: dict[str, Any] = asked.get("status", health=1)
    return found


def _lines(snapshot: Mapping[str, Any], model: str | None, width: int | None) -> list[Line]:
    if model is not None and model in snapshot["models"]:
        return detail(model, snapshot["models"][model], snapshot["at"], width)
    if model is not None:
        return [line(f"{model} is no longer in {snapshot['config']['path']}")]
    return listing(snapshot) if width is None else page(snapshot, width)


def _watch(given: argparse.Namespace, asked: Client) -> int:
    if given.json or not terminal.is_terminal():
        return _report_changes(given, asked)
    with terminal.live(given) as redraw:
        for seen in Watcher(asked).looks():
            redraw(lambda width, height: _fitted(seen, given.model, width, height))  # noqa: B023
    return ExitCode.DONE


def _report_changes(given: argparse.Namespace, asked: Client) -> int:
    """A line of JSON, or a listing, for each change; ends when the supervisor does, and none comes after it."""
    before, away = None, Absence()
    while True:
        try:
            snapshot = _look(asked)
        except UnreachableError as error:
            away.endure(error)
            continue
        away.over()
        shown = snapshot if given.model is None else snapshot["models"].get(given.model)
        now = {key: value for key, value in shown.items() if key != "at"} if shown else None
        if now != before:
            text = json.dumps(shown, ensure_ascii=False) + "\n" if given.json else None
            print(text or plain([*_lines(snapshot, given.model, None), ()]), end="", flush=True)
        before = now
        time.sleep(INTERVAL)
    return ExitCode.DONE


def _fitted(seen: Seen, model: str | None, width: int, height: int | None) -> list[Line]:
    """The zoo, or one model of it, for a screen; what does not fit is counted, and trouble stands above."""
    if model is None and height is not None:
        return screen(seen, width, height)
    text = f"{seen.trouble}. This is what it said last:"
    above = [*wrapped(text, width, 0, "bold red"), ()] if seen.trouble else []
    lines = [*above, *_lines(seen.snapshot, model, width)]
    if height is None or len(lines) <= height:
        return lines
    left = len(lines) - height + 1
    return [*lines[: height - 1], line((f"… {left} more lines; `zoosup status` shows them", "dim"))]
