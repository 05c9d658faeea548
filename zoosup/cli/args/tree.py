"""The parser, with all commands; the parsed arguments carry `handler`."""

import argparse

from zoosup import __version__
from zoosup.cli.args.changing import add_changing
from zoosup.cli.args.completion import NAMES, SHELLS, PrintCompletion
from zoosup.cli.args.files import add_files
from zoosup.cli.args.looking import add_looking
from zoosup.cli.args.manual import PrintManual
from zoosup.cli.args.parser import Parser
from zoosup.cli.args.shared import common_options

_DESCRIPTION = """\
Makes this host's model servers be what zoo.yaml says, and keeps them so.

Begin with `zoosup init`, which writes a first zoo.yaml; then `zoosup run`, and in a second terminal `zoosup status`."""

_EPILOG = """\
exit codes:
    0  done                        64  wrong usage
    1  failed                      69  no supervisor reached
    2  plan --detailed-exitcode:   75  another instance holds the lock
       there are changes           78  zoo.yaml is invalid
    3  not ready (wait -t 0s)     124  time-out
    4  no such model

environment:
    ZOOSUP_FILE, ZOOSUP_INSTANCE, ZOOSUP_STATE_DIR, ZOOSUP_STATUS_LISTEN, ZOOSUP_GATEWAY_LISTEN,
    ZOOSUP_LOG_LEVEL, ZOOSUP_LOG_FORMAT, ZOOSUP_ON_EXIT and ZOOSUP_WAIT_FOR_FILE stand for the options
    of the same names; an option goes before its variable. ZOOSUP_REVISION is what status calls the file
    in force. NO_COLOR is honoured.
"""


def parser() -> argparse.ArgumentParser:
    """Make the parser; the parsed arguments carry `handler`, a module and function of this package."""
    common = common_options()
    made = Parser(
        prog="zoosup",
        parents=[common],
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument(
        "--print-completion", action=PrintCompletion, choices=SHELLS, metavar="SHELL",
        help="print what a shell needs to complete command lines: bash, zsh or fish",
    )  # fmt: skip
    made.add_argument(
        "--print-man", action=PrintManual, nargs=0, help="print the manual page, as `man -l -` takes it"
    )
    made.add_argument("--version", action="version", version=f"zoosup {__version__}")
    commands = made.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", required=True, parser_class=Parser
    )

    def add(name: str, handler: str, help_: str) -> argparse.ArgumentParser:
        command = commands.add_parser(
            name,
            parents=[common],
            help=help_,
            description=f"{help_[0].upper()}{help_[1:]}.",
            allow_abbrev=False,
        )
        command.set_defaults(handler=handler)
        return command

    add_files(add)
    add_looking(add)
    add_changing(add)
    hidden = commands.add_parser(NAMES, parents=[common])
    hidden.set_defaults(handler="commands.names:names")
    _add_link(commands.add_parser("link", parents=[common]))
    return made


def _add_link(link: argparse.ArgumentParser) -> None:
    """What zoosup starts for itself; no command for people."""
    for name in ("--control", "--head", "--address"):
        link.add_argument(name, required=True)
    link.add_argument("--of-head", action="store_true")
    link.set_defaults(handler="commands.link:link")
