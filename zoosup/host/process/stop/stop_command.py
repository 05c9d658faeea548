"""Runs a model's stop command, such as `docker stop`, beside the model that it is to end.

Knows one command from its start to its end. Refuses to judge it: the ladder goes on whatever comes of it.
"""

import asyncio
import logging
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from zoosup.host.ports.host import SpawnError
from zoosup.host.ports.launch import Launch
from zoosup.host.process.exit_watcher import Watcher
from zoosup.host.process.spawn import start
from zoosup.host.process.stop.signals import send_group
from zoosup.host.process.table.identity import Identity, boot_session
from zoosup.host.process.table.proc_table import Table
from zoosup.host.process.wait_status import describe, reap
from zoosup.host.system.threads import in_own_thread

_log = logging.getLogger(__name__)


async def run_command(
    launch: Launch, watcher: Watcher, table: Table, prepare: Callable[[int], None] = lambda _: None
) -> None:
    """Run it to its end; cancelled, kill its process group. Never raises for what the command does.

    Its output goes to the run's log. It carries the run's id, so that what it leaves is found with the run.
    """
    command = _Command(launch.model, watcher, table)
    spawning = asyncio.ensure_future(in_own_thread(partial(start, launch, prepare)))
    spawning.add_done_callback(command.begun)
    try:
        await asyncio.shield(spawning)
        await command.ended.wait()
    except SpawnError as error:
        _log.warning("stop command of %s: %s", launch.model, error)
    except asyncio.CancelledError:
        command.put_down()
        raise


class _Command:
    """One command's process: it may come to life after it has been given up, and is collected in any case."""

    def __init__(self, model: str, watcher: Watcher, table: Table) -> None:
        self.ended = asyncio.Event()
        self._model = model
        self._watcher = watcher
        self._table = table
        self._unwanted = False
        self._leader: Identity | None = None

    def begun(self, spawning: asyncio.Future[int]) -> None:
        if spawning.cancelled() or spawning.exception() is not None:
            return
        pid = spawning.result()
        with suppress(OSError):  # no identity, no signal: then the ladder ends it with the rest of its run
            if (row := self._table.look(pid)) is not None:
                self._leader = Identity(pid, row.start, boot_session())
        self._watcher.watch(pid, lambda _: self._collect(pid))
        if self._unwanted:
            self.put_down()

    def put_down(self) -> None:
        """Kill the group, while its leader is unreaped; the watch collects it as soon as it is dead."""
        self._unwanted = True
        if self._leader is not None and not self.ended.is_set():
            _log.warning("stop command of %s takes too long and is killed", self._model)
            send_group(self._table, self._leader, signal.SIGKILL)

    def _collect(self, pid: int) -> None:
        code = reap(pid)
        self.ended.set()
        level = logging.INFO if code == 0 else logging.WARNING
        _log.log(level, "stop command of %s %s", self._model, describe(code, 0.0).message)
