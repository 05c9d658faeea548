"""What several commands take: the file, which supervisor, `--json`."""

import argparse
from collections.abc import Callable

from zoosup.cli.args.completion import add_directory
from zoosup.cli.args.parser import Parser

FILE = "zoo.yaml; without it $ZOOSUP_FILE, ./zoo.yaml, $XDG_CONFIG_HOME/zoosup/zoo.yaml, /etc/zoosup/zoo.yaml"

Add = Callable[..., argparse.ArgumentParser]
"""Adds a command: its name, its handler (a module and function of this package), its help."""


def common_options() -> Parser:
    """Options that may stand before and behind the command; absent ones leave no trace, so that neither wins."""
    common = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    group = common.add_argument_group("which supervisor")
    group.add_argument("--instance", metavar="NAME", help="one of several on this host (default: default)")
    add_directory(group, "--state-dir", help="where it keeps its state and its control socket")
    common.add_argument("--no-color", action="store_true", help="no colours on a terminal")
    return common


def add_json(command: argparse.ArgumentParser) -> None:
    """The answer as one document."""
    command.add_argument("--json", action="store_true", help="for programs")
