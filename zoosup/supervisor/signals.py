"""What signals mean to a supervisor: messages to the single writer, like every other wish. Refuses to act on one."""

import asyncio
import os
import signal
from collections.abc import Callable

from zoosup.runtime.state.inbox import Message, ShutdownAsked
from zoosup.supervisor.settings import Settings

_OURS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR2)
_ENDING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})
_early: list[int] = []
"""The signals that have come to a process that was executed anew, and that nobody has obeyed yet."""

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
    while _early:
        if (number := _early.pop(0)) in _ENDING:  # the file is read anyhow, and this zoosup is new
            os.kill(os.getpid(), number)


def hold_back() -> None:
    """Let none of them end the process before the zoosup that it executes listens: its models would have nobody."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _OURS)


def take_held_back() -> None:
    """Note what was held back until `obey`. First of all: threads, and what they start, inherit who is held back."""
    held_back = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    if held_back.issuperset(_OURS):
        for each in _OURS:
            signal.signal(each, lambda number, _: _early.append(number))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _OURS)
