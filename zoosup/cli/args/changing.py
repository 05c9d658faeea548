"""Changing what runs, and what is held or kept, by hand."""

import argparse

from zoosup.cli.args.completion import add_file, add_model
from zoosup.cli.args.parser import Parser
from zoosup.cli.args.shared import FILE, Add, add_json, common_options
from zoosup.cli.args.values import duration, name, size, time_span


def add_changing(add: Add) -> None:
    """Each of them."""
    use = add("use", "commands.changing.use:use", "rewrite `active` in the file, keeping every other byte")
    add_model(use, "models", nargs="+", help="in order of priority")
    add_file(
        use, "-f", "--file",
        help=f"{FILE}; with a supervisor running and none of this named, the one it follows",
    )  # fmt: skip
    for verb, text in (
        ("start", "run a model, until `active` says something new about it"),
        ("stop", "stop a model, until `active` says something new about it"),
        ("restart", "end a model's run and start it afresh; forgets its crashes"),
        ("unload", "give the memory of a model on demand back; the next request loads it again"),
        ("auto", "give a model that was started or stopped by hand back to the file and to demand"),
    ):
        command = add(verb, "commands.changing.control:command", text)
        add_model(command, "model", help="its name in zoo.yaml")
        command.set_defaults(verb=verb)
        add_json(command)
    _add_hold(
        add("hold", "commands.changing.hold:hold", "hold memory for what is no model: a game, a training run")
    )
    for verb, text in (
        ("drain", "move everything off a host of the fleet, and keep it empty"),
        ("undrain", "let a host that was drained have models again"),
    ):
        command = add(verb, "commands.changing.fleet:drain", text)
        command.add_argument("node", nargs="?", type=name, help="which, by its name (default: this one)")
        command.set_defaults(verb=verb, timeout=None)
        if verb == "drain":
            command.add_argument(
                "-t", "--timeout", type=duration, metavar="TIME",
                help="wait until it is empty, at most so long (exit 124)",
            )  # fmt: skip
    add_json(add("reload", "commands.changing.control:reload", "look at zoo.yaml again at once"))
    _add_sessions(
        add(
            "sessions",
            "commands.changing.sessions:sessions",
            "say which conversations are kept, or remove them",
        )
    )


def _add_sessions(sessions: argparse.ArgumentParser) -> None:
    """Without a verb it lists."""
    sessions.set_defaults(json=False)
    verbs = sessions.add_subparsers(
        title="verbs (default: list)", metavar="VERB", dest="verb", parser_class=Parser
    )
    add_json(verbs.add_parser("list", parents=[common_options()], help="what is kept", allow_abbrev=False))
    clear = verbs.add_parser(
        "clear", parents=[common_options()], help="remove what is kept", allow_abbrev=False
    )
    add_model(clear, "model", help="of which model")
    clear.set_defaults(handler="commands.changing.sessions:clear")


def _add_hold(hold: argparse.ArgumentParser) -> None:
    hold.add_argument("--ram", type=size, metavar="SIZE", help="RAM to hold, such as 8GiB")
    hold.add_argument("--vram", type=size, metavar="SIZE", help="memory of one GPU to hold")
    hold.add_argument(
        "--gpu", metavar="GPU", help="which, by index or UUID (default: where it stands best; CMD is told)"
    )
    hold.add_argument(
        "--for",
        dest="lasts",
        type=time_span,
        metavar="TIME",
        help="at most so long, from when the room is had",
    )
    hold.add_argument(
        "--force", action="store_true", help="active models make room as well, and come back after"
    )
    hold.add_argument("command", nargs="*", metavar="-- CMD", help="run this in the room; it ends with it")
    what = hold.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="show what is held, and what is waited for")
    what.add_argument("--release", type=name, metavar="ID", help="give a hold's room back")
    add_json(hold)
