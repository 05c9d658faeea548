"""Starts processes that can outlive us: in sessions of their own, writing to files, with nothing of ours.

Knows both ways to a process, and their errors. Refuses to wait for the child, and to let anybody else do so: who
reaps it is decided in `processes`.
"""

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from zoosup.core.state.phases import ExitReason
from zoosup.host.ports.host import SpawnError
from zoosup.host.ports.launch import Launch
from zoosup.host.process.posix_spawn import can_spawn, spawn
from zoosup.host.system.shortage import OUR_WANT

OOM_SCORE_ADJ = 500
"""Half of the scale: the kernel takes a model before zoosup and the host's own services."""

_UMASK = 0o022  # as systemd gives to services; ours is stricter, for the state directory
_PASSING = {
    errno.EAGAIN,
    errno.EINTR,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.ENOSPC,
    errno.ESTALE,
    errno.ETXTBSY,
}
_ADVICE = {
    errno.E2BIG: "arguments and environment together are too long",
    errno.EAGAIN: "no further process is allowed at present (ulimit -u, or the container's pids limit)",
    errno.EMFILE: "zoosup has no file descriptor left (ulimit -n)",
    errno.ENOEXEC: "not a program: a script needs a first line such as #!/bin/sh",
    errno.ETXTBSY: "the file is being written",
}

# With its vfork the whole program stands still until the child has done its exec, because CPython keeps the GIL; an
# executable on a dead NFS mount would stop the loop for good. Its fork is for where `posix_spawn` can't be had. The
# switch is documented at the end of the manual page of subprocess.
vars(subprocess)["_USE_VFORK"] = False


def let_children_hear_signals() -> None:
    """Replace ignored signals (nohup, a shell's background jobs) by handlers that do nothing.

    exec passes ignored signals on, and a child that ignores SIGTERM from birth would always be killed;
    handlers it resets. Ignoring SIGCHLD would make the kernel reap our children. Only the main thread may do
    this.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for signum in (
        signal.SIGHUP,
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGTERM,
        signal.SIGUSR1,
        signal.SIGUSR2,
    ):
        if signal.getsignal(signum) is signal.SIG_IGN:
            signal.signal(signum, lambda *_: None)
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def start(launch: Launch, prepare: Callable[[int], None] = lambda _: None) -> int:
    """Start it and return the pid once the exec has succeeded and it is prepared; raises SpawnError.

    Blocks for as long as the disk does. Nobody reaps the child by itself afterwards. No PR_SET_PDEATHSIG: it
    fires when the forking thread dies, and a model is to outlive zoosup.
    """
    output = _open_log(launch.log)
    try:
        pid = (_spawn if can_spawn() else _fork)(launch, output)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise _explain(error, launch) from error
    finally:
        os.close(output)
    prepare(pid)
    _offer_to_oom_killer(pid)
    return pid


def _spawn(launch: Launch, output: int) -> int:
    return spawn(launch.argv, launch.env, launch.cwd, output, _UMASK)


def _fork(launch: Launch, output: int) -> int:
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # of this thread, and so of the child
    process = subprocess.Popen(  # noqa: S603 - the argv is the user's own, and no shell sees it
        launch.argv,
        env=dict(launch.env),
        cwd=launch.cwd,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        umask=_UMASK,
    )
    process.returncode = 0  # makes Popen believe it has been reaped, so that it won't do it behind our back
    return process.pid


def _open_log(log: Path) -> int:
    try:
        return os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    except OSError as error:
        message = f"can't open the log {log}: {error.strerror}"
        raise SpawnError(ExitReason.ERROR, message, ours=error.errno in OUR_WANT) from error


def _explain(error: Exception, launch: Launch) -> SpawnError:
    """Say what a person has to change; what passes by itself is an ordinary error, tried again later."""
    if not isinstance(error, OSError) or error.errno is None:
        return SpawnError(ExitReason.NOT_EXECUTABLE, f"can't run {launch.argv[0]!r}: {error}")
    reason = ExitReason.ERROR if error.errno in _PASSING else ExitReason.NOT_EXECUTABLE
    if launch.cwd is not None and error.filename == launch.cwd:
        return SpawnError(reason, f"can't change to the working directory {launch.cwd}: {error.strerror}")
    detail = _ADVICE.get(error.errno) or error.strerror
    if error.errno == errno.ENOENT and "/" not in launch.argv[0]:
        detail = f"not found in PATH ({launch.env.get('PATH', os.defpath)})"
    elif error.errno == errno.ENOENT and Path(launch.cwd or ".", launch.argv[0]).exists():
        detail = "the interpreter or loader that it names does not exist"
    return SpawnError(reason, f"can't run {launch.argv[0]}: {detail}", ours=error.errno in OUR_WANT)


def _offer_to_oom_killer(pid: int) -> None:
    """Children inherit the score from here on; one forked in the instant after exec has ours."""
    if sys.platform == "linux":
        with suppress(OSError, ValueError):
            score = Path(f"/proc/{pid}/oom_score_adj")
            score.write_text(str(max(OOM_SCORE_ADJ, int(score.read_text("ascii")))), "ascii")
