"""What signals mean to a supervisor: messages to the single writer, like every other wish. Refuses to act on one."""

import asyncio
import signal
from collections.abc import Callable

from zoosup.runtime.state.inbox import Message, ShutdownAsked
from zoosup.supervisor.settings import Settings

HURRY = 2.0
"""Seconds that a second SIGTERM leaves each model."""


def obey(post: Callable[[Message], None], reload: Callable[[], None], settings: Settings) -> None:
    """SIGTERM and SIGINT end zoosup, a second one in a hurry; SIGHUP looks at the file.

    SIGQUIT ends zoosup alone, and SIGUSR2 executes it anew; the models go on.
    """
    loop = asyncio.get_running_loop()
    graces = iter((None,))
    keep = settings.on_exit == "keep"

    def leave() -> None:
        post(ShutdownAsked(next(graces, HURRY), keep=keep))

    loop.add_signal_handler(signal.SIGTERM, leave)
    loop.add_signal_handler(signal.SIGINT, leave)
    loop.add_signal_handler(signal.SIGQUIT, lambda: post(ShutdownAsked(None, keep=True)))
    loop.add_signal_handler(signal.SIGUSR2, lambda: post(ShutdownAsked(None, keep=True, exec_anew=True)))
    loop.add_signal_handler(signal.SIGHUP, reload)
