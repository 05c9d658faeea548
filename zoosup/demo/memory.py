"""The memory that a demonstration model holds: anonymous pages, really touched, given back piece by piece.

Knows how much it holds; refuses to know why.
"""

import asyncio
import mmap

PIECE = 8 * 1024 * 1024


class Memory:
    """Memory that is resident, as weights copied into RAM are."""

    def __init__(self, size: int) -> None:
        """Promise `size` bytes; nothing is held before `load`."""
        self.size = size
        self._pieces: list[mmap.mmap] = []

    @property
    def held(self) -> int:
        """The bytes that are resident now."""
        return sum(map(len, self._pieces))

    async def load(self, seconds: float) -> None:
        """Take hold of the memory evenly over a time, in seconds, as a server reading its weights does."""
        sizes = [min(PIECE, self.size - start) for start in range(0, self.size, PIECE)]
        for size in sizes:
            self._pieces.append(_resident(size))
            await asyncio.sleep(seconds / len(sizes))
        await asyncio.sleep(0 if sizes else seconds)

    async def release(self, seconds: float) -> None:
        """Give the memory back evenly over a time, in seconds."""
        count = len(self._pieces)
        while self._pieces:
            await asyncio.sleep(seconds / count)
            self._pieces.pop().close()
        await asyncio.sleep(0 if count else seconds)


def _resident(size: int) -> mmap.mmap:
    # Private: Python's anonymous mmap is shared by default, which is counted, and freed, as shared memory.
    piece = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANON)
    for offset in range(0, size, mmap.PAGESIZE):
        piece[offset] = 1
    return piece
