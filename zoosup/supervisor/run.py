"""`zoosup run` as a process: prepared, locked, given an event loop, and executed anew where that was asked for.

Knows what is set once for a whole process. What a supervisor does stands in `main_loop`.
"""

import asyncio
import faulthandler
import gc
import logging
import os
import sys
from pathlib import Path

import uvloop

from zoosup.errors import UsageError
from zoosup.host.storage.state_dir import StateDirectory
from zoosup.host.system import descriptors, directory, early_signals, malloc, own_program
from zoosup.host.system.listen_fds import HandedSockets
from zoosup.runtime.events.log_sink import JsonLines, TextLines
from zoosup.runtime.events.own_thread_lines import OwnThreadLines
from zoosup.supervisor.main_loop import supervise
from zoosup.supervisor.settings import Settings, unknown_variables

_log = logging.getLogger("zoosup")


def run(settings: Settings) -> int:
    """Supervise until SIGTERM; the exit code. ZoosupError for whatever keeps it from starting."""
    _log_to_stderr(settings)
    path = directory.absolute(settings.zoo_file())
    if not path.is_absolute():
        raise UsageError(f"{path}: the directory that this is run in is gone, expected a whole path")
    for warning in unknown_variables(os.environ):
        _log.warning("%s", warning)
    _prepare_process()
    handed = HandedSockets(os.environ)
    store = StateDirectory(settings.state_directory)
    store.lock()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            code = runner.run(_supervise(settings, path, store, handed))
    finally:
        store.close()
    if code is None:
        # The models stay our children, so that not even their exit codes are lost in an upgrade.
        descriptors.restore_limit()
        argv = own_program.words()
        os.execve(argv[0], argv, {**os.environ, **handed.hand_on()})  # noqa: S606 - what we were started as
    return code


async def _supervise(
    settings: Settings, path: Path, store: StateDirectory, handed: HandedSockets
) -> int | None:
    code = await supervise(settings, path, store, handed)
    if code is None:
        early_signals.hold_back()  # while the loop still obeys them
    return code


def _log_to_stderr(settings: Settings) -> None:
    lines = JsonLines() if settings.log_format == "json" else TextLines()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(lines)
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    _log_access(lines)
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    logging.getLogger("aiohttp").setLevel(logging.WARNING)


def _log_access(lines: logging.Formatter) -> None:
    """To the same place, but by a way of its own: so many lines must not hold up the loop's."""
    access = logging.getLogger("zoosup.access")
    access.handlers, access.propagate = [], False
    access.setLevel(logging.INFO)  # whoever asks for it in zoo.yaml wants it
    if sys.__stderr__ is not None:  # it was not closed: its number would be another file's
        access.addHandler(OwnThreadLines(sys.__stderr__.fileno()))
        access.handlers[0].setFormatter(lines)


def _prepare_process() -> None:
    faulthandler.enable()  # a watchdog's SIGABRT then leaves a traceback
    descriptors.raise_limit()
    malloc.use_one_heap()
    # What was imported is left out of every later collection of garbage: each would stop passes and clients for it.
    gc.collect()
    gc.freeze()
