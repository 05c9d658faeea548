"""The composition root: adapters, the single writer, the faces, signals. Start-up, main loop and shutdown in order.

Knows every part by name and no policy at all.
"""

import asyncio
import contextlib
import hashlib
import logging
import os
import platform
import resource
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoosup.core.status import Exit
from zoosup.errors import ExitCode, InvalidFileError
from zoosup.host.inspector import HostInspector
from zoosup.host.logs import Logs as LogDirectory
from zoosup.host.memory import RamGauge
from zoosup.host.ports import Content, Host, Logs
from zoosup.host.probe import HttpProber
from zoosup.host.processes import Processes
from zoosup.host.records import RecordDirectory
from zoosup.host.store import StateDirectory
from zoosup.host.watch import ConfigWatch
from zoosup.runtime import following, memento
from zoosup.runtime.adoption import adopt
from zoosup.runtime.board import Board
from zoosup.runtime.desk import Desk, foretell
from zoosup.runtime.journal import Journal
from zoosup.runtime.messages import Leave
from zoosup.runtime.ports import Faces
from zoosup.runtime.reconciler import Reconciler
from zoosup.runtime.telling import JsonLines, TextLines, tell
from zoosup.runtime.zoo import Applied, Clock, Zoo
from zoosup.settings import Settings, unknown_variables
from zoosup.spec.models import StatusSettings
from zoosup.web.server import WebServer

HURRY = 2.0
"""Seconds that a second SIGTERM leaves each model."""

ROTATE_EVERY = 10.0
"""Seconds between looks at the size of the models' logs."""

_log = logging.getLogger("zoosup")


@dataclass(slots=True)
class _ExitLine:
    """Carries exits to a listener that can only be made after the processes it listens to."""

    listener: Callable[[str, Exit], None] | None = None

    def __call__(self, run_id: str, end: Exit) -> None:
        if self.listener is not None:
            self.listener(run_id, end)


def run(settings: Settings) -> int:
    """Supervise until SIGTERM; the exit code. ZoosupError for whatever keeps it from starting."""
    _log_to_stderr(settings)
    path = settings.zoo_file().absolute()
    for warning in unknown_variables(os.environ):
        _log.warning("%s", warning)
    _allow_many_descriptors()
    store = StateDirectory(settings.state_directory)
    store.lock()
    try:
        return asyncio.run(_supervise(settings, path, store, _environment()))
    finally:
        store.close()


def _allow_many_descriptors() -> None:
    """As many as we may have: each process that is watched or ended costs one, and the usual 1024 is for desktops."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # macOS refuses its own "infinity"
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _environment() -> dict[str, str]:
    """What models inherit: ours, with our interpreter's directory last on PATH, for a host that has no other python."""
    path = os.environ.get("PATH", os.defpath)
    return dict(os.environ) | {"PATH": f"{path}{os.pathsep}{Path(sys.executable).parent}"}


def plan_offline(text: str, path: str, settings: Settings) -> Mapping[str, Any]:
    """What a supervisor would do first with this file on this host, where nothing of ours runs yet.

    InvalidFileError when the text is not valid.
    """
    del settings

    environ = _environment()

    async def ask() -> Mapping[str, Any]:
        message = await following.read(Content(text), path, environ)
        if message.spec is None:
            raise InvalidFileError(message.error)
        zoo = _empty_zoo(path, Journal(limit=1), instance="")
        zoo.take_over(message.spec, text)
        zoo.sample(RamGauge().read())
        return await foretell(zoo, HostInspector(), environ)

    return asyncio.run(ask())


async def _supervise(
    settings: Settings, path: Path, store: StateDirectory, environ: Mapping[str, str]
) -> int:
    mark = hashlib.sha256(os.fsencode(store.path.resolve())).hexdigest()[:8] + "-"
    zoo = _empty_zoo(str(path), Journal(sink=tell), settings.instance, mark)
    config = ConfigWatch(path)
    await _begin_with_the_file(zoo, config, store, environ)
    exits = _ExitLine()
    async with _host(zoo, config, store, exits) as host:
        board = Board()
        reconciler = Reconciler(host, zoo, board, memento.Keeper(store), environ)
        exits.listener = reconciler.exited
        desk = Desk(reconciler, host, board, str(path), environ)
        web = WebServer(Faces(board, zoo.journal, desk, host.logs), control=store.socket)
        await web.start(settings.listen(zoo.spec.status.listen), _token(zoo.spec.status))
        try:
            await adopt(zoo, host, environ)
            _obey_signals(reconciler, config, keep=settings.on_exit == "keep")
            _log.info("zoosup supervises %s; status on %s", path, web.address or store.socket)
            async with _beside(
                following.follow(config, str(path), environ, reconciler.post),
                _keep_logs_short(host.logs),
                _keep_the_address(zoo, settings, web, board),
            ):
                await reconciler.run()
        finally:
            await web.stop()
    return _farewell(zoo)


def _farewell(zoo: Zoo) -> int:
    if not zoo.shutdown:
        return ExitCode.DONE
    left = [f"{model.name}: {run.stuck}" for model, run in zoo.live()]
    for line in left:
        _log.error("left behind, for SIGKILL did not end it: %s", line)
    return ExitCode.FAILED if left else ExitCode.DONE


def _empty_zoo(path: str, journal: Journal, instance: str, mark: str = "") -> Zoo:
    clock = Clock(now=time.monotonic, wall=time.time)
    return Zoo(platform.node() or "localhost", instance, mark, clock, journal, Applied(path))


async def _begin_with_the_file(
    zoo: Zoo, config: ConfigWatch, store: StateDirectory, environ: Mapping[str, str]
) -> None:
    """Put the file in force, or the last good one where it is broken; with neither there is nothing to supervise."""
    state = store.load()
    for note in store.notes:
        _log.warning("%s", note)
    path = zoo.applied.path
    message = await following.read(await config.read(), path, environ)
    error = message.error
    if message.spec is None:
        kept = memento.last_good(state, path)
        message = await following.read(Content(kept or None, error), path, environ)
    if message.spec is None:
        raise InvalidFileError(error)
    zoo.take_over(message.spec, message.text)
    if error:
        zoo.refuse(error)
    memento.recall(zoo, state)


@contextlib.asynccontextmanager
async def _host(
    zoo: Zoo, config: ConfigWatch, store: StateDirectory, exits: _ExitLine
) -> AsyncIterator[Host]:
    processes = Processes(exits)
    prober = HttpProber()
    records = RecordDirectory(store.path / "runs")
    records.open()
    try:
        yield Host(
            node=zoo.node,
            processes=processes,
            gauge=RamGauge(),
            prober=prober,
            inspector=HostInspector(),
            logs=LogDirectory(store.logs),
            store=store,
            records=records,
            config=config,
        )
    finally:
        await prober.close()
        await processes.close()
        records.close()


def _obey_signals(reconciler: Reconciler, config: ConfigWatch, *, keep: bool) -> None:
    loop = asyncio.get_running_loop()
    asked = False

    def leave() -> None:
        nonlocal asked
        reconciler.post(Leave(HURRY if asked else None, keep=keep))
        asked = True

    loop.add_signal_handler(signal.SIGTERM, leave)
    loop.add_signal_handler(signal.SIGINT, leave)
    loop.add_signal_handler(signal.SIGHUP, config.look)


@contextlib.asynccontextmanager
async def _beside(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Let these go on while the body runs; they end with it."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _keep_logs_short(logs: Logs) -> None:
    while True:
        await asyncio.sleep(ROTATE_EVERY)
        with contextlib.suppress(OSError):
            await logs.rotate()


async def _keep_the_address(zoo: Zoo, settings: Settings, web: WebServer, board: Board) -> None:
    """Follow `status` of the file: a new address or token costs no process."""
    known, version = zoo.spec.status, board.version
    while True:
        version = await board.newer(version)
        if zoo.spec.status == known:
            continue
        known = zoo.spec.status
        web.set_token(_token(known))
        try:
            await web.rebind(settings.listen(known.listen))
        except Exception as error:  # noqa: BLE001 - whatever it is, the models are not to suffer
            zoo.journal.add("Refused", None, "StatusListen", str(error))


def _token(status: StatusSettings) -> str | None:
    return None if status.token is None else status.token.get_secret_value()


def _log_to_stderr(settings: Settings) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if settings.log_format == "json" else TextLines())
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    logging.getLogger("aiohttp").setLevel(logging.WARNING)
