"""What signals mean to a supervisor: messages to the single writer, like every other wish. Refuses to act on one."""

import asyncio
import signal
from collections.abc import Callable
from functools import partial

from zoosup.host.system import early_signals
from zoosup.runtime.state.inbox import Message, ShutdownAsked
from zoosup.supervisor.settings import Settings

_ENDING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})

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

    handlers: dict[signal.Signals, Callable[[], None]] = {
        signal.SIGTERM: leave,
        signal.SIGINT: leave,
        signal.SIGQUIT: partial(leave_models, False),
        signal.SIGUSR2: partial(leave_models, True),
        signal.SIGHUP: reload,
    }
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    for early in early_signals.taken():
        if early in _ENDING:  # the file is read anyhow, and this zoosup is new
            handlers[early]()
