"""`zoosup`: finds the command, calls it, and turns how it ended into a line and an exit code.

Imports a command's module only when it is called: `zoosup --version` loads next to nothing.
"""

import errno
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from zoosup.cli.args.tree import parser
from zoosup.errors import ExitCode, InvalidFileError, ZoosupError

_OUTPUT_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
_STREAMS = 3
"""stdin, stdout and stderr have the first numbers."""
INTERRUPTED = 130
BROKEN_PIPE = 141
"""What a shell reports of a program that SIGINT or SIGPIPE ended."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command line and return the exit code."""
    _stand_in_for_closed_streams()
    _never_fail_to_print()
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except ZoosupError as error:
        _complain(error)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _forget_output()
        return BROKEN_PIPE
    except OSError as error:
        if error.errno not in _OUTPUT_FULL:
            raise
        _complain(ZoosupError(f"the output can't be written: {error.strerror}"))
        _forget_output()
        return ExitCode.FAILED
    return code


def _forget_output() -> None:
    """Python flushes stdout once more at exit; what is left has nowhere to go."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(arguments: Sequence[str] | None) -> int:
    if not (sys.argv[1:] if arguments is None else arguments):
        print(parser().format_help(), file=sys.stderr, end="")
        return ExitCode.USAGE
    given = parser().parse_args(arguments)
    module, _, function = given.handler.partition(":")
    code: int = getattr(import_module(f"zoosup.cli.{module}"), function)(given)
    return code


def _complain(error: ZoosupError) -> None:
    # A problem of the file begins with file:line:column, which editors and terminals make a link.
    text = str(error) if isinstance(error, InvalidFileError) else f"zoosup: {error}"
    print(text, file=sys.stderr)


def _stand_in_for_closed_streams() -> None:
    """`zoosup run <&- >&- 2>&-`: Python has None for such a stream, and its number would be the next file's."""
    while (free := os.open(os.devnull, os.O_RDWR)) < _STREAMS:
        os.set_inheritable(free, True)
    os.close(free)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def _never_fail_to_print() -> None:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
