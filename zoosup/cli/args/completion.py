"""Completion of command lines: what an argument is completed with, and the script that a shell is given.

The scripts are shtab's, which looks for the attribute `complete` of an action. Refuses to know any command.
"""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from zoosup.cli.args.values import name

SHELLS = ("bash", "zsh", "fish")
NAMES = "__models"
"""The command that prints the names of models, for scripts alone."""

_ASK = f"zoosup {NAMES} 2>/dev/null"

Complete = str | dict[str, Any]
Container = argparse.ArgumentParser | argparse._ArgumentGroup  # noqa: SLF001 - argparse names it nowhere else
FILE: Complete = "file"
DIRECTORY: Complete = "directory"
MODEL: Complete = {
    "bash": "_zoosup_models",
    "zsh": f"(\\$({_ASK}))",  # it stands in double quotes, and is not to be asked when the script is read
    "fish": f"({_ASK})",
    "preamble": {"bash": f'_zoosup_models() {{ compgen -W "$({_ASK})" -- "$1"; }}'},
}

_BASH = r"""
# bash begins a new word at each colon, of which names of models may have some: those words are put together again.
_zoosup() {
  local line="${COMP_LINE:0:COMP_POINT}"
  if [[ "$line" != *:* || "$COMP_WORDBREAKS" != *:* ]]; then
    _shtab_zoosup
    return
  fi
  local -a COMP_WORDS
  read -ra COMP_WORDS <<< "$line"
  [[ "$line" == *[[:blank:]] ]] && COMP_WORDS+=("")
  local COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
  local word="${COMP_WORDS[COMP_CWORD]}"
  _shtab_zoosup
  [[ "$word" == *:* ]] && COMPREPLY=("${COMPREPLY[@]#"${word%"${word##*:}"}"}")
  return 0
}

complete -o bashdefault -F _zoosup zoosup"""


def add_file(command: Container, *names: str, **more: Any) -> None:
    """An argument that is completed with paths."""
    _add(command, names, FILE, {"metavar": "FILE", **more})


def add_directory(command: Container, *names: str, **more: Any) -> None:
    """An argument that is completed with directories."""
    _add(command, names, DIRECTORY, {"metavar": "DIR", **more})


def add_model(command: Container, *names: str, **more: Any) -> None:
    """An argument that is completed with the names of models."""
    _add(command, names, MODEL, {"metavar": "MODEL", "type": name, **more})


def _add(command: Container, names: Sequence[str], complete: Complete, more: Mapping[str, Any]) -> None:
    command.add_argument(*names, **more).complete = complete  # type: ignore[attr-defined]


class PrintCompletion(argparse.Action):
    """Prints the script of the whole parser for a shell, and ends."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        _namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        _option: str | None = None,
    ) -> NoReturn:
        """Print it."""
        import shtab  # noqa: PLC0415 - for this one answer

        print(shtab.complete(parser, str(values)) + _BASH * (values == "bash"))
        parser.exit()
