"""One file of the configuration as text, or in words why there is none.

Refuses to know which file it is, and what the text means.
"""

import errno
import os
import stat
from pathlib import Path

LIMIT = 1 << 20
"""Bytes that zoo.yaml, and each file that it includes, may have."""


class UnreadableError(ValueError):
    """A file that can't be taken as text; the message names it."""


def read_text(path: Path) -> str:
    """Its text; blocks, but not on a named pipe. UnreadableError."""
    try:
        data = _read(path)
        if len(data) > LIMIT:  # said first: at the cut a character may be torn
            raise UnreadableError(f"{path} is larger than 1 MiB")
        return data.decode()
    except FileNotFoundError:
        raise UnreadableError(f"{path} is missing") from None
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise UnreadableError(f"{path} is not UTF-8: byte 0x{byte:02x} at offset {error.start}") from None
    except OSError as error:
        raise UnreadableError(f"{path} can't be read: {error.strerror or error}") from None


def _read(path: Path) -> bytes:
    # Not blocking: a named pipe would hold us until somebody writes to it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # of a directory, read() speaks for itself
            raise OSError(errno.EINVAL, "not a regular file")
        data = b""
        while len(data) <= LIMIT and (chunk := os.read(descriptor, LIMIT + 1)):
            data += chunk
    finally:
        os.close(descriptor)
    return data
