"""Runs one command so that nothing it started lives on, and nobody else dies of it.

A mutant may well leave orphans, that is what some are for; and one may kill all that it sees. On Linux that is itself
alone, where the system lets us have a namespace of pids, and we become the parent of every orphan below us, so that
none is missed. Elsewhere orphans are let go.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import psutil

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER, prctl(2)
_APART = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
_AS_PID_1 = (
    "sh",
    "-c",
    '"$@"; exit $?',
    "sh",
)  # which passes no signal on, and would be another process to the tests


class TooLongError(Exception):
    """The command did not end within its time."""


def run(command: Sequence[str], *, cwd: Path, env: Mapping[str, str], limit: float) -> tuple[int, str]:
    """Exit status and output of a command that has at most `limit` seconds; TooLongError when it takes more."""
    _adopt_orphans()
    # A file, not a pipe: an orphan that holds the pipe would keep us waiting for its end.
    output = cwd / "output-of-the-tests"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [*apart(), *command], cwd=cwd, env=env, stdout=file, stderr=file, stdin=subprocess.DEVNULL
        )
    try:
        status = _wait(process.pid, time.monotonic() + limit)
    finally:
        _clear()
    process.returncode = status
    return status, output.read_text(errors="replace")


@cache
def apart() -> tuple[str, ...]:
    """The words before a command that let it see no process but its own; () where the system has none."""
    for words in (_APART, (*_APART, "--user", "--map-current-user")):
        with suppress(OSError, subprocess.CalledProcessError):
            subprocess.run([*words, "true"], check=True, capture_output=True)
            return *words, *_AS_PID_1
    return ()


def _adopt_orphans() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)


def _wait(wanted: int, until: float) -> int:
    """Collect whoever ends, as init would, until it is the one that is wanted."""
    while time.monotonic() < until:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == wanted:
            return os.waitstatus_to_exitcode(status)
        if pid == 0:
            time.sleep(0.02)
    raise TooLongError


def _clear() -> None:
    """Kill what is left, the newest orphans too, and collect it."""
    while left := psutil.Process().children(recursive=True):
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.02)
