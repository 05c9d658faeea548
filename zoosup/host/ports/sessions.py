"""What the runtime asks of the host about saved slots of llama-servers, as a Protocol.

Sizes are bytes, durations seconds. Knows no adapter.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from zoosup.core.sessions.slots import Slot
from zoosup.core.state.weights import Found
from zoosup.spec.model.model import ModelSpec


@dataclass(frozen=True, slots=True)
class SlotServer:
    """A llama-server that runs: whose it is, what it serves, when it was started (wall), its port, what it is sent.

    `located`: where those of its weights were that are named by their origin.
    """

    model: str
    spec: ModelSpec
    started_at: float
    port: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    located: Found = ()


@dataclass(frozen=True, slots=True)
class SessionsMoved:
    """What saving or restoring came to: the slots, their tokens and bytes, seconds; and what went wrong, for people.

    `given_up`: nothing was tried, for it was without an effect in the last runs of its like. `broken_off`: the server
    has not answered, so that it may be about to end. `not_worth`: why conversations of its like are not saved, for to
    compute them again is cheaper.
    """

    slots: tuple[int, ...] = ()
    tokens: int = 0
    size: int = 0
    seconds: float = 0.0
    problems: tuple[str, ...] = ()
    given_up: bool = False
    broken_off: bool = False
    not_worth: str = ""


class Sessions(Protocol):
    """Saved slots, in a folder for each model. Only `prepare` raises; what else goes wrong is told or logged."""

    def folder(self, model: str) -> Path:
        """Where the files of a model lie."""

    async def prepare(self, model: str) -> None:
        """Have its folder there; OSError when the disk says no."""

    async def save(self, server: SlotServer, limit: int, within: float) -> SessionsMoved:
        """Save what is worth it, within so many seconds; the oldest files beyond `limit` bytes go."""

    async def restore(self, server: SlotServer, within: float) -> SessionsMoved:
        """Give a server back what was saved for its like, within so many seconds. What it refuses is removed."""

    async def slots(self, server: SlotServer) -> tuple[Slot, ...]:
        """What its slots are doing; none where it doesn't say."""

    async def note_effect(self, server: SlotServer, *, of_use: bool) -> bool:
        """Count the runs of its like, one after another, in which what was restored was of no use.

        True where it is given up by that, and what is kept of its like is removed.
        """

    async def sweep(self, models: Collection[str]) -> None:
        """Remove what is kept of any other model."""
