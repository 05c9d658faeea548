"""The parts of a multipart/form-data body, by where their values lie in it.

Reads less than RFC 7578 allows: what servers read differently (a preamble, a line that only begins like a boundary, an
encoded text) is refused, so that all see the same fields. Its headers are read by python-multipart, as by most
servers in Python. Refuses to know what a field means.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from python_multipart.multipart import parse_options_header

from zoosup.web.gateway.errors import DeniedError

_LONGEST_BOUNDARY = 70  # RFC 2046, 5.1.1
_LONGEST_HEAD = 16 * 2**10
_MOST_PARTS = 1000
_LONGEST_TEXT = 64 * 2**10
_EXTENDED = re.compile(rb"[;\s]name\*", re.IGNORECASE)
_PLAIN = frozenset({b"7bit", b"8bit", b"binary"})


@dataclass(frozen=True, slots=True)
class FormPart:
    """One field: its value is `body[start:end]`, its head begins at `at`."""

    name: str
    at: int
    start: int
    end: int
    is_file: bool = False

    def text(self, body: bytes) -> str:
        """The value as text; DeniedError with 400 where it is a file, too long or not UTF-8."""
        if self.is_file or self.end - self.start > _LONGEST_TEXT:
            raise _bad(f"{self.name} is a file; expected text")
        try:
            return body[self.start : self.end].decode()
        except UnicodeDecodeError:
            raise _bad(f"{self.name} is not UTF-8") from None


def is_form(content_type: str) -> bool:
    """Whether a Content-Type is that of a form with parts."""
    return content_type[:19].lower() == "multipart/form-data"


def parts(body: bytes, content_type: str) -> Iterator[FormPart]:
    """Find every part; DeniedError with 400 for a body that is not clearly and completely a form."""
    delimiter = b"\r\n--" + _boundary(content_type)
    if not body.startswith(delimiter[2:]):
        raise _bad("the form does not begin with its boundary")
    at = len(delimiter) - 2
    for _ in range(_MOST_PARTS):
        if body.startswith(b"--", at):
            return
        if not body.startswith(b"\r\n", at):
            raise _bad("a line begins with the form's boundary and goes on")
        head_end = body.find(b"\r\n\r\n", at, at + _LONGEST_HEAD)
        end = body.find(delimiter, at)
        if head_end < 0 or end < head_end + 4:
            raise _bad("the form is incomplete, or a part's head is too long")
        yield _part(body, at + 2, head_end, end)
        at = end + len(delimiter)
    raise _bad(f"the form has more than {_MOST_PARTS} parts")


def field(name: str, value: bytes) -> bytes:
    """Write a part, head and value, without its boundary."""
    quoted = name.replace("\\", "\\\\").replace('"', '\\"').encode()
    return b'Content-Disposition: form-data; name="%b"\r\n\r\n%b' % (quoted, value)


def written(pieces: Iterable[bytes], content_type: str) -> bytes:
    """Write a form of parts, each head and value."""
    line = b"--" + _boundary(content_type)
    return b"".join(line + b"\r\n" + piece + b"\r\n" for piece in pieces) + line + b"--\r\n"


def _boundary(content_type: str) -> bytes:
    boundary = parse_options_header(content_type.encode("latin-1", "replace"))[1].get(b"boundary", b"")
    if not 0 < len(boundary) <= _LONGEST_BOUNDARY or b"\r" in boundary or b"\n" in boundary:
        raise _bad("Content-Type has no usable boundary")
    return boundary


def _part(body: bytes, at: int, head_end: int, end: int) -> FormPart:
    head = body[at:head_end]
    options: dict[bytes, bytes] | None = None
    for line in head.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if not colon or b"\n" in line or line[:1].isspace():
            raise _bad("a part of the form has a head that can't be read")
        kind = name.lower()
        if kind == b"content-disposition":
            if options is not None:
                raise _bad("a part of the form has two Content-Dispositions")
            if _EXTENDED.search(value):
                raise _bad("a part of the form gives its name in RFC 5987's way, which RFC 7578 forbids")
            options = parse_options_header(value.strip())[1]
        elif kind == b"content-transfer-encoding" and value.strip().lower() not in _PLAIN:
            raise _bad("a part of the form is encoded")
    if options is None or b"name" not in options:
        raise _bad("a part of the form has no name")
    is_file = b"filename" in options or b"filename*" in head.lower()
    return FormPart(options[b"name"].decode("utf-8", "replace"), at, head_end + 4, end, is_file)


def _bad(message: str) -> DeniedError:
    return DeniedError(400, "invalid_form", message)
