"""Runs a program for what it prints, bounded in time and in output: in a session of its own, all of which ends with it.

Blocking: call it in a thread. Refuses to know what is asked of whom, and to judge what was printed.
"""

import os
import selectors
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from zoosup.host.system.programs.session import end_session, has_ended

LIMIT = 256 * 1024
"""Bytes of either stream after which nothing more is read and the program is ended."""

_PIECE = 65536
_LOOK = 0.02  # seconds between looks at whether it has ended, or is to


@dataclass(frozen=True, slots=True)
class Printed:
    """`code` None: it was ended by us, and `problem` says why."""

    out: str
    err: str
    code: int | None
    problem: str = ""


def run(
    argv: Sequence[str], env: Mapping[str, str], cwd: Path, within: float, given_up: threading.Event
) -> Printed:
    """Run it to its end, for `within` seconds at most, or until it is given up. OSError when it can't be started."""
    process = subprocess.Popen(  # noqa: S603 - without a shell
        argv,
        env=dict(env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    streams = _Streams(process)
    try:
        problem = _followed(process.pid, streams, time.monotonic() + within, within, given_up)
    finally:
        code = end_session(process)
        streams.rest()
        streams.close()
    out, err = (bytes(each).decode(errors="replace") for each in streams.read)
    return Printed(out, err, None if problem else code, problem)


def _followed(pid: int, streams: "_Streams", until: float, within: float, given_up: threading.Event) -> str:
    """Read until it has ended; why it has to be ended first, empty when it need not be."""
    while not has_ended(pid):
        if given_up.is_set():
            return "given up"
        if time.monotonic() > until:
            return f"no answer within {within:g} s"
        if not streams.more():
            return f"more than {LIMIT // 1024} KiB printed"
    return ""


class _Streams:
    """Both pipes: what they held, up to the limit."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None  # noqa: S101 - both were asked for
        assert process.stderr is not None  # noqa: S101
        self._pipes = (process.stdout, process.stderr)
        self.read = (bytearray(), bytearray())
        self._selector = selectors.DefaultSelector()
        for pipe, into in zip(self._pipes, self.read, strict=True):
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe, selectors.EVENT_READ, into)

    def more(self) -> bool:
        """Read what comes next, waiting a little for it; False once there was too much."""
        if not self._selector.get_map():
            time.sleep(_LOOK)
        for key, _ in self._selector.select(_LOOK) if self._selector.get_map() else ():
            piece = os.read(key.fd, _PIECE)
            if not piece:
                self._selector.unregister(key.fileobj)
            key.data.extend(piece[: LIMIT - len(key.data)])
        return all(len(each) < LIMIT for each in self.read)

    def rest(self) -> None:
        """Read what a program that has ended left in the pipes."""
        for pipe, into in zip(self._pipes, self.read, strict=True):
            with suppress(OSError):  # nothing there, and somebody we could not end still has the other end
                while len(into) < LIMIT and (piece := os.read(pipe.fileno(), _PIECE)):
                    into.extend(piece[: LIMIT - len(into)])

    def close(self) -> None:
        """Give the descriptors back."""
        self._selector.close()
        for pipe in self._pipes:
            pipe.close()
