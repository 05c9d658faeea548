"""The errors a person can meet, each with the exit code that a program can act on.

Knows nothing of where they are raised or how they are shown: `cli` prints them, `web` turns them into HTTP.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """What `zoosup` exits with (sysexits.h where it has a fitting code, coreutils' 124 for a time-out)."""

    DONE = 0
    FAILED = 1
    CHANGES = 2
    NOT_READY = 3
    NO_SUCH_MODEL = 4
    USAGE = 64
    UNREACHABLE = 69
    LOCKED = 75
    INVALID_FILE = 78
    TIMEOUT = 124


class ZoosupError(Exception):
    """Something a user can act on; its text is the whole message, without a traceback."""

    exit_code = ExitCode.FAILED


class UsageError(ZoosupError):
    """The command line or a setting is wrong."""

    exit_code = ExitCode.USAGE


class InvalidFileError(ZoosupError):
    """zoo.yaml is not valid; the text lists every problem, one a line."""

    exit_code = ExitCode.INVALID_FILE


class UnreachableError(ZoosupError):
    """No supervisor answers on the control socket."""

    exit_code = ExitCode.UNREACHABLE


class LockedError(ZoosupError):
    """Another zoosup holds the state directory."""

    exit_code = ExitCode.LOCKED


class NoSuchModelError(ZoosupError):
    """A model was named that zoo.yaml does not have."""

    exit_code = ExitCode.NO_SUCH_MODEL


class NoSuchHoldError(ZoosupError):
    """A hold was named that there is not, or no longer."""


class WaitTimeoutError(ZoosupError):
    """A wait ended before what it waited for came true."""

    exit_code = ExitCode.TIMEOUT
