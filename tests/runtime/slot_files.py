"""A double of the host's saved slots: notes what it was asked, and answers what it is told to."""

import asyncio
from pathlib import Path

from zoosup.host.ports.sessions import SessionsMoved


class SlotFiles:
    """`takes`: seconds that saving and restoring last; `doing`: what slots are doing, look after look."""

    def __init__(self):
        self.asked = []
        self.saved = SessionsMoved()
        self.restored = SessionsMoved()
        self.takes = 0.0
        self.doing = []
        self.full = False
        self.gives_up = False

    def folder(self, model):
        return Path("/state/sessions", model)

    async def prepare(self, model):
        self.asked.append(("prepare", model))
        if self.full:
            raise OSError(28, "No space left on device")

    async def save(self, server, limit, within):
        self.asked.append(("save", server.model, limit, within))
        await asyncio.sleep(min(self.takes, within))
        return self.saved

    async def restore(self, server, within):
        self.asked.append(("restore", server.model, within))
        await asyncio.sleep(min(self.takes, within))
        return self.restored

    async def slots(self, server):
        return self.doing.pop(0) if self.doing else ()

    async def note_effect(self, server, *, of_use):
        self.asked.append(("effect", server.model, of_use))
        return self.gives_up

    async def sweep(self, models):
        self.asked.append(("sweep", sorted(models)))

    def steps(self):
        """What it was asked, but for clearing up."""
        return [step for step, *_ in self.asked if step != "sweep"]
