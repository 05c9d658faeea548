"""A process that has imported what commands import, and is forked for each: all of a new zoosup but its start.

An interpreter that starts and imports takes ten times as long as what most commands do. The server knows no command:
words, environment, directory and descriptors come with each call.
"""

import atexit
import gc
import json
import os
import pkgutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import IO, NoReturn

LARGEST = 1 << 18
"""Bytes of one call."""

READY = b"ready"
"""What the server says when it has imported all."""


def call(
    server: socket.socket,
    words: Sequence[str],
    home: Path,
    env: Mapping[str, str],
    streams: Sequence[IO[bytes]],
) -> socket.socket:
    """Have a command begun with these as stdin, stdout and stderr.

    What is returned tells its pid, then its return code as subprocess has it, each on a line of its own.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        descriptors = [*(each.fileno() for each in streams), theirs.fileno()]
        message = json.dumps({"words": list(words), "home": str(home), "env": dict(env)}).encode()
        socket.send_fds(server, [message], descriptors)
    return ours


def serve(calls: socket.socket) -> None:
    """Until the other side is gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how those ended that wait for commands
    while True:
        message, descriptors, _, _ = socket.recv_fds(calls, LARGEST, 4)
        if not message:
            return
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _wait_for_one(json.loads(message), descriptors)
        for each in descriptors:
            os.close(each)


def _wait_for_one(asked: dict, descriptors: Sequence[int]) -> None:
    """In the server's place, which goes on serving. Returns in the command's own process alone."""
    *streams, report = descriptors
    pid = os.fork()
    if pid == 0:
        _become(asked, streams)
    os.write(report, f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    os.write(report, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _become(asked: dict, streams: Sequence[int]) -> NoReturn:
    """Be what the installed command would be."""
    for target, stream in enumerate(streams):
        os.dup2(stream, target)
    os.closerange(3, 1024)
    os.chdir(asked["home"])
    os.environ.clear()
    os.environ.update(asked["env"])
    time.tzset()
    sys.argv = [str(Path(sys.executable).with_name("zoosup")), *asked["words"]]
    from zoosup.cli.main import main  # noqa: PLC0415 - the script's own words

    try:
        code = main()
    except SystemExit as ended:
        if not isinstance(ended.code, int):
            raise
        code = ended.code
    _end(code)


def _end(code: int) -> NoReturn:
    """As an interpreter ends, but for what it imported: to take that to pieces costs most of all."""
    for each in set(threading.enumerate()) - {threading.current_thread()}:
        if not each.daemon:
            each.join()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _import_commands() -> None:
    from zoosup.cli import commands  # noqa: PLC0415 - by the server, not by those who call it
    from zoosup.cli.light_imports import lightly  # noqa: PLC0415

    for each in pkgutil.iter_modules(commands.__path__, f"{commands.__name__}."):
        import_module(each.name)
    with lightly():
        import_module("zoosup.supervisor.offline")
    gc.freeze()  # no collection of theirs walks through, and so copies, what was imported


if __name__ == "__main__":
    _import_commands()
    with socket.socket(fileno=int(sys.argv[1])) as calls:
        calls.send(READY)
        serve(calls)
