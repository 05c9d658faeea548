"""Which processes have a run's log for their output: what a run inherits, whatever becomes of its environment.

Asked once, at adoption: a model that clears its environment (`env -i`, sudo, a wrapper) could else not be known again
by a zoosup whose predecessor died before it could write down the pid. Knows open files. Refuses to count who reads a
log, or writes to it by any other descriptor than standard output and standard error: that may be anybody.
"""

import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import psutil

_OUTPUTS = (1, 2)


def writers(pids: Iterable[int], logs: Mapping[Path, str]) -> dict[int, str]:
    """The run ids of those whose output goes to one of these logs, by pid; our own process is none of them."""
    runs = {os.path.realpath(log): run_id for log, run_id in logs.items()}
    outputs = _outputs_of_proc if sys.platform == "linux" else _outputs_of_psutil
    found = {}
    for pid in pids:
        written = [runs[path] for path in outputs(pid) if path in runs] if runs else []
        if written and pid != os.getpid():
            found[pid] = written[0]
    return found


def write_below(pids: Iterable[int], directory: Path) -> set[int]:
    """Those whose output goes to a file in that directory, by whatever name it has by now."""
    inside = os.path.join(os.path.realpath(directory), "")  # noqa: PTH118 - with its separator at the end
    outputs = _outputs_of_proc if sys.platform == "linux" else _outputs_of_psutil
    return {pid for pid in pids if any(path.startswith(inside) for path in outputs(pid))}


def _outputs_of_proc(pid: int) -> list[str]:
    """By name, not by stat(2), which may hang on somebody's dead file server."""
    paths = []
    for descriptor in _OUTPUTS:
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            paths.append(os.readlink(f"/proc/{pid}/fd/{descriptor}"))  # noqa: PTH115 - a name such as pipe:[7] is no path
    return paths


def _outputs_of_psutil(pid: int) -> list[str]:
    with suppress(psutil.Error, OSError):
        return [file.path for file in psutil.Process(pid).open_files() if file.fd in _OUTPUTS]
    return []
