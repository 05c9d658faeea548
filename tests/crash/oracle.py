"""What lives, by the operating system: /proc is read again and again while a case goes on.

Knows the command lines of model.py and its helper. Refuses to ask zoosup anything.
"""

import os
import threading
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

PAUSE = 0.01
"""Seconds between looks: a second copy that should not be lives for much longer."""

_SCRIPT = b"model.py"
_HELPER = b"helper-"


@dataclass(frozen=True, slots=True)
class Process:
    """A living process of a model of one case."""

    pid: int
    start: int
    model: str
    port: int  # 0 for a helper


@dataclass(slots=True)
class Seen:
    """What was seen of one case so far. `wrong` are sentences, one for each look that saw what must not be."""

    living: frozenset[Process] = frozenset()
    leaders: dict[str, list[Process]] = field(default_factory=lambda: defaultdict(list))
    apart: tuple[str, str] | None = None  # these two must never live at the same time
    wrong: list[str] = field(default_factory=list)
    looks: int = 0

    def serving(self, model: str) -> list[Process]:
        """The leaders of a model that live now."""
        return [p for p in self.living if p.model == model and p.port]


class Oracle:
    """One thread that looks for all cases at the same time. A context manager."""

    def __init__(self) -> None:
        self.cases: dict[str, Seen] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go_on_looking, name="oracle", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def watch(self, token: str) -> Seen:
        """From now on whatever bears the token is seen."""
        self.cases[token] = Seen()
        return self.cases[token]

    def fresh(self, token: str) -> Seen:
        """What was seen after two more looks, the second of which began after this call."""
        seen = self.cases[token]
        target = seen.looks + 2
        while seen.looks < target and self._thread.is_alive():
            time.sleep(PAUSE / 2)
        return seen

    def _go_on_looking(self) -> None:
        while not self._over.wait(PAUSE):
            found: dict[str, list[Process]] = defaultdict(list)
            for token, process in _scan():
                found[token].append(process)
            for token, seen in list(self.cases.items()):
                _note(seen, frozenset(found[token]))


def _note(seen: Seen, living: frozenset[Process]) -> None:
    for process in living - seen.living:
        known = seen.leaders[process.model]
        if process.port and process not in known:
            known.append(process)
    for one in living:
        for other in living:
            if one.pid < other.pid and _must_not_meet(seen, one, other) and _lives(one) and _lives(other):
                seen.wrong.append(f"at the same time: {one} and {other}")
    seen.living = living
    seen.looks += 1


def _must_not_meet(seen: Seen, one: Process, other: Process) -> bool:
    if one.model == other.model:
        return bool(one.port and other.port)
    return seen.apart is not None and {one.model, other.model} == set(seen.apart)


def _lives(process: Process) -> bool:
    """Asked anew, for a look takes its time and one may have ended before the other began."""
    stat = _stat(process.pid)
    return stat is not None and stat[2] == process.start


def _scan() -> list[tuple[str, Process]]:
    """Living leaders and helpers of all cases, by token."""
    found: list[tuple[str, Process]] = []
    for entry in os.listdir("/proc"):  # noqa: PTH208 - read a hundred times a second
        if not entry.isdigit():
            continue
        with suppress(OSError, ValueError, IndexError):
            with open(f"/proc/{entry}/cmdline", "rb") as file:  # noqa: PTH123
                line = file.read(4096)
            known = _known(line)
            stat = _stat(int(entry)) if known is not None else None
            if known is not None and stat is not None and not _forked_from_a_leader(stat[1], line):
                token, model, port = known
                found.append((token, Process(int(entry), stat[2], model, port)))
    return found


def _known(line: bytes) -> tuple[str, str, int] | None:
    if line.startswith(_HELPER):
        _, token, model = line.split(b"\0", 1)[0].decode().split("-")
        return token, model, 0
    words = line.split(b"\0")
    if any(word.endswith(_SCRIPT) for word in words[1:4]):
        at = next(i for i, word in enumerate(words) if word.endswith(_SCRIPT))
        return words[at + 1].decode(), words[at + 2].decode(), int(words[at + 3])
    return None


def _forked_from_a_leader(parent: int, line: bytes) -> bool:
    """The helper between its fork and its exec still bears the leader's command line."""
    with suppress(OSError), open(f"/proc/{parent}/cmdline", "rb") as file:  # noqa: PTH123
        return file.read(4096) == line
    return False


def _stat(pid: int) -> tuple[str, int, int] | None:
    """State, parent and start ticks; None for a zombie or nobody."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    state = fields[0].decode()
    return None if state in "ZX" else (state, int(fields[1]), int(fields[19]))
