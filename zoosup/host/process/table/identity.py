"""Who a process is, so that a pid used anew is never taken for the process that had it before.

Knows the boot session and the start time that the kernel keeps. Refuses to use `psutil.create_time()`: it is derived
from the wall clock and moves with it, of macOS since psutil 7.1; the raw start ticks of /proc/pid/stat do not.
"""

import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Identity:
    """One process for all time: a pid, when it started, and in which boot of the host.

    `start` is in clock ticks since boot on Linux, in microseconds since the epoch elsewhere; it is only ever
    compared. The executable is no part of it: a wrapper that execs its server stays the same process.
    """

    pid: int
    start: int
    boot: str

    def __str__(self) -> str:
        """The identity as a record keeps it; `parsed` reads it back."""
        return f"{self.pid}:{self.start}:{self.boot}"

    @classmethod
    def parsed(cls, text: str) -> "Identity":
        """Read what `str` wrote; ValueError for anything else."""
        pid, start, boot = text.split(":", 2)
        return cls(int(pid), int(start), boot)

    def of_this_boot(self) -> bool:
        """Whether the host has not been started again since; without that, no pid means anything."""
        return self.boot == boot_session()


@cache
def boot_session() -> str:
    """An id that the kernel draws at each boot."""
    if sys.platform == "linux":
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    command = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()  # noqa: S603 - fixed


def started(process: psutil.Process) -> int:
    """When it began, in microseconds by the clock of that moment: by what psutil itself knows a process again."""
    _, began = getattr(process, "_ident", (0, None))
    return round((process.create_time() if began is None else began) * 1_000_000)
