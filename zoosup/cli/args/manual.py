"""The manual page, out of the parser: `zoosup --print-man | man -l -`.

Knows argparse and man(7)'s macros. Refuses to know any command: what stands in its help is all there is to say.
"""

import argparse
from collections.abc import Iterator
from typing import Any, NoReturn

from zoosup import __version__

_ESCAPES = str.maketrans(
    {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti", '"': "\\(dq"}
)


class PrintManual(argparse.Action):
    """Prints the page of the whole parser, and ends."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        """Print it."""
        print(manual(parser))
        parser.exit()


def manual(parser: argparse.ArgumentParser) -> str:
    """The page, without a line end behind it."""
    return "\n".join(_page(parser))


def _page(parser: argparse.ArgumentParser) -> Iterator[str]:
    prog, description = parser.prog, parser.description or ""
    yield f'.TH {prog.upper()} 1 "" "{prog} {__version__}" "User Commands"'
    first, *further = description.split("\n\n")
    yield from (".SH NAME", f"{prog} \\- {_text(first[:1].lower() + first[1:].rstrip('.'))}")
    yield from (".SH SYNOPSIS", f"\\fB{prog}\\fR [\\fIOPTION\\fR]... \\fICOMMAND\\fR ...")
    yield from (".SH DESCRIPTION", _text(first), *(line for each in further for line in (".PP", _text(each))))
    yield ".SH OPTIONS"
    yield from _arguments(parser, frozenset())
    yield ".SH COMMANDS"
    yield from _commands(parser, frozenset(parser._option_string_actions))  # noqa: SLF001 - argparse has no other way
    for part in (parser.epilog or "").split("\n\n"):
        title, _, lines = part.partition("\n")
        yield from (f".SH {_text(title.rstrip(':').upper())}", ".nf", *map(_text, lines.splitlines()), ".fi")


def _commands(parser: argparse.ArgumentParser, known: frozenset[str]) -> Iterator[str]:
    """Every command that has a help, and those within it; `known` options are said once, at the top."""
    for action in parser._actions:  # noqa: SLF001 - as above
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for listed in action._choices_actions:  # noqa: SLF001
                made = action.choices[listed.dest]
                yield f'.SS "{_text(" ".join(made.prog.split()[1:]))}"'
                yield _text(made.description or f"{listed.help}.")
                yield from _arguments(made, known)
                yield from _commands(made, known)


def _arguments(parser: argparse.ArgumentParser, known: frozenset[str]) -> Iterator[str]:
    for action in parser._actions:  # noqa: SLF001 - as above
        hidden = action.help == argparse.SUPPRESS or isinstance(action, argparse._SubParsersAction)  # noqa: SLF001
        if hidden or (action.option_strings and known.issuperset(action.option_strings)):
            continue
        choices = ", ".join(map(str, action.choices or ()))
        text = (action.help or "") % {**vars(action), "prog": parser.prog, "choices": choices}
        yield from (".TP", _typed(action), _text(text))


def _typed(action: argparse.Action) -> str:
    """An argument as it is typed: what is to be replaced in italics."""
    value = str(action.metavar or "|".join(map(str, action.choices or ())) or action.dest.upper())
    placeholder = "" if action.nargs == 0 else f"\\fI{_text(value)}\\fR"
    if action.nargs in {"*", "+"}:
        placeholder += "..."
    if not action.option_strings:
        return placeholder
    words = [f"\\fB{_text(each)}\\fR" for each in action.option_strings]
    return ", ".join(words) + (f" {placeholder}" if placeholder else "")


def _text(text: str) -> str:
    """A line of running text: no macro, whatever it begins with."""
    escaped = text.translate(_ESCAPES)
    return f"\\&{escaped}" if escaped.startswith(".") else escaped
