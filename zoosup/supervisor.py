"""The composition root: adapters, the single writer, the faces, signals. Start-up, main loop and shutdown in order.

Knows every part by name and no policy at all.
"""

import asyncio
import contextlib
import faulthandler
import gc
import hashlib
import logging
import os
import platform
import resource
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import uvloop

from zoosup.core.state.runs import Exit
from zoosup.core.state.weights import WeightFacts
from zoosup.errors import ExitCode, InvalidFileError, LockedError, ZoosupError
from zoosup.host.config.file_watcher import ConfigWatch
from zoosup.host.memory.gauge import HostGauge
from zoosup.host.memory.gpu_gauge import GpuGauge
from zoosup.host.memory.ram import RamGauge
from zoosup.host.ports import Content, Host, Logs
from zoosup.host.preflight.inspector import HostInspector
from zoosup.host.preflight.llama_fit_params import PATIENCE, WITHIN, FitParams
from zoosup.host.probes import port_owner
from zoosup.host.probes.prober import HttpProber
from zoosup.host.process.processes import Processes
from zoosup.host.storage.journal_writer import JournalWriter
from zoosup.host.storage.model_logs import ModelLogs as LogDirectory
from zoosup.host.storage.run_records import RecordDirectory
from zoosup.host.storage.state_dir import StateDirectory
from zoosup.host.system import malloc
from zoosup.host.system.sd_notify import InitSystem, without_init_variables
from zoosup.host.threads import ready_made
from zoosup.host.weights.page_cache import PageWarmer
from zoosup.host.weights.reader import WeightReader
from zoosup.runtime.api import RuntimeApi
from zoosup.runtime.clock import Clock
from zoosup.runtime.commands import CommandHandler, foretell
from zoosup.runtime.events.journal import Journal
from zoosup.runtime.events.log_sink import JsonLines, TextLines, tell
from zoosup.runtime.events.publisher import Publisher
from zoosup.runtime.loop.reconciler import Reconciler
from zoosup.runtime.persistence import saved_state
from zoosup.runtime.publish.init_status import InitStatus, taking_over
from zoosup.runtime.startup import config_source
from zoosup.runtime.startup.adoption import adopt
from zoosup.runtime.startup.resume import begin, catch_up
from zoosup.runtime.state.inbox import FileRead, Leave, Message
from zoosup.runtime.state.zoo import Applied, Zoo
from zoosup.settings import Settings, unknown_variables
from zoosup.spec.model.gateway import StatusSpec
from zoosup.spec.model.model import ModelSpec
from zoosup.web.api.server import WebServer
from zoosup.web.gateway.reload import GatewayKeeper
from zoosup.web.gateway.server import Gateway

HURRY = 2.0
"""Seconds that a second SIGTERM leaves each model."""

HOLD_EVERY = 2.0
"""Seconds between looks at whether the lock is still where others would meet it."""

ROTATE_EVERY = 10.0
"""Seconds between looks at the size of the models' logs."""

GIVE_BACK_EVERY = 10.0
"""Seconds between returns of memory that was freed: longer than a burst of large bodies, which would want it again."""

FAREWELL = 3.0
"""Seconds that answers of the gateway may still take once the models have ended, or are left to the next zoosup."""

FIRST_LOOK = 5.0
"""Seconds that a start-up waits for the GPUs to be listed: NVML takes its time where nothing keeps the driver awake."""

_log = logging.getLogger("zoosup")

_Work: TypeAlias = Coroutine[Any, Any, None]


@dataclass(slots=True)
class _ExitLine:
    """Carries exits to a listener that can only be made after the processes it listens to."""

    _listener: Callable[[str, Exit], None] | None = None
    _missed: list[tuple[str, Exit]] = field(default_factory=list)

    def __call__(self, run_id: str, end: Exit) -> None:
        if self._listener is None:
            self._missed.append((run_id, end))
        else:
            self._listener(run_id, end)

    def connect(self, listener: Callable[[str, Exit], None]) -> None:
        """From now on, and first of all what came before."""
        self._listener = listener
        while self._missed:
            listener(*self._missed.pop(0))


def run(settings: Settings) -> int:
    """Supervise until SIGTERM; the exit code. ZoosupError for whatever keeps it from starting."""
    _log_to_stderr(settings)
    path = settings.zoo_file().absolute()
    for warning in unknown_variables(os.environ):
        _log.warning("%s", warning)
    faulthandler.enable()  # a watchdog's SIGABRT then leaves a traceback
    _allow_many_descriptors()
    malloc.use_one_heap()
    _settle()
    store = StateDirectory(settings.state_directory)
    store.lock()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            code = runner.run(_supervise(settings, path, store, _environment()))
    finally:
        store.close()
    if code is None:
        # The models stay our children, so that not even their exit codes are lost in an upgrade.
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - what we were started as
    return code


def _allow_many_descriptors() -> None:
    """As many as we may have: each process that is watched or ended costs one, and the usual 1024 is for desktops."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # macOS refuses its own "infinity"
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _settle() -> None:
    """Leave what was imported out of every later collection of garbage: each would stop passes and clients for it."""
    gc.collect()
    gc.freeze()


def _environment() -> dict[str, str]:
    """What models inherit: ours, with our interpreter's directory last on PATH, for a host that has no other python."""
    path = os.environ.get("PATH", os.defpath)
    return without_init_variables(os.environ) | {"PATH": f"{path}{os.pathsep}{Path(sys.executable).parent}"}


def plan_offline(text: str, path: str, settings: Settings) -> Mapping[str, Any]:
    """What a supervisor would do first with this file on this host, where nothing of ours runs yet.

    InvalidFileError when the text is not valid.
    """
    del settings

    environ = _environment()

    async def ask() -> Mapping[str, Any]:
        message = await config_source.read(Content(text), path, environ)
        if message.spec is None:
            raise InvalidFileError(message.error)
        zoo = _empty_zoo(path, Journal(limit=1), instance="")
        zoo.take_over(message.spec, text)
        async with _gauge() as gauge, _inspector(gauge, patience=WITHIN) as inspector:
            zoo.sample(gauge.read())
            return await foretell(zoo, inspector, environ)

    return asyncio.run(ask())


def weights_offline(spec: ModelSpec) -> WeightFacts:
    """What a supervisor would come to know of a model's weights on this host, however long llama.cpp's answer takes."""
    environ = _environment() | dict(spec.env)

    async def look() -> WeightFacts:
        async with _gauge() as gauge, _inspector(gauge, patience=WITHIN) as inspector:
            return await inspector.weights(spec, environ)

    return asyncio.run(look())


async def _supervise(
    settings: Settings, path: Path, store: StateDirectory, environ: Mapping[str, str]
) -> int | None:
    """The exit code; None when zoosup is to be executed anew."""
    asyncio.get_running_loop().set_default_executor(ready_made())
    journal = Journal(sink=tell, archive=JournalWriter(store.path / "journal.db"))
    await journal.open()
    init = InitSystem(os.environ)
    try:
        zoo = _empty_zoo(str(path), journal, settings.instance, _mark(store))
        config = ConfigWatch(path)
        edit = await _begin_with_the_file(zoo, config, store, environ)
        exits = _ExitLine()
        async with _host(zoo, config, store, exits) as host, _beside() as beside:
            again = await _keep_it_so(_Charge(settings, zoo, host, store, init, environ, edit), exits, beside)
        return None if again else _farewell(zoo)
    finally:
        init.close()
        await journal.close()


@dataclass(frozen=True, slots=True)
class _Charge:
    """What one supervisor is in charge of, and what it was told."""

    settings: Settings
    zoo: Zoo
    host: Host
    store: StateDirectory
    init: InitSystem
    environ: Mapping[str, str]
    edit: FileRead | None  # of the file, made while no zoosup watched


async def _keep_it_so(charge: _Charge, exits: _ExitLine, beside: Callable[[_Work], None]) -> bool:
    """Supervise until it is over; whether zoosup is to be executed anew."""
    zoo, host, settings, path = charge.zoo, charge.host, charge.settings, charge.zoo.applied.path
    publisher = Publisher()
    reconciler = Reconciler(host, zoo, publisher, saved_state.StateSaver(charge.store), charge.environ)
    commands = CommandHandler(reconciler, host, publisher, path, charge.environ)
    init_status = InitStatus(charge.init, publisher, reconciler.heartbeat)
    asked_to_reload = asyncio.Event()
    _obey_signals(reconciler.post, asked_to_reload.set, settings)
    async with taking_over(charge.init):
        await adopt(zoo, host, charge.environ)
    catch_up(zoo, charge.edit)
    exits.connect(reconciler.exited)
    gateway = Gateway(reconciler.leases)
    keeper = GatewayKeeper(gateway, zoo, settings.gateway, reconciler.wake)
    runtime = RuntimeApi(publisher, zoo.journal, commands, host.logs, gateway.counters)
    web = WebServer(runtime, control=charge.store.socket)
    await web.start(settings.listen(zoo.spec.status.listen), _token(zoo.spec.status))
    try:
        await keeper.begin()
        where = web.address or charge.store.socket
        _log.info(
            "zoosup supervises %s; gateway on %s, status on %s", path, gateway.address or "nothing", where
        )
        beside(keeper.keep(publisher))
        beside(config_source.follow(host.config, path, charge.environ, reconciler.post))
        beside(_keep_logs_short(host.logs))
        beside(_give_memory_back())
        beside(_keep_the_lock(charge.store, reconciler.post))
        beside(_keep_the_address(zoo, settings, web, publisher))
        beside(_reload_when_asked(asked_to_reload, lambda: init_status.reload(commands.reload)))
        beside(init_status.announce())
        beside(init_status.pulse())
        await reconciler.run()
    finally:
        await gateway.stop(FAREWELL)
        await web.stop()
    return reconciler.again


def _mark(store: StateDirectory) -> str:
    """How the ids of all runs of this state directory begin: by it they are known from another supervisor's."""
    return hashlib.sha256(os.fsencode(store.path.resolve())).hexdigest()[:8] + "-"


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
) -> FileRead | None:
    state = store.load()
    for note in store.notes:
        _log.warning("%s", note)
    return await begin(zoo, await config.read(), state, environ)


@contextlib.asynccontextmanager
async def _gauge() -> AsyncIterator[HostGauge]:
    """All pools of this host, with those of its GPUs listed already, unless their driver hangs."""
    cards = GpuGauge()
    cards.start()
    try:
        await asyncio.to_thread(cards.wait, FIRST_LOOK)
        yield HostGauge(RamGauge(), cards)
    finally:
        cards.close()


@contextlib.asynccontextmanager
async def _inspector(gauge: HostGauge, patience: float = PATIENCE) -> AsyncIterator[HostInspector]:
    """One that doesn't leave behind what it asked."""
    inspector = HostInspector(WeightReader(), port_owner.holder, FitParams(gauge.read, patience=patience))
    try:
        yield inspector
    finally:
        await inspector.close()


@contextlib.asynccontextmanager
async def _host(
    zoo: Zoo, config: ConfigWatch, store: StateDirectory, exits: _ExitLine
) -> AsyncIterator[Host]:
    processes = Processes(exits)
    prober = HttpProber()
    records = RecordDirectory(store.path / "runs")
    try:
        async with _gauge() as gauge, _inspector(gauge) as inspector:
            yield Host(
                node=zoo.node,
                processes=processes,
                gauge=gauge,
                prober=prober,
                inspector=inspector,
                warmer=PageWarmer(),
                logs=LogDirectory(store.logs),
                store=store,
                records=records,
                config=config,
            )
    finally:
        await prober.close()
        await processes.close()
        records.close()


def _obey_signals(post: Callable[[Message], None], reload: Callable[[], None], settings: Settings) -> None:
    """SIGTERM and SIGINT end zoosup, a second one in a hurry; SIGUSR2 executes it anew; SIGHUP looks at the file."""
    loop = asyncio.get_running_loop()
    graces = iter((None,))
    keep = settings.on_exit == "keep"

    def leave() -> None:
        post(Leave(next(graces, HURRY), keep=keep))

    loop.add_signal_handler(signal.SIGTERM, leave)
    loop.add_signal_handler(signal.SIGINT, leave)
    loop.add_signal_handler(signal.SIGUSR2, lambda: post(Leave(None, keep=True, again=True)))
    loop.add_signal_handler(signal.SIGHUP, reload)


@contextlib.asynccontextmanager
async def _beside() -> AsyncIterator[Callable[[_Work], None]]:
    """A function that lets work go on beside the body; it ends with the body."""
    tasks: set[asyncio.Task[None]] = set()

    def add(work: _Work) -> None:
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        task.add_done_callback(_say_failure)

    try:
        yield add
    finally:
        left = list(tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


def _say_failure(task: asyncio.Task[None]) -> None:
    """What fails beside is a fault of ours, and nobody else would hear of it."""
    if not task.cancelled() and task.exception() is not None:
        _log.error("internal error: something beside the loop has ended", exc_info=task.exception())


async def _reload_when_asked(asked: asyncio.Event, reload: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """One look at a time, and all that are asked for meanwhile are one more: a storm of SIGHUPs must not queue up."""
    while True:
        await asked.wait()
        asked.clear()
        await reload()


async def _keep_the_lock(store: StateDirectory, post: Callable[[Message], None]) -> None:
    """A state directory that somebody removes takes the lock along, and a second zoosup would start beside this one."""
    while True:
        await asyncio.sleep(HOLD_EVERY)
        try:
            await asyncio.to_thread(store.hold)
        except LockedError as error:
            _log.error("%s; this one ends and leaves its models to it", error)
            post(Leave(None, keep=True))
            return
        except ZoosupError as error:
            _log.debug("the lock can't be looked after: %s", error)


async def _keep_logs_short(logs: Logs) -> None:
    while True:
        await asyncio.sleep(ROTATE_EVERY)
        with contextlib.suppress(OSError):
            await logs.rotate()


async def _give_memory_back() -> None:
    while True:
        await asyncio.sleep(GIVE_BACK_EVERY)
        await asyncio.to_thread(malloc.give_back)


async def _keep_the_address(zoo: Zoo, settings: Settings, web: WebServer, publisher: Publisher) -> None:
    """Follow `status` of the file: a new address or token costs no process."""
    known, version = zoo.spec.status, publisher.version
    while True:
        version = await publisher.newer(version)
        if zoo.spec.status == known:
            continue
        known = zoo.spec.status
        web.set_token(_token(known))
        try:
            await web.rebind(settings.listen(known.listen))
        except Exception as error:  # noqa: BLE001 - whatever it is, the models are not to suffer
            zoo.journal.add("Refused", None, "StatusListen", str(error))


def _token(status: StatusSpec) -> str | None:
    return None if status.token is None else status.token.get_secret_value()


def _log_to_stderr(settings: Settings) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if settings.log_format == "json" else TextLines())
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    logging.getLogger("aiohttp").setLevel(logging.WARNING)
