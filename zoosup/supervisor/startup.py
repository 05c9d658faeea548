"""How a supervisor begins: the file in force, the runs of the zoosup before, then the listeners, in this order.

Nothing is started before adoption is complete (§9.11), and nobody is answered before there is something to say.
"""

import hashlib
import logging
import os
from collections.abc import Mapping

from zoosup.host.config.file_watcher import ConfigWatch
from zoosup.host.storage.state_dir import StateDirectory
from zoosup.runtime.publish.init_status import taking_over
from zoosup.runtime.startup.adoption import adopt
from zoosup.runtime.startup.resume import apply_pending_edit, restore
from zoosup.runtime.state.inbox import FileRead
from zoosup.runtime.state.zoo import Zoo
from zoosup.supervisor import signals
from zoosup.supervisor.assembly import Supervisor

_log = logging.getLogger("zoosup")


def run_id_prefix(store: StateDirectory) -> str:
    """How the ids of all runs of this state directory begin: by it they are known from another supervisor's."""
    return hashlib.sha256(os.fsencode(store.path.resolve())).hexdigest()[:8] + "-"


async def put_file_in_force(
    zoo: Zoo, config: ConfigWatch, store: StateDirectory, environ: Mapping[str, str]
) -> FileRead | None:
    """Begin with the last good file and what was kept of it; the edit made since, to be applied after adoption."""
    state = store.load()
    for note in store.notes:
        _log.warning("%s", note)
    return await restore(zoo, await config.read(), state, environ)


async def adopt_runs(supervisor: Supervisor, edit: FileRead | None) -> None:
    """Take over what lives, then the edit that was made while nobody watched."""
    signals.obey(
        supervisor.inbox.post,
        supervisor.leave_asked.put_nowait,
        supervisor.reload_asked.set,
        supervisor.settings,
    )
    zoo, host, environ = supervisor.zoo, supervisor.host, supervisor.environ
    async with taking_over(supervisor.init):
        await adopt(zoo, host, environ)
    apply_pending_edit(zoo, edit)


async def open_listeners(supervisor: Supervisor) -> None:
    """The control socket and the status server, then the gateway; ZoosupError for an address that can't be had."""
    web, status = supervisor.web, supervisor.zoo.spec.status
    web.configure(status)
    await web.start(supervisor.settings.listen(status.listen), status.token_text)
    await supervisor.gateway_keeper.begin()
    for address in supervisor.handed.settle():
        _log.warning("the init system listens on %s, where zoo.yaml has nobody answer", address)
    _log.info(
        "zoosup supervises %s; gateway on %s, status on %s",
        supervisor.zoo.applied.path,
        supervisor.gateway.address or "nothing",
        web.address or supervisor.store.socket,
    )
