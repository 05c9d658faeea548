"""Options read off a list of words, as the Go library does that all three clients use (spf13/pflag).

Knows the notations: --name value, --name=value, -n value, -nvalue, -n=value, flags in one cluster (-it), and -- for
their end. Refuses to know any option: whether one takes a value is the caller's word.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

TRUE = "true"
_TRUTHS = frozenset({"1", "t", "T", "true", "True", "TRUE"})


@dataclass(frozen=True, slots=True)
class Option:
    """One option as it was given: its name without dashes, its value, and the index of the word that names it.

    A flag without a value has `true`; an option whose value is missing, because the words end, has "".
    `words` is 2 where the value is the next word.
    """

    name: str
    value: str
    at: int
    words: int = 1

    @property
    def is_true(self) -> bool:
        """Whether a flag is switched on by it, as strconv.ParseBool reads its value."""
        return self.value in _TRUTHS


def scan(words: Sequence[str], at: int, takes_value: Callable[[str], bool]) -> tuple[tuple[Option, ...], int]:
    """Read options from `at` on: what was found, and the index of the first word that belongs to none."""
    found: list[Option] = []
    while at < len(words) and words[at].startswith("-") and words[at] != "-":
        if words[at] == "--":
            return tuple(found), at + 1
        reader = _long if words[at].startswith("--") else _short
        more = list(reader(words, at, takes_value))
        found += more
        value_follows = more[-1].value == _FOLLOWS
        if value_follows:
            given = words[at + 1 : at + 2]
            found[-1] = Option(more[-1].name, "".join(given), at, 1 + len(given))
        at += 2 if value_follows else 1
    return tuple(found), min(at, len(words))


_FOLLOWS = "\0"
"""Stands for a value that is the next word. No word holds a NUL character."""


def _long(words: Sequence[str], at: int, takes_value: Callable[[str], bool]) -> Iterator[Option]:
    name, equals, value = words[at][2:].partition("=")
    if equals:
        yield Option(name, value, at)
    else:
        yield Option(name, _FOLLOWS if takes_value(name) else TRUE, at)


def _short(words: Sequence[str], at: int, takes_value: Callable[[str], bool]) -> Iterator[Option]:
    letters = words[at][1:]
    for index, letter in enumerate(letters):
        rest = letters[index + 1 :]
        if rest.startswith("="):
            yield Option(letter, rest[1:], at)
            return
        if takes_value(letter):
            yield Option(letter, rest or _FOLLOWS, at)
            return
        yield Option(letter, TRUE, at)
