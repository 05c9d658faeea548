"""How words are read: one line and a guess for what is wrong.

Knows argparse. Refuses to know any command.
"""

import argparse
import re
from difflib import get_close_matches
from typing import NoReturn

from zoosup.errors import UsageError


class Parser(argparse.ArgumentParser):
    """argparse's, with this house's way of saying what is wrong."""

    def error(self, message: str) -> NoReturn:
        """Exit 64 as sysexits.h has it (argparse's 2 means changes here), in one line, with a guess."""
        choice = re.search(r"invalid choice: '([^']*)'.*\(choose from (.*)\)", message)
        if choice:
            known = [each for each in re.findall(r"[\w-]+", choice[2]) if not each.startswith("__")]
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
    "validate": "check",
    "up": "run",
    "serve": "run",
    "switch": "use",
    "log": "logs",
}
"""What other programs call it, for words that are not near."""
