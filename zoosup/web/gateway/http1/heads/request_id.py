"""What one request is called in logs: as its client calls it where that is a plain word, else by a new one.

Written as a header's line, for so it goes to the model's server and into the answer. New ones are a word of this
process and a number: they are no secret, and cost a request no more than counting.
"""

import re
import secrets
from itertools import count

NAME = b"x-request-id"
BEGINNING = NAME + b": "
"""Of its line."""

_LINE = b"\r\n" + BEGINNING
_PLAIN = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_NEW = BEGINNING + secrets.token_hex(6).encode() + b"-%x\r\n"

_numbers = count(1)


def new_line() -> bytes:
    """The line of an id that no other request has."""
    return _NEW % next(_numbers)


def line_of(given: bytes) -> bytes:
    """The line of a client's own id; b"" where it is none that logs should have."""
    return BEGINNING + given + b"\r\n" if _PLAIN.fullmatch(given) else b""


def cut(lines: bytes) -> tuple[bytes, bytes]:
    """Lines of a head, each with a line end before it, without the first id that is spelled as here; and that's line.

    b"" where there is none that logs should have.
    """
    at = lines.find(_LINE)
    if at < 0:
        return lines, b""
    end = lines.find(b"\r\n", at + len(_LINE))
    end = end if end >= 0 else len(lines)
    line = line_of(lines[at + len(_LINE) : end])
    return (lines[:at] + lines[end:], line) if line else (lines, b"")


def id_in(line: bytes) -> str:
    """The id of such a line."""
    return line[len(BEGINNING) : -2].decode("ascii")
