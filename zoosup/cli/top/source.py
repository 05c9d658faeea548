"""What the screens ask of a supervisor, and what a test can put in its place. Every call blocks."""

from typing import Protocol

from zoosup.cli.client import Client
from zoosup.cli.render.format import why
from zoosup.cli.render.screen import Seen
from zoosup.cli.watcher import Watcher

LOG_LINES = 500


class Source(Protocol):
    """A zoo to look at. `act` and `log` raise ZoosupError where the supervisor says no, or is away."""

    def look(self) -> Seen:
        """See what is so now."""

    def act(self, model: str, verb: str) -> str:
        """Ask for something by hand; what became of it, in a sentence."""

    def log(self, model: str) -> list[str]:
        """Read the last lines that a model wrote."""


class Supervisor:
    """The one behind a control socket."""

    def __init__(self, asked: Client) -> None:
        self._asked = asked
        self._watcher = Watcher(asked)

    def look(self) -> Seen:
        """See what is so now."""
        return self._watcher.look()

    def act(self, model: str, verb: str) -> str:
        """Ask for something by hand; what became of it, in a sentence."""
        now = self._asked.post("models", model, verb)
        return f"{model} is {now['phase']}" + f" ({why(now)})" * bool(why(now))

    def log(self, model: str) -> list[str]:
        """Read the last lines that a model wrote."""
        return self._asked.text("logs", model, lines=LOG_LINES).decode(errors="replace").splitlines()
