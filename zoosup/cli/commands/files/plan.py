"""`zoosup plan`: what would happen, drawn with the sums that decide it.

A running supervisor answers with the function it acts on. Without one the answer is for this host with nothing of
ours running, and says so.
"""

import argparse
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoosup.cli import weights
from zoosup.cli.client import Client
from zoosup.cli.commands.files import check
from zoosup.cli.context import print_json, read_whole, settings
from zoosup.cli.light_imports import lightly
from zoosup.cli.render import terminal
from zoosup.cli.render.plan import render_plan
from zoosup.errors import ExitCode, UnreachableError

if TYPE_CHECKING:
    from zoosup.core.state.weights import Found
    from zoosup.spec.model.model import ModelSpec

Plan = Mapping[str, Any]


def plan(given: argparse.Namespace) -> int:
    """Say what would happen; 1 where something is refused, 2 with --detailed-exitcode where anything changes."""
    if given.commands:
        return commands(given)
    found, offline = _fetch(given)
    if given.json:
        print_json({**found, "offline": offline})
    else:
        if offline:
            print(
                "zoosup: no supervisor runs; this is for the host with none of its models running",
                file=sys.stderr,
            )
        terminal.show(given, lambda width: render_plan(found, width))
    if found.get("refused"):
        return ExitCode.FAILED
    return ExitCode.CHANGES if given.detailed_exitcode and found["changes"] else ExitCode.DONE


def commands(given: argparse.Namespace) -> int:
    """Print what the file has executed for each model, of a container its image and what that is told.

    A port that is chosen at the start stays ${PORT}; weights named by their origin that are not on this host stay their
    names, and are told of. What zoosup adds, to a container client's words or for sessions that are kept,
    is shown as well.
    """
    ours = settings(given)
    spec, kept = check.read(ours.zoo_file()), ours.state_directory / "sessions"
    located = {name: weights.located(model) for name, model in spec.models.items()}
    found = {name: _executed(name, model, located[name][0], kept) for name, model in spec.models.items()}
    for name, (_, missing) in located.items():
        for why in missing.values():
            print(f"{name}: {why}", file=sys.stderr)
    if given.json:
        print_json(found)
    else:
        for name, words in found.items():
            form = spec.models[name].short_form
            added = [f"{key}={value}" for key, value in form.env().items()] if form is not None else []
            inside = "container " * (spec.models[name].container is not None)
            print(f"{name}: {inside}{' '.join(map(_quoted, [*added, *words]))}")
    return ExitCode.DONE


def _executed(name: str, model: "ModelSpec", located: "Found", kept: Path) -> list[str]:
    from zoosup.core.estimation.servers.located import placed  # noqa: PLC0415 - as below
    from zoosup.core.sessions.words import keeps, with_folder  # noqa: PLC0415
    from zoosup.host.runs.container_start import shown_words  # noqa: PLC0415 - only where no supervisor is asked
    from zoosup.host.sessions.folder import folder_name  # noqa: PLC0415
    from zoosup.spec.syntax.templates import render  # noqa: PLC0415

    if keeps(model):
        model = with_folder(model, str(kept / folder_name(name)))
    own = model.container
    words = shown_words(name, model.command) if own is None else (own.image, *own.args)
    values = {"PORT": "${PORT}" if model.port == "auto" else str(model.port)}
    return list(placed([render(word, values) for word in words], located))


def _quoted(word: str) -> str:
    """The word as a shell and zoo.yaml take it; ${PORT} stays bare."""
    return "${PORT}".join(shlex.quote(part) if part else "" for part in word.split("${PORT}")) or "''"


def _fetch(given: argparse.Namespace) -> tuple[Plan, bool]:
    ours = settings(given)
    asked = Client(ours.control_socket)
    try:
        if given.file is None:
            return asked.post("plan"), False
        return asked.post("plan", body=read_whole(Path(given.file)).encode(), path=given.file), False
    except UnreachableError:
        with lightly():
            from zoosup.supervisor.offline import plan_offline  # noqa: PLC0415 - only where no supervisor is there

        path = ours.zoo_file()
        return plan_offline(read_whole(path), str(path)), True
