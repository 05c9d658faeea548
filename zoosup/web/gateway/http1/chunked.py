"""The chunks of a body, taken apart: what a model's server is sent, or a client that knows none, is framed anew.

Of a request they are read here, of an answer by llhttp. Pure and strict (RFC 9112, 7.1): a size is up to eight
hexadecimal digits, lines end in CR LF, extensions and trailers are read over within bounds. Refuses to know how long a
body may be.
"""

import re
from typing import Protocol

_LONGEST_LINE = 256
_LONGEST_TRAILERS = 16 * 1024
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})(?:;[\t !-~\x80-\xff]*)?")
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\xff]*")


class ChunkError(Exception):
    """What has come is no chunk."""


class Chunks:
    """One body; `done` once its last line has come."""

    def __init__(self) -> None:
        self.done = False
        self._left = 0  # bytes of the chunk that are still to come, its line end not counted
        self._closing = False  # a chunk's bytes are complete, its line end is not
        self._in_trailers = False
        self._trailers = 0
        self._line = b""

    def feed(self, data: bytes, at: int) -> tuple[list[bytes], int]:
        """Take what comes from `at` on: the pieces of the body in it, and where the body ends or `data` does."""
        pieces: list[bytes] = []
        while at < len(data) and not self.done:
            if self._left:
                piece = data[at : at + self._left]
                self._left -= len(piece)
                self._closing = not self._left
                at += len(piece)
                pieces.append(piece)
                continue
            end = data.find(b"\n", at)
            stop = len(data) if end < 0 else end + 1
            self._line += data[at:stop]
            at = stop
            self._check(whole=end >= 0)
        return pieces, at

    def _check(self, *, whole: bool) -> None:
        limit = _LONGEST_TRAILERS - self._trailers if self._in_trailers else _LONGEST_LINE
        if len(self._line) > limit:
            raise ChunkError("a line between chunks is too long")
        if not whole:
            return
        line, self._line = self._line, b""
        if not line.endswith(b"\r\n"):
            raise ChunkError("a line between chunks does not end in CR LF")
        self._read(line[:-2])

    def _read(self, line: bytes) -> None:
        if self._closing:
            if line:
                raise ChunkError("a chunk is longer than it says")
            self._closing = False
        elif self._in_trailers:
            self._trailers += len(line)
            self.done = not line
            if line and _TRAILER.fullmatch(line) is None:
                raise ChunkError("a trailer is no header")
        else:
            size = _SIZE.fullmatch(line)
            if size is None:
                raise ChunkError("a chunk has no size")
            self._left = int(size[1], 16)
            self._in_trailers = not self._left


class AnswerListener(Protocol):
    """What llhttp calls while it reads an answer."""

    def on_message_begin(self) -> None:
        """An answer begins."""

    def on_headers_complete(self) -> None:
        """Its head is complete."""

    def on_message_complete(self) -> None:
        """It has ended."""


class Pieces:
    """Listens for the pieces of an answer's body as well; llhttp copies each for that."""

    def __init__(self, listener: AnswerListener, pieces: list[bytes]) -> None:
        self.on_message_begin = listener.on_message_begin
        self.on_headers_complete = listener.on_headers_complete
        self.on_message_complete = listener.on_message_complete
        self.on_body = pieces.append
