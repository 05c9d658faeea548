"""zoosup, but it kills itself with SIGKILL at the N-th of the instants that matter.

    python zoosup_with_crash_points.py N POINTS ARMED ARGUMENT…

An instant lies before and after each persist, fork, spawn, signal and reap, and whatever an engine is asked to do to a
container. Instants are counted once the file ARMED
exists; the name of each goes to POINTS as a line of its own, the deadly one included. N 0 never kills, and the name of
an instant kills at the first of that name. Everything else is the installed zoosup.
"""

import inspect
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

from zoosup.cli.main import main
from zoosup.host.container.api_engine import ApiEngine
from zoosup.host.container.client_engine import ClientEngine
from zoosup.host.process import processes
from zoosup.host.process.stop import termination
from zoosup.host.runs.tie import TieFiles
from zoosup.host.storage import run_records, state_dir

DEADLY, POINTS, ARMED = sys.argv[1:4]

SEAMS: tuple[tuple[str, Any, str], ...] = (
    ("write record", run_records.RecordDirectory, "_write"),
    ("remove record", run_records.RecordDirectory, "_remove"),
    ("save state", state_dir, "_replace"),
    ("spawn", processes, "start"),
    ("fork", subprocess, "_fork_exec"),
    ("signal group", termination, "send_group"),
    ("signal", termination, "send"),
    ("reap", processes, "reap"),
    ("keep tie", TieFiles, "keep"),
    ("forget tie", TieFiles, "forget"),
    ("create container", ApiEngine, "create"),
    ("start container", ApiEngine, "start"),
    ("signal container", ApiEngine, "signal"),
    ("signal container", ClientEngine, "signal"),
    ("remove container", ApiEngine, "remove"),
    ("remove container", ClientEngine, "remove"),
)

_lock = threading.Lock()
_passed = 0


def point(name: str) -> None:
    """One instant: the last one, if it is its turn."""
    global _passed  # noqa: PLW0603 - a counter of the whole program
    with _lock:
        if not os.path.exists(ARMED):  # noqa: PTH110 - must cost next to nothing
            return
        _passed += 1
        with open(POINTS, "a") as file:  # noqa: PTH123
            file.write(f"{name}\n")
        if DEADLY in (str(_passed), name):
            os.kill(os.getpid(), signal.SIGKILL)


def around(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """The same call between two instants; what it raises goes on."""

    def instants(*arguments: Any, **keywords: Any) -> Any:
        point(f"before {name}")
        try:
            return call(*arguments, **keywords)
        finally:
            point(f"after {name}")

    async def awaited_instants(*arguments: Any, **keywords: Any) -> Any:
        point(f"before {name}")
        try:
            return await call(*arguments, **keywords)
        finally:
            point(f"after {name}")

    return awaited_instants if inspect.iscoroutinefunction(call) else instants


if __name__ == "__main__":
    for what, owner, attribute in SEAMS:
        setattr(owner, attribute, around(what, getattr(owner, attribute)))
    sys.argv = ["zoosup", *sys.argv[4:]]
    sys.exit(main())
