"""One look at all GPUs of AMD and Intel, as `gpu_gauge` asks for it: not for two threads at a time, and it may hang.

Knows how indexes stay what they are while zoosup runs, and what is still known of a card that doesn't answer.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from zoosup.host.memory.drm import amdgpu, intel
from zoosup.host.memory.drm.cards import CLASS, Card, card, minors
from zoosup.host.memory.drm.clients import Clients, Holdings
from zoosup.host.memory.drm.memory import Memory
from zoosup.host.memory.gpu_types import Gpu, GpuLook, GpusUnavailableError

_DUMPS = "sys/class/devcoredump"

_Which = tuple[int, int, int]
"""Which device a name leads to: file system, inode and when that was made."""


@dataclass(slots=True)
class Drm:
    """The cards below `root`, "" for this host's own; a test brings its own tree."""

    root: str = ""
    _known: dict[str, tuple[_Which, Card | None]] = field(default_factory=dict)  # by minor
    _indexes: dict[str, str] = field(default_factory=dict)  # by uuid
    _clients: Clients = field(init=False)

    def __post_init__(self) -> None:
        self._clients = Clients(self.root)

    def look(self) -> GpuLook:
        """All cards; GpusUnavailableError where there has never been one."""
        there = sorted(self._cards(), key=lambda each: each.pci)
        if not there and not self._indexes:
            raise GpusUnavailableError("")
        self._number(there)
        hung = self._hung()
        self._clients.look()
        found = [
            self._gpu(each, hung.get(os.path.realpath(each.directory), "") if hung else "") for each in there
        ]
        gpus = tuple(each for each in found if isinstance(each, Gpu))
        troubles = [f"{gpu.name}: {gpu.trouble}" for gpu in gpus if gpu.trouble]
        return GpuLook(gpus, tuple(each for each in found if isinstance(each, str)), "; ".join(troubles))

    def close(self) -> None:
        """There is no session to end: each look finds out by itself what has changed."""

    def _cards(self) -> Iterator[Card]:
        """What doesn't change is read once, and again where a name has come to mean another card.

        In a container that was handed none of a card's files /sys shows it nevertheless: nobody here can use it.
        """
        for minor in minors(self.root):
            with suppress(OSError):  # it is just going away
                known = self._card(minor)
                if known is not None and os.access(f"{self.root}{known.render_node}", os.F_OK):
                    yield known

    def _card(self, minor: str) -> Card | None:
        there = os.stat(f"{self.root}/{CLASS}/{minor}/device")  # noqa: PTH116 - a third of pathlib's time
        which = there.st_dev, there.st_ino, there.st_ctime_ns
        if self._known.get(minor, ((0, 0, 0),))[0] != which:
            self._known[minor] = which, card(self.root, minor)
        return self._known[minor][1]

    def _number(self, there: list[Card]) -> None:
        """Each make counts its own, by PCI address; who has an index keeps it."""
        for each in there:
            if each.uuid not in self._indexes:
                taken = sum(index.startswith(each.make) for index in self._indexes.values())
                self._indexes[each.uuid] = f"{each.make}{taken}"

    def _gpu(self, card: Card, hung: str) -> Gpu | str | None:
        """It; only its name where it has no memory of its own and nothing says how much it may take."""
        try:
            memory = amdgpu.memory(card.directory) if card.driver == "amdgpu" else intel.memory(card)
        except (OSError, ValueError) as error:
            return self._said(card, Memory(0, None, ()), None, _why(error))
        if memory is None:
            return card.model
        held = self._clients.held(card.pci, card.nodes, memory.regions)
        return self._said(card, memory, held, hung or self._closed(card))

    def _closed(self, card: Card) -> str:
        """Why no server can use a card that is there, as far as this can be told: it then computes on the CPU."""
        if os.access(f"{self.root}{card.render_node}", os.R_OK | os.W_OK):
            return ""
        return f"{card.render_node} may not be opened: its group, often render, is for users of GPUs"

    def _said(self, card: Card, memory: Memory, held: Holdings | None, trouble: str) -> Gpu:
        index = self._indexes[card.uuid]
        return Gpu(
            uuid=card.uuid,
            index=index,
            name=f"GPU {index} {card.model}",
            total=memory.total,
            available=_available(memory, held),
            processes=held,
            trouble=trouble,
            device=f"{card.ids}, driver {card.driver}",
            make=card.make,
            pci=card.pci,
            render_node=card.render_node,
            unified=memory.unified,
            source=card.driver,
        )

    def _hung(self) -> Mapping[str, str]:
        """Of devices that have hung and were reset: where the driver has written down how. Kept for some minutes."""
        found = {}
        with suppress(OSError):
            for dump in sorted(Path(f"{self.root}/{_DUMPS}").iterdir()):
                device = os.path.realpath(dump / "failing_device")
                found[device] = f"it hung and was reset; /{_DUMPS}/{dump.name}/data tells how"
        return found


def _available(memory: Memory, held: Holdings | None) -> int | None:
    """What nobody uses; None where neither the driver nor any process tells what is used."""
    if memory.used is not None:
        return max(0, memory.total - memory.used)
    return None if held is None else max(0, memory.total - sum(size or 0 for size in held.values()))


def _why(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
