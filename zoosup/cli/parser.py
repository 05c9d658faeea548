"""How words are read: one line and a guess for what is wrong, and completion of what may be typed.

Knows argparse. Refuses to know any command.
"""

import argparse
import re
import shlex
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from zoosup.errors import UsageError


class Parser(argparse.ArgumentParser):
    """argparse's, with this house's way of saying what is wrong."""

    def error(self, message: str) -> NoReturn:
        """Exit 64 as sysexits.h has it (argparse's 2 means changes here), in one line, with a guess."""
        choice = re.search(r"invalid choice: '([^']*)'.*\(choose from (.*)\)", message)
        if choice:
            known = re.findall(r"[\w-]+", choice[2])
            near = (
                [_SYNONYMS[choice[1]]] if choice[1] in _SYNONYMS else get_close_matches(choice[1], known, 1)
            )
            message = f"no command {choice[1]!r}" if len(known) > 4 else message  # noqa: PLR2004
            message += f", did you mean {near[0]}?" if near else ""
        unknown = re.search(r"unrecognized arguments: (--[\w-]+)", message)
        if unknown:
            options = [each for each in self.options() if each.startswith("--")]
            near = get_close_matches(unknown[1], options, 1)
            message += f", did you mean {near[0]}?" if near else ""
        raise UsageError(f"{message} (see {self.prog} --help)")

    def options(self) -> list[str]:
        """Every option of this parser and of those of its commands."""
        found = list(self._option_string_actions)
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - argparse has no other way
                found += [each for made in action.choices.values() for each in made.options()]
        return list(dict.fromkeys(found))


_SYNONYMS = {
    "models": "status",
    "ps": "status",
    "list": "status",
    "ls": "status",
    "top": "status",
    "validate": "check",
    "up": "run",
    "serve": "run",
    "switch": "use",
    "log": "logs",
}
"""What other programs call it, for words that are not near."""


class PrintCompletion(argparse.Action):
    """Prints the completion of the parser for a shell, and ends."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        _namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        _option: str | None = None,
    ) -> NoReturn:
        """Print it."""
        print(completion(parser, str(values)), end="")
        parser.exit()


def completion(parser: argparse.ArgumentParser, shell: str) -> str:
    """A script for bash, or zsh by its emulation of bash's: commands, then options, else files."""
    cases = [
        f"        {shlex.quote(name)}) words={shlex.quote(' '.join(words))} ;;"
        for name, words in _words(parser)
    ]
    emulation = "autoload -U +X bashcompinit && bashcompinit\n" if shell == "zsh" else ""
    return emulation + _SCRIPT.replace("CASES", "\n".join(cases))


def _words(parser: argparse.ArgumentParser) -> Iterator[tuple[str, list[str]]]:
    """What may come at the top (""), and within each command."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            own = [each for each in parser._option_string_actions if each.startswith("--")]  # noqa: SLF001
            yield "", [*action.choices, *own]
            for name, made in action.choices.items():
                inner = list(_words(made))
                options = [each for each in made._option_string_actions if each.startswith("--")]  # noqa: SLF001
                yield name, inner[0][1] if inner else options


_SCRIPT = """\
_zoosup() {
    local word command= words
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $word in -*) ;; *) command=$word; break ;; esac
    done
    case $command in
CASES
        *) words= ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _zoosup zoosup
"""
