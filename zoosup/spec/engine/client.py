"""Which container client a list of words calls, and what it is told to do.

Knows the programs that people put in front (env, sudo, nice, …), as far as to find what they start. Refuses to look
into shells: a client in `sh -c "…"` is not seen.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from zoosup.spec.engine.options import global_name, global_takes_value
from zoosup.spec.engine.scan import Option, scan

ENGINES = frozenset({"docker", "podman", "nerdctl"})
_CLIENTS = {name: name for name in ENGINES} | {"podman-remote": "podman"}
_COMPOSE = {"docker-compose": "docker", "podman-compose": "podman"}

_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_MOST_WRAPPERS = 8


@dataclass(frozen=True, slots=True)
class _Wrapper:
    """A program that starts another: its options that take a value, its own words before that other, NAME=… allowed."""

    values: frozenset[str] = frozenset()
    words: int = 0
    assigns: bool = False


_WRAPPERS = {
    "chrt": _Wrapper(frozenset({"T", "P", "D"}), words=1),
    "doas": _Wrapper(frozenset({"C", "u"})),
    "env": _Wrapper(frozenset({"u", "C", "unset", "chdir"}), assigns=True),
    "ionice": _Wrapper(frozenset({"c", "n", "class", "classdata"})),
    "nice": _Wrapper(frozenset({"n", "adjustment"})),
    "nohup": _Wrapper(),
    "numactl": _Wrapper(
        frozenset(
            {"i", "p", "C", "N", "m", "interleave", "preferred", "physcpubind", "cpunodebind", "membind"}
        )
    ),
    "setsid": _Wrapper(),
    "stdbuf": _Wrapper(frozenset({"i", "o", "e", "input", "output", "error"})),
    "sudo": _Wrapper(
        frozenset(
            {
                "u",
                "g",
                "h",
                "p",
                "C",
                "T",
                "R",
                "D",
                "r",
                "t",
                "user",
                "group",
                "host",
                "prompt",
                "chdir",
                "chroot",
            }
        ),
        assigns=True,
    ),
    "taskset": _Wrapper(words=1),
    "timeout": _Wrapper(frozenset({"s", "k", "signal", "kill-after"}), words=1),
}
_SPLITS = frozenset({"S", "split-string"})
"""Options of env by which the words that follow are cut again."""


@dataclass(frozen=True, slots=True)
class Client:
    """A call of a container client.

    `subcommand` is what it is told to do: ("run",), ("container", "run"), ("compose",); empty where nothing is said.
    `at` is the index of its first word and `after` that of the first word behind it.
    """

    engine: str
    words: tuple[str, ...]
    options: tuple[Option, ...]
    subcommand: tuple[str, ...]
    at: int
    after: int

    @property
    def prefix(self) -> tuple[str, ...]:
        """All words before the subcommand, less `container`: what any other call of the same engine begins with."""
        return self.words[: self.at] + self.words[self.at + 1 : self.after - 1]


def find_client(words: Sequence[str]) -> Client | None:
    """The call that the words make; None where they call no container client, or one that can't be seen."""
    at = _program(words)
    if at is None:
        return None
    name = words[at].rpartition("/")[2]
    if name in _COMPOSE:
        return Client(_COMPOSE[name], tuple(words), (), ("compose",), at, at + 1)
    return _call(_CLIENTS[name], tuple(words), at + 1) if name in _CLIENTS else None


def _call(engine: str, words: tuple[str, ...], at: int) -> Client:
    takes_value = partial(global_takes_value, engine)
    options, start = scan(words, at, takes_value)
    subcommand = words[start : start + 1]
    after = start + len(subcommand)
    if subcommand == ("container",):
        more, after = scan(words, after, takes_value)
        options += more
        subcommand += words[after : after + 1]
        after = min(len(words), after + 1)
    named = tuple(replace(each, name=global_name(engine, each.name)) for each in options)
    return Client(engine, words, named, subcommand, start, after)


def _program(words: Sequence[str]) -> int | None:
    """The index of the first program that is no wrapper."""
    at = 0
    for _ in range(_MOST_WRAPPERS):
        if at >= len(words):
            return None
        wrapper = _WRAPPERS.get(words[at].rpartition("/")[2])
        if wrapper is None:
            return at
        options, at = scan(words, at + 1, wrapper.values.__contains__)
        if any(option.name in _SPLITS for option in options) and wrapper is _WRAPPERS["env"]:
            return None
        while wrapper.assigns and at < len(words) and _ASSIGNMENT.match(words[at]):
            at += 1
        at += wrapper.words
    return None
