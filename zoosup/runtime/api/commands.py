"""What people ask of the runtime by hand.

Writes and questions for the single writer; how they are carried out stands in the room `commands`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class HoldRequest:
    """Room that a person asks for; bytes. `lasts`: seconds, None for ever; see `RoomHold` for the rest."""

    ram: int = 0
    vram: int = 0
    gpu: str | None = None
    lasts: float | None = None
    forced: bool = False
    command: str = ""
    pid: int | None = None
    keep: bool = False


class Commands(Protocol):
    """Writes and questions for the single writer. NoSuchModelError for a name that zoo.yaml does not have."""

    async def start(self, model: str) -> Mapping[str, Any]:
        """Ask for the model to run, until `active` says something new about it; its `/status/{model}` back."""

    async def stop(self, model: str) -> Mapping[str, Any]:
        """Ask for the model not to run, likewise."""

    async def restart(self, model: str) -> Mapping[str, Any]:
        """End its run and start it afresh; back-off and a given-up state are forgotten.

        One that a request may start is pinned by that no more than before: it comes with the next request.
        """

    async def unload(self, model: str) -> Mapping[str, Any]:
        """End its run to give its memory back; the next request loads it again. ZoosupError where none could."""

    async def auto(self, model: str) -> Mapping[str, Any]:
        """Give a model that was started or stopped by hand back to the file and to demand."""

    async def reload(self) -> Mapping[str, Any]:
        """Look at zoo.yaml again at once; returns the snapshot's `config` after it was applied or refused."""

    async def plan(self, text: str | None, path: str) -> Mapping[str, Any]:
        """The next pass's answer, for `text` in place of the file where given; InvalidFileError when not valid."""

    async def estimate(self, model: str) -> Mapping[str, Any]:
        """What the model needs, term by term, by its weights as they are now and by what its runs have shown."""

    async def hold(self, asked: HoldRequest) -> Mapping[str, Any]:
        """Ask for room for what is no model; what the snapshot says of it. ZoosupError with the sum where none is.

        One that others have to leave for is waited for: whoever asks looks again.
        """

    async def release(self, hold_id: str) -> Mapping[str, Any]:
        """Give a hold's room back; the hold as it was last. NoSuchHoldError where there is none."""

    def heartbeat(self) -> float:
        """Seconds since the loop last turned."""
