"""How far a fetch has come: bars on a terminal, a line now and then in a pipe, JSON for programs.

Refuses to know where bytes come from.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from zoosup.cli.render import terminal
from zoosup.cli.render.format import size

PLAIN_EVERY = 10.0
"""Seconds between two lines about one file in a pipe."""

JSON_EVERY = 0.5
"""The same for programs."""

OnBytes = Callable[[int], None]


class FetchProgress(Protocol):
    """Is told what has come."""

    def on(self, file: str) -> OnBytes:
        """Takes how many bytes of a file are there."""

    def waiting(self) -> None:
        """Another process brings what comes next."""


@contextmanager
def fetch_progress(given: argparse.Namespace, sizes: Mapping[str, int]) -> Iterator[FetchProgress]:
    """One for files of these sizes, by where the output goes."""
    if given.json:
        yield JsonLines(sizes)
    elif terminal.is_terminal():
        with terminal.bars(given) as add:
            yield Bars(sizes, add)
    else:
        yield PlainLines(sizes)


class Bars:
    """A bar a file."""

    def __init__(self, sizes: Mapping[str, int], add: Callable[[str, int], OnBytes]) -> None:
        self._sizes = sizes
        self._add = add

    def on(self, file: str) -> OnBytes:
        """As FetchProgress has it."""
        return self._add(file, self._sizes[file])

    def waiting(self) -> None:
        """As FetchProgress has it."""
        self._add("another process brings it: waiting", 0)


class PlainLines:
    """A line at the beginning and the end of each file, and now and then between."""

    def __init__(self, sizes: Mapping[str, int], now: Callable[[], float] = time.monotonic) -> None:
        self._sizes = sizes
        self._now = now

    def on(self, file: str) -> OnBytes:
        """As FetchProgress has it."""
        whole, said, said_at = self._sizes[file], -1, float("-inf")

        def told(there: int) -> None:
            nonlocal said, said_at
            if there != said and (there >= whole or self._now() - said_at >= PLAIN_EVERY):
                said, said_at = there, self._now()
                print(f"{file}: {size(there)} of {size(whole)}", flush=True)

        return told

    def waiting(self) -> None:
        """As FetchProgress has it."""
        print("another process brings it: waiting", flush=True)


class JsonLines:
    """Bytes of all files together, those that are there and all, one object a line."""

    def __init__(self, sizes: Mapping[str, int], now: Callable[[], float] = time.monotonic) -> None:
        self._total = sum(sizes.values())
        self._there: dict[str, int] = {}
        self._now = now
        self._said_at = float("-inf")

    def on(self, file: str) -> OnBytes:
        """As FetchProgress has it."""

        def told(there: int) -> None:
            self._there[file] = there
            done = sum(self._there.values())
            if done >= self._total or self._now() - self._said_at >= JSON_EVERY:
                self._said_at = self._now()
                print(json.dumps({"done": done, "total": self._total}), flush=True)

        return told

    def waiting(self) -> None:
        """As FetchProgress has it: said by the figures that stand still."""
