"""What signals mean to a supervisor: messages to the single writer, like every other wish. Refuses to act on one."""

import asyncio
import signal
from collections.abc import Callable

from zoosup.runtime.state.inbox import Message, ShutdownAsked
from zoosup.supervisor.settings import Settings

HURRY = 2.0
"""Seconds that a second SIGTERM leaves each model."""


def obey(
    post: Callable[[Message], None],
    leave_models: Callable[[bool], None],
    reload: Callable[[], None],
    settings: Settings,
) -> None:
    """SIGTERM and SIGINT end zoosup, a second one in a hurry; SIGHUP looks at the file.

    SIGQUIT ends zoosup alone, and SIGUSR2 executes it anew; the models go on. `leave_models` is told that, and whether
    it is to be executed anew.
    """
    loop = asyncio.get_running_loop()
    graces = iter((None,))
    keep = settings.on_exit == "keep"

    def leave() -> None:
        grace = next(graces, HURRY)
        if keep and grace is None:
            leave_models(False)
        else:
            post(ShutdownAsked(grace, keep=keep))

    loop.add_signal_handler(signal.SIGTERM, leave)
    loop.add_signal_handler(signal.SIGINT, leave)
    loop.add_signal_handler(signal.SIGQUIT, leave_models, False)
    loop.add_signal_handler(signal.SIGUSR2, leave_models, True)
    loop.add_signal_handler(signal.SIGHUP, reload)
