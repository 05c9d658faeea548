"""Tells the init system how zoosup is: systemd's sd_notify protocol, datagrams to the socket that it names.

Knows the protocol and its variables. Refuses to know when zoosup is ready or what its status is, and to matter:
nothing here raises, waits, or does anything where there is no such socket (a terminal, a container, macOS).
"""

import logging
import os
import re
import socket
import sys
import time
from collections.abc import Mapping

MOST_STATUS = 1024
"""Bytes of a status line; systemd reads 4096 of a message, and what comes behind the cut is lost."""

_LONGEST_TIMEOUT = 7 * 24 * 3600.0  # seconds; USEC fields are unsigned and must not be fed an infinity
_MICROSECONDS = 1_000_000
_PERIOD = re.compile(r"[1-9][0-9]{0,17}")  # fits 64 bits
_STATES = ("READY", "RELOADING", "STOPPING", "MONOTONIC_USEC")

# What systemd tells a service about itself and about nobody below it. A child that took NOTIFY_SOCKET for its own
# would speak in our name, and JOURNAL_STREAM is untrue of one that writes to a file. CREDENTIALS_DIRECTORY stays:
# a model may be meant to read from there.
_OURS = re.compile(
    r"NOTIFY_SOCKET|WATCHDOG_(USEC|PID)|LISTEN_(PID|PIDFDID|FDS|FDNAMES)|FDSTORE|JOURNAL_STREAM|INVOCATION_ID"
    r"|SYSTEMD_EXEC_PID|MAINPID|MANAGERPID|MANAGERPIDFDID|MEMORY_PRESSURE_(WATCH|WRITE)|STATE_DIRECTORY"
)

_log = logging.getLogger(__name__)


class InitSystem:
    """The manager that has started zoosup, if `environ` names one; every method is a no-op otherwise.

    A message that can't be delivered now is sent with the next one, so that a full queue costs a delay and no
    READY; the first such failure is told at debug.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._every = _watchdog_every(environ) if self._address else None
        self._owed: dict[str, str] = {}
        self._status = ""
        self._complained = False
        # Opened once: the watchdog has to be fed also when no file descriptor is left.
        self._socket = _open() if self._address else None

    @property
    def watchdog_every(self) -> float | None:
        """Seconds between two calls of `watchdog`: half of what systemd allows; None when it does not ask."""
        return self._every

    def ready(self) -> None:
        """Start-up, or the reload before it, is complete."""
        self._enter("READY")

    def reloading(self) -> None:
        """The file is looked at again; `ready` has to follow."""
        self._enter("RELOADING", MONOTONIC_USEC=str(time.monotonic_ns() // 1000))

    def stopping(self) -> None:
        """The end has begun."""
        self._enter("STOPPING")

    def status(self, text: str) -> None:
        """Show a line in `systemctl status`; the one that is there already is not sent again."""
        line = _line(text)
        if line != self._status:
            self._status = line
            self._tell(STATUS=line)

    def watchdog(self) -> None:
        """The loop turns: to be called from there, and only from there, every `watchdog_every` seconds."""
        self._tell(WATCHDOG="1")

    def extend_timeout(self, seconds: float) -> None:
        """Ask for at least `seconds` from now for the start or the stop under way, beyond the unit's time-out.

        systemd.service(5), TimeoutStopSec: the next call has to come before they are over.
        """
        asked = min(max(0.001, seconds), _LONGEST_TIMEOUT)
        self._tell(EXTEND_TIMEOUT_USEC=str(int(asked * _MICROSECONDS)))

    def close(self) -> None:
        """Say nothing more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _enter(self, state: str, **details: str) -> None:
        """The state before it, if still owed, is no longer true."""
        for name in _STATES:
            self._owed.pop(name, None)
        self._tell(**{state: "1"}, **details)

    def _tell(self, **assignments: str) -> None:
        if self._socket is None:
            return
        self._owed |= assignments
        message = "\n".join(f"{name}={value}" for name, value in self._owed.items())
        try:
            self._socket.sendto(message.encode(), self._address)
        except OSError as error:
            self._complain(error)
        else:
            self._owed.clear()

    def _complain(self, error: OSError) -> None:
        if not self._complained:
            self._complained = True
            _log.debug("NOTIFY_SOCKET does not take what it is told: %s", error)


def without_init_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what an init system says to zoosup alone: what children may inherit."""
    return {name: value for name, value in environ.items() if not _OURS.fullmatch(name)}


def _address(named: str) -> str:
    """The address to send to, "" for none: a path, or after `@` a name in Linux's abstract namespace.

    systemd's third kind, vsock, is for virtual machines as a whole and not for services in them.
    """
    if sys.platform != "linux" or not named.startswith(("/", "@")) or named == "@":
        return ""
    return "\0" + named[1:] if named.startswith("@") else named


def _open() -> socket.socket | None:
    try:
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    except OSError as error:
        _log.debug("no socket to tell the init system anything: %s", error)
        return None
    opened.setblocking(False)
    return opened


def _watchdog_every(environ: Mapping[str, str]) -> float | None:
    """sd_watchdog_enabled(3): a WATCHDOG_PID that is not ours means that somebody else is watched."""
    period, watched = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID")
    if watched is not None and watched != str(os.getpid()):
        return None
    if not _PERIOD.fullmatch(period):
        return None
    return int(period) / _MICROSECONDS / 2


def _line(text: str) -> str:
    """One line of bounded length; systemd throws a whole message away for one NUL in it."""
    clean = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(clean.split()).encode()[:MOST_STATUS].decode(errors="ignore")
