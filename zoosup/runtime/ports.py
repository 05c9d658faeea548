"""What the faces of zoosup (HTTP, control socket) may ask of the runtime.

Everything here is read from the last published snapshot or handed to the single writer as a fact; nothing waits
for a model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from zoosup.host.ports import Logs
from zoosup.runtime.board import Board
from zoosup.runtime.journal import Journal


class Commands(Protocol):
    """Writes and questions for the single writer. NoSuchModelError for a name that zoo.yaml does not have."""

    async def start(self, model: str) -> Mapping[str, Any]:
        """Ask for the model to run, until `active` says something new about it; its `/status/{model}` back."""

    async def stop(self, model: str) -> Mapping[str, Any]:
        """Ask for the model not to run, likewise."""

    async def restart(self, model: str) -> Mapping[str, Any]:
        """End its run and start it afresh; back-off and a given-up state are forgotten."""

    async def reload(self) -> Mapping[str, Any]:
        """Look at zoo.yaml again at once; returns the snapshot's `config` after it was applied or refused."""

    async def plan(self, text: str | None, path: str) -> Mapping[str, Any]:
        """The next pass's answer, for `text` in place of the file where given; InvalidFileError when not valid."""

    def heartbeat(self) -> float:
        """Seconds since the loop last turned."""


@dataclass(frozen=True, slots=True)
class Faces:
    """All that a face needs, handed over by the composition root."""

    board: Board
    journal: Journal
    commands: Commands
    logs: Logs
