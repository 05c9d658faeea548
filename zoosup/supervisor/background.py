"""What goes on beside the reconciler for as long as it runs: followers of the file, words to the init system, chores.

None of it may end the supervisor: what fails is said, and the rest goes on. Refuses to change the zoo but by messages.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Self

from zoosup.errors import LockedError, ZoosupError
from zoosup.host.ports.host import Logs
from zoosup.host.storage.state_dir import StateDirectory
from zoosup.host.system import malloc
from zoosup.runtime.startup import config_source
from zoosup.runtime.state.inbox import Message, ShutdownAsked
from zoosup.spec.syntax.addresses import split_address
from zoosup.supervisor.assembly import Supervisor
from zoosup.supervisor.shutdown import leave_models_when_asked

CHECK_LOCK_EVERY = 5.0
"""Seconds between looks at whether the lock is still where others would meet it."""

ROTATE_EVERY = 2.0
"""Seconds between looks at the models' logs: on a full disk they live on the room that was taken before."""

LISTEN_EVERY = 5.0
"""Seconds between tries to listen where `status` says, while that can't be had."""

TRIM_EVERY = 10.0
"""Seconds between returns of memory that was freed: longer than a burst of large bodies, which would want it again."""

_log = logging.getLogger("zoosup")


class BackgroundTasks:
    """All of it, from `start` until the `async with` block is left."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        return self

    def start(self, supervisor: Supervisor) -> None:
        """Begin all of it."""
        for work in _works(supervisor):
            task = asyncio.create_task(work)
            task.add_done_callback(_say_failure)
            self._tasks.append(task)

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _works(supervisor: Supervisor) -> list[Coroutine[Any, Any, None]]:
    host, post, path = supervisor.host, supervisor.inbox.post, supervisor.zoo.applied.path
    return [
        supervisor.gateway_keeper.keep(supervisor.publisher),
        config_source.follow(host.config, path, supervisor.environ, post),
        _follow_status_section(supervisor),
        _reload_when_asked(supervisor.reload_asked, supervisor.reload),
        supervisor.init_status.announce(),
        supervisor.init_status.pulse(),
        leave_models_when_asked(supervisor),
        _check_lock(supervisor.store, post),
        _rotate_logs(host.logs),
        _trim_heap(),
        _keep_fleet(supervisor),
    ]


def _say_failure(task: asyncio.Task[None]) -> None:
    """What fails beside is a fault of ours, and nobody else would hear of it."""
    if not task.cancelled() and task.exception() is not None:
        _log.error("internal error: something beside the loop has ended", exc_info=task.exception())


async def _follow_status_section(supervisor: Supervisor) -> None:
    """Follow `status` of the file: a new address or token costs no process. What can't be had is tried again."""
    zoo, web, publisher = supervisor.zoo, supervisor.web, supervisor.publisher
    known, version = zoo.spec.status, publisher.version
    loop, tried = asyncio.get_running_loop(), 0.0
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LISTEN_EVERY):
                version = await publisher.newer(version)
        again = bool(zoo.status_trouble) and loop.time() - tried >= LISTEN_EVERY
        if zoo.spec.status == known and not again:
            continue
        known, tried = zoo.spec.status, loop.time()
        web.configure(known)
        trouble = ""
        try:
            await web.rebind(supervisor.settings.listen(known.listen))
        except Exception as error:  # noqa: BLE001 - whatever it is, the models are not to suffer
            trouble = str(error)
            if _gateway_waits_for(web.address, supervisor):
                await web.rebind(None)
        if trouble != zoo.status_trouble:
            zoo.status_trouble = trouble
            if trouble:
                zoo.journal.add("Refused", None, "StatusListen", trouble)
            supervisor.inbox.wake()


def _gateway_waits_for(address: str | None, supervisor: Supervisor) -> bool:
    """Whether the file gives the gateway this one's port: where the two change places, one has to let go first."""
    gateway = supervisor.zoo.spec.gateway
    wanted = supervisor.settings.gateway(gateway.listen if gateway else None)
    return (
        address is not None and wanted is not None and split_address(address)[1] == split_address(wanted)[1]
    )


async def _keep_fleet(supervisor: Supervisor) -> None:
    """From when zoo.yaml first has a fleet, or a zoosup before has left its processes; imports nothing before."""
    zoo, publisher, version = supervisor.zoo, supervisor.publisher, supervisor.publisher.version
    while zoo.fleet is None and not (supervisor.store.path / "fleet" / "logs").exists():
        version = await publisher.newer(version)
    from zoosup.supervisor.fleet_tasks import fleet_tasks  # noqa: PLC0415

    await fleet_tasks(supervisor)


async def _reload_when_asked(asked: asyncio.Event, reload: Callable[[], Awaitable[None]]) -> None:
    """One look at a time, and all that are asked for meanwhile are one more: a storm of SIGHUPs must not queue up."""
    while True:
        await asked.wait()
        asked.clear()
        await reload()


async def _check_lock(store: StateDirectory, post: Callable[[Message], None]) -> None:
    """A state directory that somebody removes takes the lock along, and a second zoosup would start beside this one."""
    while True:
        await asyncio.sleep(CHECK_LOCK_EVERY)
        try:
            await asyncio.to_thread(store.hold)
        except LockedError as error:
            _log.error("%s; this one ends and leaves its models to it", error)
            post(ShutdownAsked(None, keep=True))
            return
        except ZoosupError as error:
            _log.debug("the lock can't be looked after: %s", error)


async def _rotate_logs(logs: Logs) -> None:
    while True:
        await asyncio.sleep(ROTATE_EVERY)
        with contextlib.suppress(OSError):
            await logs.rotate()


async def _trim_heap() -> None:
    while True:
        await asyncio.sleep(TRIM_EVERY)
        await asyncio.to_thread(malloc.give_back)
