"""What is done with a file: run it, write it, check it, plan it, bring what it names."""

import argparse

from zoosup.cli.args.completion import add_file
from zoosup.cli.args.parser import Parser
from zoosup.cli.args.shared import FILE, Add, add_json, common_options


def add_files(add: Add) -> None:
    """Each of them."""
    run = add("run", "commands.files.run:run", "supervise until SIGTERM: make the host so and keep it so")
    add_file(run, "file", nargs="?", help=FILE)
    run.add_argument(
        "--status-listen",
        metavar="ADDRESS",
        help="HOST:PORT of the status server, or none; goes before status.listen of zoo.yaml",
    )
    run.add_argument(
        "--gateway-listen",
        metavar="ADDRESS",
        help="HOST:PORT of the gateway, or none; goes before gateway.listen of zoo.yaml",
    )
    run.add_argument("--log-level", metavar="LEVEL", help="debug, info, warning or error (default: info)")
    run.add_argument("--log-format", metavar="FORMAT", help="text or json (default: text)")
    run.add_argument(
        "--on-exit",
        metavar="WHAT",
        help="what SIGTERM does to the models: stop, or keep them for the next zoosup to adopt (default: stop)",
    )

    run.add_argument(
        "--wait-for-file",
        action="store_const",
        const=True,
        help="with no good file yet, serve status with what is wrong and wait for one, instead of exit 78",
    )

    init = add(
        "init", "commands.files.init:init", "look at this host and write a first zoo.yaml, with comments"
    )
    add_file(
        init,
        "-o",
        "--output",
        default="zoo.yaml",
        help="write it there (default: zoo.yaml); -: standard output",
    )
    init.add_argument("--force", action="store_true", help="replace a file that is there")

    check = add("check", "commands.files.check:check", "say everything that is wrong with a file, and where")
    add_file(check, "files", nargs="*", help=f"{FILE}; -: standard input")
    check.add_argument(
        "--allow-unset",
        action="store_true",
        help="let ${env.NAME} and api_key_file pass where they are not there, for CI",
    )
    add_json(check)

    plan = add(
        "plan",
        "commands.files.plan:plan",
        "say what would happen if this were the file, with the memory sums",
    )
    add_file(plan, "file", nargs="?", help=f"{FILE}; with a supervisor running, the one it follows")
    plan.add_argument("--detailed-exitcode", action="store_true", help="exit 2 when there are changes")
    plan.add_argument(
        "--commands",
        action="store_true",
        help="print only what would be executed for each model, word by word",
    )
    add_json(plan)

    _add_fetch(
        add(
            "fetch", "commands.files.fetch:fetch", "download weights from the Hugging Face hub into its cache"
        )
    )

    _add_import(
        add(
            "import",
            "commands.files.importing:import_files",
            "write a zoo.yaml that does what another program's files do",
        )
    )
    add("schema", "commands.files.schema:schema", "print the JSON schema of zoo.yaml, for editors")

    _add_unit(
        add(
            "unit",
            "commands.files.unit:unit",
            "print the unit with which systemd or launchd keeps zoosup running",
        )
    )


def _add_fetch(fetch: argparse.ArgumentParser) -> None:
    fetch.add_argument(
        "models", nargs="*", metavar="MODEL|hf://NAME",
        help="models of the file, or names such as hf://owner/repo:Q4_K_M",
    )  # fmt: skip
    fetch.add_argument("--all", action="store_true", help="for every model of the file")
    add_file(fetch, "--file", help=FILE)
    fetch.add_argument(
        "--whole",
        action="store_true",
        help="hf://owner/repo is all of the repository, also where it has GGUFs",
    )
    add_json(fetch)


def _add_import(importing: argparse.ArgumentParser) -> None:
    """Each program is a parser of its own, for llama-swap alone may have several files."""
    sources = importing.add_subparsers(
        title="programs", metavar="PROGRAM", dest="source", required=True, parser_class=Parser
    )
    for source, text, several in (
        ("llama-swap", "its config.yaml, or several that it reads together", "+"),
        ("eternal-zoo", "its YAML file, or its folder of models", None),
        ("llama.cpp", "the models.ini of its router", None),
    ):
        made = sources.add_parser(source, parents=[common_options()], help=text, allow_abbrev=False)
        add_file(made, "files", nargs=several or 1, help=text)
        add_file(made, "-o", "--output", help="write it there, not to standard output")
        made.add_argument("--force", action="store_true", help="replace that file")
        made.add_argument(
            "--measure", action="store_true",
            help="run each model alone, one after the other, and write what it was seen to hold as its memory",
        )  # fmt: skip
        made.add_argument(
            "--strict", action="store_true", help="exit 1 where anything could not be carried over"
        )


def _add_unit(unit: argparse.ArgumentParser) -> None:
    """Each kind is a parser of its own: of two positionals argparse takes none behind an option between them."""
    kinds = unit.add_subparsers(
        title="kinds (default: this host's)", metavar="KIND", dest="kind", parser_class=Parser
    )
    unit.set_defaults(file=None, own=False, user=None)
    texts = {
        "systemd": "a .service file",
        "systemd-socket": "a .socket file: systemd listens for the gateway, and a restart refuses nobody",
        "launchd": "a property list",
    }
    for kind, text in texts.items():
        made = kinds.add_parser(kind, parents=[common_options()], help=text, allow_abbrev=False)
        add_file(made, "file", nargs="?", help=FILE)
        whose = made.add_mutually_exclusive_group()
        whose.add_argument(
            "--user", dest="own", action="store_true", help="for your own manager, without root"
        )
        whose.add_argument("--as", dest="user", metavar="NAME", help="whom it runs as (default: who asks)")
