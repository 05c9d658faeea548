"""The end of a model's log, and what comes after it: for whoever reads the files themselves.

A log that was cut lately is continued in its `.1`. Everything here may block on the disk. Refuses to write.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from zoosup.host.storage.tail import Tail

_BLOCK = 64 << 10
_BOUND = 1 << 20  # what is read at most: a progress bar can be one line of megabytes


def copy_of(log: Path) -> Path:
    """Where the part is that was cut off a log."""
    return log.with_name(f"{log.name}.1")


def last_lines(log: Path, lines: int, before: int | None = None) -> bytes:
    """The last lines before a place in the file (None: its end), as they were written, of at most 1 MiB."""
    if lines <= 0:
        return b""
    data = _end(log, lines, _BOUND, before)
    if data.count(b"\n") < lines and len(data) < _BOUND:
        data = _end(copy_of(log), lines, _BOUND - len(data)) + data
    whole = data.removesuffix(b"\n")
    begin = len(whole)
    for _ in range(lines):
        if (begin := whole.rfind(b"\n", 0, begin)) < 0:
            break
    return data[begin + 1 :]


def decoded(data: bytes) -> tuple[str, ...]:
    """Lines without their ends."""
    found = data.removesuffix(b"\n").split(b"\n") if data else []
    return tuple(line.removesuffix(b"\r").decode("utf-8", "replace") for line in found)


def follow(log: Path, lines: int) -> Iterator[bytes]:
    """Yield the last lines, then what is appended, each byte once, across cuts and new runs; b"" for none."""
    tail = Tail(log)
    try:
        end = tail.open_at_end()
        yield last_lines(log, lines, end)
        while True:
            yield tail.read()
    finally:
        tail.close()


def _end(path: Path, lines: int, bound: int, before: int | None = None) -> bytes:
    """The end of a file with at least so many lines, unless it or the bound (bytes) has fewer."""
    data = b""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        position = file.seek(0, os.SEEK_END) if before is None else before
        while position > 0 and data.count(b"\n") <= lines and len(data) < bound:
            step = min(_BLOCK, position, bound - len(data))
            position -= step
            file.seek(position)
            data = file.read(step) + data
    return data
