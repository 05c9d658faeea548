"""`zoosup run` as a process: prepared, locked, given an event loop, and executed anew where that was asked for.

Knows what is set once for a whole process. What a supervisor does stands in `main_loop`.
"""

import asyncio
import faulthandler
import gc
import logging
import os
import sys

import uvloop

from zoosup.host.storage.state_dir import StateDirectory
from zoosup.host.system import descriptors, malloc
from zoosup.runtime.events.log_sink import JsonLines, TextLines
from zoosup.settings import Settings, unknown_variables
from zoosup.supervisor.main_loop import supervise

_log = logging.getLogger("zoosup")


def run(settings: Settings) -> int:
    """Supervise until SIGTERM; the exit code. ZoosupError for whatever keeps it from starting."""
    _log_to_stderr(settings)
    path = settings.zoo_file().absolute()
    for warning in unknown_variables(os.environ):
        _log.warning("%s", warning)
    _prepare_process()
    store = StateDirectory(settings.state_directory)
    store.lock()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            code = runner.run(supervise(settings, path, store))
    finally:
        store.close()
    if code is None:
        # The models stay our children, so that not even their exit codes are lost in an upgrade.
        descriptors.restore_limit()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - what we were started as
    return code


def _log_to_stderr(settings: Settings) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if settings.log_format == "json" else TextLines())
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    logging.getLogger("aiohttp").setLevel(logging.WARNING)


def _prepare_process() -> None:
    faulthandler.enable()  # a watchdog's SIGABRT then leaves a traceback
    descriptors.raise_limit()
    malloc.use_one_heap()
    # What was imported is left out of every later collection of garbage: each would stop passes and clients for it.
    gc.collect()
    gc.freeze()
