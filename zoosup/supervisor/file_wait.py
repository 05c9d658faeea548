"""The time before a first good zoo.yaml (`run --wait-for-file`): status says what is wrong, and the file is followed.

Nothing is adopted, started or stopped meanwhile: what runs of an earlier zoosup stays as it is. Refuses to judge the
file; `startup` puts it in force.
"""

import asyncio
import contextlib
import logging
from functools import partial

from zoosup.core.scheduler.plan import plan
from zoosup.errors import InvalidFileError, ZoosupError
from zoosup.host.config.file_watcher import ConfigWatch
from zoosup.runtime.publish import snapshot
from zoosup.runtime.publish.condition_status import ConditionTimes
from zoosup.runtime.startup import config_source
from zoosup.runtime.state.dry_run import copy_with
from zoosup.runtime.state.inbox import CommandGiven, FileRead, Inbox, Message, PlanAsked, ShutdownAsked
from zoosup.spec.model.gateway import StatusSpec
from zoosup.supervisor import signals, startup
from zoosup.supervisor.assembly import Supervisor

BEAT = 2.0
"""Seconds between two words to a watchdog."""

_log = logging.getLogger("zoosup")


async def wait_for_file(supervisor: Supervisor, config: ConfigWatch) -> FileRead | None:
    """Serve status until a good file is in force; the edit to be applied after adoption, if there is one.

    Returns None with nothing in force where zoosup was told to end first, or to be executed anew.
    """
    zoo, inbox, store = supervisor.zoo, supervisor.inbox, supervisor.store
    signals.obey(inbox.post, partial(_leave, inbox), inbox.wake, supervisor.settings)
    await _serve_status(supervisor)
    _log.warning("waiting for a good %s; nothing is started or stopped meanwhile", zoo.applied.path)
    follow = asyncio.create_task(
        config_source.follow(config, zoo.applied.path, supervisor.environ, inbox.post)
    )
    times = ConditionTimes(zoo.clock.wall)
    try:
        while not (zoo.shutdown or supervisor.reconciler.models_kept):
            supervisor.publisher.publish(snapshot.build(zoo, plan(zoo.spec, zoo.observed()), times))
            supervisor.init.status(
                "waiting for a good zoo.yaml: " + (zoo.applied.error or "").partition("\n")[0]
            )
            supervisor.init.watchdog()
            await inbox.wait(BEAT)
            while (message := inbox.take()) is not None:
                if _is_good(supervisor, message):
                    with contextlib.suppress(InvalidFileError):  # it has been edited again
                        return await startup.put_file_in_force(zoo, config, store, supervisor.environ)
        return None
    finally:
        follow.cancel()
        await asyncio.gather(follow, return_exceptions=True)
        if zoo.shutdown or supervisor.reconciler.models_kept:
            await supervisor.web.stop()


def _leave(inbox: Inbox, exec_anew: bool) -> None:
    """Nobody is being answered, and nothing runs that would have to be looked after until then."""
    inbox.post(ShutdownAsked(None, keep=True, exec_anew=exec_anew))


async def _serve_status(supervisor: Supervisor) -> None:
    """The control socket, and the address that the settings name, else the default: the file is not known yet."""
    web, status = supervisor.web, StatusSpec()
    await web.start(None)
    try:
        await web.rebind(supervisor.settings.listen(status.listen))
    except ZoosupError as error:
        _log.warning("status is served on the control socket alone: %s", error)
    supervisor.init.ready()


def _is_good(supervisor: Supervisor, message: Message) -> bool:
    """Take a message in; whether it brings a file that can be put in force."""
    zoo = supervisor.zoo
    match message:
        case FileRead():
            if message.answer is not None and not message.answer.done():
                message.answer.set_result(None)
            if message.spec is None:
                zoo.refuse(message.error)
            return message.spec is not None
        case PlanAsked():
            if not message.answer.done():
                message.answer.set_result(copy_with(zoo, message.spec, message.path))
        case CommandGiven():
            if not message.answer.done():
                message.answer.set_exception(ZoosupError("no zoo.yaml has been applied yet"))
        case ShutdownAsked():
            supervisor.reconciler.end(message)
        case _:
            pass
    return False
