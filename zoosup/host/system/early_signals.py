"""Signals that come to `zoosup run` before it can obey them: they are noted, and end nothing.

Until then the models of an earlier zoosup may run without a supervisor, and a process that SIGTERM ends by itself would
leave them so. Imports nothing that takes time. Refuses to know what a signal means.
"""

import signal
from collections.abc import Iterator

OURS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR2)
_noted: list[signal.Signals] = []


def note() -> None:
    """Note them from now on, and those that `hold_back` has held back."""
    for each in OURS:
        signal.signal(each, lambda number, _: _noted.append(signal.Signals(number)))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, OURS)


def taken() -> Iterator[signal.Signals]:
    """What has been noted, in order; each once. Whoever asks handles by itself what comes from now on."""
    while _noted:
        yield _noted.pop(0)


def hold_back() -> None:
    """Let none of them end the process before the program that it executes notes them."""
    signal.pthread_sigmask(signal.SIG_BLOCK, OURS)
