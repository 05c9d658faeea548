"""One supervisor's life, as a table of contents: start up, reconcile until told to leave, shut down.

Each line is a page of its own: `startup`, `background`, `shutdown`. Decides nothing.
"""

import asyncio
import os
from pathlib import Path

from zoosup.errors import InvalidFileError
from zoosup.host.config.file_watcher import ConfigWatch
from zoosup.host.storage.journal_writer import JournalWriter
from zoosup.host.storage.state_dir import StateDirectory
from zoosup.host.system.listen_fds import HandedSockets
from zoosup.host.system.sd_notify import InitSystem
from zoosup.host.system.threads import ready_made
from zoosup.runtime.events.journal import Journal
from zoosup.runtime.events.log_sink import log_event
from zoosup.runtime.state.applied import Applied
from zoosup.runtime.state.inbox import Inbox
from zoosup.runtime.state.zoo import Zoo
from zoosup.supervisor import adapters, shutdown, startup
from zoosup.supervisor.assembly import Supervisor, assemble
from zoosup.supervisor.background import BackgroundTasks
from zoosup.supervisor.file_wait import wait_for_file
from zoosup.supervisor.settings import Settings


async def supervise(
    settings: Settings, path: Path, store: StateDirectory, handed: HandedSockets
) -> int | None:
    """The exit code; None when zoosup is to be executed anew. ZoosupError for whatever keeps it from starting."""
    asyncio.get_running_loop().set_default_executor(ready_made())
    journal = Journal(sink=log_event, archive=JournalWriter(store.path / "journal.db"))
    await journal.open()
    init = InitSystem(os.environ)
    try:
        environ = adapters.inherited_environment()
        config = ConfigWatch(path, revision=settings.revision)
        prefix, clock = startup.run_id_prefix(store), adapters.system_clock()
        zoo = Zoo(adapters.node_name(), settings.instance, prefix, clock, journal, Applied(str(path)))
        try:
            edit = await startup.put_file_in_force(zoo, config, store, environ)
        except InvalidFileError as error:
            if not settings.wait_for_file:
                raise
            zoo.refuse(str(error))
        inbox = Inbox(clock.now)
        async with adapters.host(config, store, inbox.exited) as host:
            supervisor = assemble(settings, environ, zoo, inbox, host, store, init, handed)
            if not zoo.applied.generation:
                edit = await wait_for_file(supervisor, config)
            if zoo.applied.generation:
                await startup.adopt_runs(supervisor, edit)
                await _serve(supervisor)
        return None if supervisor.reconciler.exec_anew else shutdown.exit_code(zoo)
    finally:
        init.close()
        await journal.close()


async def _serve(supervisor: Supervisor) -> None:
    async with BackgroundTasks() as background:
        try:
            await startup.open_listeners(supervisor)
            background.start(supervisor)
            await supervisor.reconciler.run()
        finally:
            await shutdown.close_listeners(supervisor)
