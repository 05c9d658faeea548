"""The files of a model's saved slots: their names, who is restored to which slot, and who goes beyond the limit.

`<fingerprint>-<slot>-<mark>.bin`, the mark by which it is seen to be whole; `<fingerprint>-<slot>.new` while it is
written, `.tried` while it is read: what has kept that ending was cut short, or has ended the server that read it. Knows
names, sizes and times; refuses to touch any.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

SAVED, WRITTEN, READ = ".bin", ".new", ".tried"

_NAME = re.compile(r"(?P<fingerprint>[0-9a-f]{16})-(?P<slot>\d{1,6})-(?P<mark>[0-9a-f]{8})\.bin")


@dataclass(frozen=True, slots=True)
class SavedSlot:
    """One file. `size` in bytes, `at` when it was written, in seconds since the epoch."""

    fingerprint: str
    slot: int
    mark: str
    size: int
    at: float

    @property
    def stem(self) -> str:
        """Its name without its ending."""
        return f"{self.fingerprint}-{self.slot}-{self.mark}"


def draft_name(fingerprint: str, slot: int) -> str:
    """What a slot's file is called while it is written."""
    return f"{fingerprint}-{slot}{WRITTEN}"


def saved_slot(name: str, size: int, at: float) -> SavedSlot | None:
    """What a file is by its name; None for one that is none of a saved slot."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    return SavedSlot(found["fingerprint"], int(found["slot"]), found["mark"], size, at)


def beyond(files: Iterable[SavedSlot], limit: int) -> list[SavedSlot]:
    """Those that have to go, so that the newest fit into so many bytes."""
    gone, left = [], limit
    for each in sorted(files, key=lambda each: each.at, reverse=True):
        if each.size > left:
            gone.append(each)
        else:
            left -= each.size
    return gone


def to_restore(
    files: Iterable[SavedSlot], fingerprint: str, slots: Collection[int]
) -> list[tuple[SavedSlot, int]]:
    """What is restored to which slot, the newest first: to its own where there is one, else to a free one."""
    ours = sorted(
        (each for each in files if each.fingerprint == fingerprint), key=lambda each: each.at, reverse=True
    )[: len(slots)]
    free = [slot for slot in slots if slot not in {each.slot for each in ours}]
    return [(each, each.slot if each.slot in slots else free.pop(0)) for each in ours]
