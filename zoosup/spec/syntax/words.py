"""A command written as one string, split into words as a POSIX shell would; and the values of options among words.

Knows quoting, lines that are comments, and the words by which a person shows to expect a shell. Refuses to be one: what
a `${name}` stands for is the caller's word. `shlex` isn't used: it forgets which words were quoted, and a
 backslash before a line's end it takes literally.
"""

import re
from collections.abc import Callable, Container, Iterator, Sequence

NO_SHELL = "zoosup runs no shell; write command: [sh, -c, …]"

_PART = re.compile(
    r"""(?P<blank>\s+)
      | (?P<continued>\\\r?\n)
      | '(?P<single>[^']*)'
      | "(?P<double>(?:\\.|[^"\\])*)"
      | \\(?P<escaped>.)
      | (?P<plain>[^\s'"\\]+)""",
    re.VERBOSE | re.DOTALL,
)
_IN_DOUBLE_QUOTES = re.compile(r'\\(?:(\r?\n)|(["\\]))')
_SHELL_WORD = re.compile(
    r"(?P<whole>\|\|?|&&?|;;?|[(){}!])\Z|(?P<start>#|\$\(|[0-9]*(?:>>?|<<?))|.*(?P<inside>`)|.*(?P<end>;)\Z",
    re.DOTALL,
)
_COMMENT = re.compile(r"#[^\n]*")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*", re.DOTALL)


class WordsError(ValueError):
    """A string that is no plain list of words; its text says what is wrong."""

    def __init__(self, what: str, expected: str) -> None:
        super().__init__(what)
        self.expected = expected


def split_words(text: str, expand: Callable[[str], Sequence[str] | None] = lambda _: None) -> tuple[str, ...]:
    """Split a string into words; the quotes are gone afterwards.

    A line of several that begins with # is a comment. `expand` gives the words that an unquoted one stands for, None
    where it stands for itself.

    Raises WordsError for an open quote, and for an unquoted word that only a shell would understand.
    """
    words: list[str] = []
    word: list[str] | None = None
    bare: list[str] = []
    position = 0
    while position < len(text):
        if word is None and (comment := _COMMENT.match(text, position)) and _begins_line(text, position):
            position = comment.end()
            continue
        part = _PART.match(text, position)
        if part is None:
            raise WordsError("has a quote or a backslash at its end that is not closed", "quotes in pairs")
        position = part.end()
        if part.lastgroup == "blank":
            if word is not None:
                words += _finished(word, bare, expand, first=not words)
            word, bare = None, []
        elif part.lastgroup != "continued":
            word = [*(word or []), _unquoted(part)]
            bare.append(part["plain"] or "''")
    if word is not None:
        words += _finished(word, bare, expand, first=not words)
    return tuple(words)


def _begins_line(text: str, position: int) -> bool:
    """Whether only blanks stand before it in its line, and the text has more than that line."""
    return "\n" in text.strip() and not text[text.rfind("\n", 0, position) + 1 : position].strip()


def _finished(
    word: list[str], bare: list[str], expand: Callable[[str], Sequence[str] | None], *, first: bool
) -> Sequence[str]:
    more = expand(word[0]) if word == bare and len(word) == 1 else None
    return [_checked(word, bare, first=first)] if more is None else more


def _unquoted(part: re.Match[str]) -> str:
    if part.lastgroup == "double":
        return _IN_DOUBLE_QUOTES.sub(lambda m: m[2] or "", part["double"])
    return part[part.lastgroup or 0]


def _checked(word: list[str], bare: list[str], *, first: bool) -> str:
    """Refuse what only a shell would understand; only the sign is named, the rest may be a secret."""
    unquoted = "".join(bare)
    if shell := _SHELL_WORD.match(unquoted):
        sign = shell[shell.lastgroup or 0]
        raise WordsError(f"holds the shell's {sign}", f"a program and its arguments; {NO_SHELL}")
    if first and _ASSIGNMENT.fullmatch(unquoted):
        raise WordsError(
            "begins with NAME=…, as in a shell", f"a program; put variables under env ({NO_SHELL})"
        )
    return "".join(word)


def values_of(words: Sequence[str], options: Container[str]) -> Iterator[tuple[int, str, str]]:
    """(at, option, value) wherever one of these options is given: `--name value` or `--name=value`.

    `at` is the index of the word that holds the value.
    """
    for at, word in enumerate(words):
        option, equals, value = word.partition("=")
        if option in options and equals:
            yield at, option, value
        elif option in options and at + 1 < len(words):
            yield at + 1, option, words[at + 1]
