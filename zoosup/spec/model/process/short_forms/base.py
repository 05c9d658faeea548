"""What every short form is: a server's own command line, and how that server is asked, ended and named.

Refuses to know any server.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

from zoosup.spec.model.base import SpecPart, on_restart
from zoosup.spec.model.values import kinds

HOST = "127.0.0.1"
"""Backends listen here and nowhere else: the gateway is the only door."""

PORT = "${PORT}"

EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - inside a container, whose port is published on HOST alone
"""Where a server in a container listens."""


class ShortForm(SpecPart):
    """The base of all short forms."""

    usual_program: ClassVar[tuple[str, ...]]
    """The program and its first words, where the file names no other."""

    ready: ClassVar[Mapping[str, Any]] = {"http": "/health"}
    """How the server is asked whether it may be used, as zoo.yaml would say it."""

    grace: ClassVar[str] = "30s"
    """How long it may take to end once it has been told to."""

    program: Annotated[
        kinds.Words | None,
        on_restart("The server's program, as a list or a string split into words. null: by its usual name."),
    ] = None
    args: Annotated[
        kinds.Args, on_restart("More arguments, added at the end: a list, or a string split into words.")
    ] = ()

    def words(self, host: str = HOST, port: str = PORT) -> tuple[str, ...]:
        """The command: program, options, `args`; templates."""
        return (*self.executed, *self.options(), *self.address(host, port), *self.args)

    def image_words(self, host: str, port: str) -> tuple[str, ...]:
        """The same as arguments of the server's own image, which begins with the program; another one is said."""
        return self.words(host, port)[0 if self.program else len(self.usual_program) :]

    @property
    def executed(self) -> tuple[str, ...]:
        """The program's words."""
        return self.program or self.usual_program

    @abstractmethod
    def options(self) -> Iterator[str]:
        """The options that the fields come to, in the order of the fields."""

    def address(self, host: str, port: str) -> tuple[str, ...]:
        """The options by which it is told where to listen."""
        return ("--host", host, "--port", port)

    def env(self) -> Mapping[str, str]:
        """Variables that it needs beside its options."""
        return {}

    def task_name(self) -> str | None:
        """What it is for, as `task` of a model says it."""
        return "chat"

    def park(self) -> Mapping[str, Any] | None:
        """How it sleeps, as `park` of a model says it; None where it can't."""
        return None

    def upstream_model(self) -> str | None:
        """The name that the server wants to be told; None where it takes any."""
        return None


def option(name: str, value: object) -> tuple[str, ...]:
    """An option and its value; nothing for None."""
    return () if value is None else (name, str(value))


def flag(name: str, *, given: bool) -> tuple[str, ...]:
    """An option without a value."""
    return (name,) if given else ()
