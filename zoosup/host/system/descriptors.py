"""How many files may be open: as many as the system allows for zoosup, as many as zoosup was given for models.

A model that inherited a raised limit would meet what it was never written for: select() breaks above 1024, and closing
"all" descriptors takes long. Refuses to know who needs how many.
"""

import contextlib
import resource
import sys

OPEN_MAX = 10_240
"""The most that macOS takes where its hard limit is "infinity", which it refuses; setrlimit(2) there."""

_given: list[tuple[int, int]] = []


def raise_limit() -> None:
    """As many as we may have: each process that is watched or ended costs one, and the usual 1024 is for desktops.

    In a terminal of macOS it is 256, of which a hundred clients would leave none.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for most in (hard, OPEN_MAX):
        if soft < most or most == resource.RLIM_INFINITY:
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
                _given[:] = [(soft, hard)]
                return


def restore_limit() -> None:
    """Have again what we were given, before another program takes this process over."""
    if _given:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, _given.pop())


def limit_child(pid: int) -> None:
    """Give a child that has just been started what we were given; a limit can be set for another on Linux only.

    After its exec, for nothing may run between fork and exec in a process with threads: microseconds later.
    """
    if _given and sys.platform == "linux":
        with contextlib.suppress(OSError, ValueError):  # it has ended, or became another user's
            resource.prlimit(pid, resource.RLIMIT_NOFILE, _given[0])


def allowed() -> int:
    """How many zoosup itself may have open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
