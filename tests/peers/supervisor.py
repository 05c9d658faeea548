"""What the cases ask of a supervisor, whichever it is, and the programs that it is given.

Knows no supervisor; `zoosup_peer` and `other_peers` do.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import psutil

NO_SYNTAX = "\n]{[\n"
"""A line that is wrong in YAML, INI and JavaScript alike."""

RELOAD = "reload"


class CannotRunError(Exception):
    """This supervisor can't be had on this host; the text says why."""


@dataclass(frozen=True)
class Program:
    """One program to supervise. `cwd` is its own folder; `grace` is in seconds."""

    name: str
    words: Sequence[str]
    cwd: Path
    grace: int = 2
    restarts: bool = True


class Supervisor(ABC):
    """One supervisor with one configuration file in `home`; nothing of it runs before `start`."""

    name: ClassVar[str]
    settings: ClassVar[str]
    """What its configuration says beyond the programs, for people."""

    ways: ClassVar[Sequence[str]] = (RELOAD,)
    """How it can be told of an edit, the documented way first."""

    def __init__(self, home: Path, programs: Sequence[Program]) -> None:
        self.home = home
        self.home.mkdir(parents=True)
        self.programs = programs

    @classmethod
    @abstractmethod
    def version(cls) -> str:
        """Its version; installs it where that is needed. CannotRunError when it can't be had."""

    @property
    @abstractmethod
    def file(self) -> Path:
        """Its configuration file."""

    @abstractmethod
    def text(self) -> str:
        """What its configuration file says about the programs."""

    @abstractmethod
    def start(self) -> None:
        """Start it, for the first time or after it was killed, as its documentation tells to."""

    @abstractmethod
    def pid(self) -> int:
        """Its own process."""

    @abstractmethod
    def stop(self, name: str) -> None:
        """Have it stop a program, and return once it says that the program is stopped."""

    @abstractmethod
    def apply(self, way: str) -> None:
        """Tell it of an edited file, and return once it has answered; a refusal is an answer."""

    @abstractmethod
    def close(self) -> None:
        """End it; what it leaves behind is swept by the caller."""

    def write(self) -> None:
        self.file.write_text(self.text())

    def edit(self, programs: Sequence[Program]) -> None:
        self.programs = programs
        self.write()
        self.apply(self.ways[0])

    def spoil(self, way: str) -> None:
        """Save a file with a slip of the pen."""
        self.file.write_text(self.text() + NO_SYNTAX)
        self.apply(way)

    def kill(self) -> None:
        """SIGKILL it, and it alone."""
        process = psutil.Process(self.pid())
        process.kill()
        with suppress(psutil.TimeoutExpired):
            process.wait(10)
