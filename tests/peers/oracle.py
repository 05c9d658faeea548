"""Who lives, by the operating system's word alone: no supervisor is asked.

A program of the cases never leaves its working directory, whatever else it leaves (group, session, parent,
environment), so that a process belongs to a program when it stands in the program's folder. Knows only that.
"""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

DEADLINE = 60.0
"""Seconds after which a wait is given up: a guard against hanging, not a figure to meet."""


def living(folder: Path) -> list[psutil.Process]:
    """The processes that stand in a folder or below it; zombies and we ourselves do not count."""
    top, found = folder.resolve(), []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(top):
                found.append(process)
    return [process for process in found if process.pid != os.getpid()]


def lives(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def noted(place: Path, role: str = "leader") -> int | None:
    """The pid that a program of tests/host/misbehaving_programs.py has noted for a role."""
    with suppress(FileNotFoundError):
        return int((place / role).read_text())
    return None


def wait(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited in vain for {what}")
        time.sleep(0.02)


def wait_leader(place: Path) -> int:
    """Wait until a program's leader has noted itself and lives; its pid."""
    wait(lambda: (pid := noted(place)) is not None and lives(pid), f"a leader in {place}")
    pid = noted(place)
    assert pid is not None
    return pid


def sweep(folder: Path) -> None:
    """End whatever still stands in a folder, more than once since it may be forking."""
    for _ in range(5):
        if not (left := living(folder)):
            return
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=1)
