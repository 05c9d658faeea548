"""A log handler for lines that are many: it has a thread of its own, and leaves room for the lines of everybody else.

Whoever reads zoosup's log may be slow or stuck. The event loop writes its own few lines to the same descriptor, and
would be held up where that is full. Refuses to know what the lines say.
"""

import contextlib
import fcntl
import logging
import os
import socket
import stat
import termios
import time

_LOOK_AGAIN = 0.02
"""Seconds between looks at whether there is room again."""


class _NoLock:
    """What is asked for as a lock, by Python 3.13 and newer with `with`, and never waited for."""

    def acquire(self) -> None:
        """Nobody else has it."""

    def release(self) -> None:
        """Nobody waits for it."""

    def __enter__(self) -> None:
        """Nobody else has it."""

    def __exit__(self, *_: object) -> None:
        """Nobody waits for it."""


class OwnThreadLines(logging.Handler):
    """Writes lines to a descriptor for one thread, which waits while half of what the descriptor holds is unread.

    It shares neither a lock nor a buffer with the handler of all other loggers, and logging's end waits for nothing.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._most = _capacity(descriptor) // 2

    def createLock(self) -> None:  # noqa: N802 - logging's name
        """Have none: a thread that is stuck would keep it."""
        self.lock = _NoLock()  # type: ignore[assignment]  # logging asks no more of it

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; one that nobody can take is lost."""
        data = f"{self.format(record)}\n".encode("utf-8", "backslashreplace")
        with contextlib.suppress(OSError):
            while self._most and _unread(self._descriptor) >= self._most:
                time.sleep(_LOOK_AGAIN)
            while data:
                data = data[os.write(self._descriptor, data) :]


def _capacity(descriptor: int) -> int:
    """Bytes that a pipe or a socket holds before a writer must wait; 0 where that is not known, or never happens."""
    with contextlib.suppress(OSError):
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISFIFO(kind) and hasattr(fcntl, "F_GETPIPE_SZ"):
            return fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ)
        if stat.S_ISSOCK(kind) and hasattr(
            fcntl, "F_GETPIPE_SZ"
        ):  # Linux, where a socket's queue can be asked for
            with socket.socket(fileno=os.dup(descriptor)) as sock:
                return sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    return 0


def _unread(descriptor: int) -> int:
    """Bytes in a pipe or a socket that nobody has read yet."""
    request = termios.FIONREAD if stat.S_ISFIFO(os.fstat(descriptor).st_mode) else termios.TIOCOUTQ
    answer = fcntl.ioctl(descriptor, request, b"\0" * 4)
    return int.from_bytes(answer, "little")
