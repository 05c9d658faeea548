"""One reader at the end of a file that others append to, cut and replace. Refuses to wait: `model_logs` does."""

import os
import threading
from pathlib import Path

_CHUNK = 64 << 10


class Tail:
    """Reads what is new at each call; every method may block on the disk, and any thread may call it.

    A cut is seen by the file having become shorter than what was read. One that has grown beyond that again
    since the last call can't be told from an ordinary one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._position = 0
        self._closed = False
        self._lock = threading.Lock()  # closing must not take the descriptor from under a read

    def open_at_end(self) -> int:
        """Begin at the end of what is there, so many bytes; a file that is not there yet is read from its beginning."""
        with self._lock:
            if self._open():
                self._position = self._size()
            return self._position

    def read(self) -> bytes:
        """Return the next bytes, at most 64 KiB; b"" when there are none for now."""
        with self._lock:
            if self._closed or (self._descriptor is None and not self._open()):
                return b""
            if chunk := self._next():
                return chunk
            if self._replaced():  # and read to its end, so nothing of the old one is missed
                self._release()
                if self._open():
                    return self._next()
            return b""

    def close(self) -> None:
        """Give the descriptor back, now or when the read under way has ended."""
        with self._lock:
            self._closed = True
            self._release()

    def _next(self) -> bytes:
        assert self._descriptor is not None  # noqa: S101 - for the type checker
        if self._size() < self._position:
            self._position = 0
        chunk = os.pread(self._descriptor, _CHUNK, self._position)
        self._position += len(chunk)
        return chunk

    def _size(self) -> int:
        return os.fstat(self._descriptor).st_size if self._descriptor is not None else 0

    def _open(self) -> bool:
        if self._closed:
            return False
        try:
            self._descriptor = os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:
            return False
        self._position = 0
        return True

    def _replaced(self) -> bool:
        try:
            return not os.path.samestat(os.stat(self._path), os.fstat(self._descriptor or 0))  # noqa: PTH116
        except FileNotFoundError:
            return False  # being replaced; the new one will be there soon

    def _release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
